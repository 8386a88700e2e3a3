"""A picture of the dashboard without Grafana: its panels' queries, asked of a
Prometheus and drawn as one SVG of the dashboard's own layout."""

import re
import time

import chart

WIDTH, GAP, UNIT, MARGIN, HEAD = 1680, 8, 29, 20, 76
GROUND = "#f5f7fa"


def fill(expression, job, window):
    """A query with Grafana's variables filled in."""
    return (expression.replace("$__rate_interval", window)
            .replace("$job", job).replace("$instance", ".+"))


def named(legend, labels):
    """A legend's text for one series."""
    return re.sub(r"\{\{(\w+)\}\}", lambda m: labels.get(m[1], ""), legend)


class Picture:
    """Draws a dashboard (its JSON) as seen from `start` to `end`, Unix s."""

    def __init__(self, board, prometheus, start, end, job="cooper"):
        self._board, self._prometheus = board, prometheus
        self._start, self._end, self._job = start, end, job
        # Prometheus looked every second.
        self._step = max(1, round((end - start) / 120))
        self._window = f"{max(5, 4 * self._step)}s"

    def svg(self, subtitle):
        """The whole picture. A row without any data is its heading only."""
        column = (WIDTH - 2 * MARGIN + GAP) / 24
        pieces, bottom, saved = [], 0, 0
        for row, panels in self._rows():
            data = [self._data(panel) for panel in panels]
            here = any(data)
            top = HEAD + row["gridPos"]["y"] * UNIT - saved
            pieces.append(chart.say(MARGIN, top + 17, row["title"], 16,
                                    weight=700))
            bottom = max(bottom, top + UNIT)
            if not here:
                pieces.append(chart.say(
                    MARGIN + chart.measure(row["title"]) * 1.6, top + 17,
                    "no data here", 13, chart.QUIET))
                saved += max(p["gridPos"]["h"] for p in panels) * UNIT
                continue
            for panel, series in zip(panels, data):
                at = panel["gridPos"]
                frame = chart.Frame(MARGIN + at["x"] * column,
                                    HEAD + at["y"] * UNIT - saved,
                                    at["w"] * column - GAP,
                                    at["h"] * UNIT - GAP)
                bottom = max(bottom, frame.y + frame.height)
                pieces += self._panel(panel, frame, series)
        return self._page(subtitle, pieces, bottom + MARGIN)

    def _page(self, subtitle, pieces, height):
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} '
            f'{height:.0f}" font-family="Inter, Helvetica, Arial, sans-serif">',
            f'<rect width="{WIDTH}" height="{height:.0f}" fill="{GROUND}"/>',
            chart.say(MARGIN, 36, self._board["title"], 24, weight=700),
            chart.say(MARGIN, 58, subtitle, 13, chart.QUIET),
            *pieces, "</svg>"]) + "\n"

    def _rows(self):
        rows = []
        for panel in self._board["panels"]:
            if panel["type"] == "row":
                rows.append((panel, []))
            else:
                rows[-1][1].append(panel)
        return rows

    def _data(self, panel):
        """Series of all queries of a panel: (name, points)."""
        # A figure shows what is now.
        start = self._end if panel["type"] == "stat" else self._start
        return [(named(target["legendFormat"], labels), points)
                for target in panel["targets"]
                for labels, points in self._prometheus.query_range(
                    fill(target["expr"], self._job, self._window), start,
                    self._end, self._step) if points]

    def _panel(self, panel, frame, series):
        if panel["type"] == "stat":
            defaults = panel["fieldConfig"]["defaults"]
            value = series[0][1][-1][1] if series else None
            return chart.figure(frame, panel["title"], value, defaults["unit"],
                                defaults["thresholds"]["steps"])
        return chart.Graph(frame, panel, series, self._start, self._end,
                           self._step).draw()


def taken_at(when):
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(when))
