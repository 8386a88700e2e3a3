"""A picture of the dashboard without Grafana: its panels' queries, asked of a
Prometheus and drawn in the dashboard's own layout."""

import math
import re
import time

import numpy as np
from matplotlib import ticker

import figure

UNIT = 0.21  # Inches of one unit of Grafana's grid.
HEAD = 3  # Units of the title.
MOST_NAMES = 6  # In a legend.
# Grafana's names of colours, for single figures.
TONES = {"green": "#2f9e6e", "orange": "#e07a1f", "red": "#c8453c",
         "blue": "#3b7dd8"}
# Grafana's units: those that take prefixes (milli, mega), and the others.
PREFIXED = {"s": "s", "bytes": "B", "mbytes": "B", "watt": "W"}
PLAIN = {"percentunit": " %", "percent": " %", "reqps": " /s", "ops": " /s",
         "short": ""}


def number(value, unit):
    """`value` with its unit as people read it, as "12.3 ms"."""
    if unit in PREFIXED:
        value = float(f"{value * (2**20 if unit == 'mbytes' else 1):.3g}")
        return ticker.EngFormatter(PREFIXED[unit])(value) if value else "0"
    shown = f"{value * (100 if unit == 'percentunit' else 1):.3g}"
    return (shown if abs(value) < 1000 else f"{value:.0f}") + PLAIN[unit]


def fill(expression, job, window):
    """A query with Grafana's variables filled in."""
    return (expression.replace("$__rate_interval", window)
            .replace("$job", job).replace("$instance", ".+"))


def named(legend, labels):
    """A legend's text for one series."""
    return re.sub(r"\{\{(\w+)\}\}", lambda m: labels.get(m[1], ""), legend)


def sampled(points, times, step):
    """Values at `times` of points (time, value); NaN where there is none."""
    values = np.full(len(times), np.nan)
    for when, value in points:
        index = round((when - times[0]) / step)
        if 0 <= index < len(times):
            values[index] = value
    return values


def stacked(rows):
    """(base, top) of each row of values, each on top of those before it."""
    base = np.zeros(len(rows[0]))
    for values in rows:
        top = base + values
        yield np.where(np.isnan(top), np.nan, base), top
        base = np.where(np.isnan(top), base, top)


def rows_of(board):
    """(heading, its panels), from the top down."""
    rows = []
    for panel in board["panels"]:
        if panel["type"] == "row":
            rows.append((panel, []))
        else:
            rows[-1][1].append(panel)
    return rows


class Picture:
    """Draws a dashboard (its JSON) as seen from `start` to `end`, Unix s."""

    def __init__(self, board, prometheus, start, end, job="cooper"):
        self._board, self._prometheus = board, prometheus
        self._start, self._end, self._job = start, end, job
        # Prometheus looked every second.
        self._step = max(1, round((end - start) / 100))
        self._window = f"{max(5, 4 * self._step)}s"
        self._times = np.arange(start, end + self._step / 2, self._step)

    def draw(self, subtitle):
        """The whole picture. A row without any data is its heading only."""
        rows = [(row, [(panel, self._data(panel)) for panel in panels])
                for row, panels in rows_of(self._board)]
        self._height = HEAD + sum(height_of(panels) for _, panels in rows)
        self._page = figure.new(self._height * UNIT)
        self._say(0, 1.3, self._board["title"], size=14, weight="bold")
        self._say(0, 2.4, subtitle, color=figure.QUIET)
        top = HEAD
        for row, panels in rows:
            self._say(0, top + 0.8, row["title"], size=10, weight="bold")
            if height_of(panels) == 1:
                self._say(1.5, top + 0.8, "no data here", color=figure.QUIET)
                panels = []
            for panel, series in panels:
                at = panel["gridPos"]
                self._draw_panel(
                    panel, series, (at["x"], top + at["y"] - row["gridPos"]["y"],
                                    at["w"], at["h"]))
            top += height_of(panels)
        return self._page

    def _say(self, x, y, words, **style):
        self._page.text((x + 0.25) / 24, 1 - y / self._height, words, **style)

    def _axes(self, x, y, width, height, **style):
        """Axes at a place of Grafana's grid."""
        return self._page.add_axes(
            (x / 24, 1 - (y + height) / self._height, width / 24,
             height / self._height), **style)

    def _data(self, panel):
        """Series of all queries of a panel: (name, points)."""
        # A single figure shows what is now.
        start = self._end if panel["type"] == "stat" else self._start
        return [(named(target["legendFormat"], labels), points)
                for target in panel["targets"]
                for labels, points in self._prometheus.query_range(
                    fill(target["expr"], self._job, self._window), start,
                    self._end, self._step) if points]

    def _draw_panel(self, panel, series, place):
        x, y, width, height = place
        stat = panel["type"] == "stat"
        card = self._axes(x + 0.1, y + 0.1, width - 0.2, height - 0.2,
                          xticks=[], yticks=[])
        card.spines[:].set(visible=True, color=figure.GRID)
        self._say(x + 0.1, y + 1, panel["title"], weight="bold",
                  size=7 if stat else 8,
                  color="white" if stat else figure.INK)
        if stat:
            value = series[0][1][-1][1] if series else None
            defaults = panel["fieldConfig"]["defaults"]
            card.set_facecolor(tone(value, defaults["thresholds"]["steps"]))
            card.text(0.5, 0.25, "no data" if value is None else
                      number(value, defaults["unit"]), color="white",
                      weight="bold", size=14, ha="center")
        elif not series:
            card.text(0.5, 0.5, "no data here", color=figure.QUIET, ha="center")
        else:
            self._draw_graph(panel, series, place)

    def _draw_graph(self, panel, series, place):
        x, y, width, height = place
        defaults = panel["fieldConfig"]["defaults"]
        # The largest first: that is the order of the legend.
        shown = sorted((item for item in series if any(v for _, v in item[1])),
                       key=lambda item: -item[1][-1][1])
        names = [f"{name} {number(points[-1][1], defaults['unit'])}".strip()
                 for name, points in shown][:MOST_NAMES]
        notes = [f"{count} {what}"
                 for count, what in ((len(shown) - MOST_NAMES, "more"),
                                     (len(series) - len(shown), "always 0"))
                 if count > 0]
        # Letters of the legend that fit a unit: 6.
        columns = max(1, width * 6 // (max(map(len, names + notes)) + 5))
        lines = math.ceil(len(names + notes) / columns)
        axes = self._axes(x + 1.5, y + 1.4, width - 2.1,
                          height - 2.6 - 0.62 * lines)
        self._plot(axes, defaults, shown, names)
        for note in notes:
            axes.plot([], [], " ", label=note)
        axes.legend(loc="lower left", bbox_to_anchor=(
            (x + 0.25) / 24, 1 - (y + height - 0.2) / self._height),
            bbox_transform=self._page.transFigure, ncols=columns, fontsize=7,
            handlelength=1, columnspacing=1, labelspacing=0.2,
            handletextpad=0.5, borderaxespad=0, borderpad=0.2)

    def _plot(self, axes, defaults, shown, names):
        values = [sampled(points, self._times, self._step)
                  for _, points in shown]
        seconds = self._times - self._start
        if defaults["custom"]["stacking"]["mode"] == "normal" and values:
            layers = list(stacked(values))
            values = [top for _, top in layers]
            for base, top in layers:
                axes.fill_between(seconds, base, top, alpha=0.35, linewidth=0)
        for index, line in enumerate(values):
            axes.plot(seconds, line,
                      label=names[index] if index < MOST_NAMES else None)
        high = max((np.nanmax(line) for line in values), default=0)
        limit = defaults.get("max", 0)
        axes.set_ylim(0, max(limit, high) if high > limit / 2 > 0 else
                      1.05 * high or 1)
        axes.set_xlim(0, self._end - self._start)
        axes.yaxis.set_major_locator(ticker.MaxNLocator(4 if high else 1))
        axes.yaxis.set_major_formatter(
            lambda value, _: number(value, defaults["unit"]))
        axes.xaxis.set_major_locator(ticker.MaxNLocator(4))
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")


def height_of(panels):
    """Units of a row with its heading; `panels`: with their series."""
    if not any(series for _, series in panels):
        return 1
    places = [panel["gridPos"] for panel, _ in panels]
    return (1 + max(at["y"] + at["h"] for at in places)
            - min(at["y"] for at in places))


def tone(value, steps):
    """The colour that judges a value."""
    if value is None:
        return "#9aa5b1"
    return next(TONES[step["color"]] for step in reversed(steps)
                if step["value"] is None or value >= step["value"])


def taken_at(when):
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(when))
