"""Panels of the dashboard as pieces of SVG: a graph over time, or one figure."""

import html

import units

INK, QUIET, GRID, PAPER = "#1f2933", "#7b8794", "#e4e7eb", "#ffffff"
COLOURS = ["#3b7dd8", "#e07a1f", "#2f9e6e", "#c8453c", "#8a5cc2", "#b08900",
           "#1c8fa3", "#d0589b", "#6b7c2b", "#5f6b7a"]
# Grafana's names of colours, for figures.
TONES = {"green": "#2f9e6e", "orange": "#e07a1f", "red": "#c8453c",
         "blue": "#3b7dd8"}
LEFT, RIGHT, TOP, AXIS, LINE = 58, 12, 36, 18, 15


def say(x, y, words, size=11, colour=INK, anchor="start", weight=400):
    """A line of text."""
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}" '
            f'text-anchor="{anchor}" font-weight="{weight}">'
            f"{html.escape(str(words))}</text>")


def measure(words):
    """About the width of a text of 11 px, px."""
    return sum(8.2 if letter.isupper() or letter in "_%mw" else 6.2
               for letter in words)


def cut(words, width):
    """`words`, shortened to a width in px."""
    while measure(words) > width and len(words) > 4:
        words = words[:-2] + "…"
    return words


class Frame:
    """Where a panel lies, px, and its background."""

    def __init__(self, x, y, width, height):
        self.x, self.y, self.width, self.height = x, y, width, height

    def card(self, fill=PAPER):
        return (f'<rect x="{self.x:.1f}" y="{self.y:.1f}" '
                f'width="{self.width:.1f}" height="{self.height:.1f}" rx="6" '
                f'fill="{fill}" stroke="{GRID}"/>')


def figure(frame, title, value, unit, steps):
    """One number on a ground whose colour judges it."""
    colour = "#9aa5b1"
    if value is not None:
        colour = next(TONES[step["color"]] for step in reversed(steps)
                      if step["value"] is None or value >= step["value"])
    shown = "no data" if value is None else units.text(value, unit)
    middle = frame.x + frame.width / 2
    return [frame.card(colour),
            say(frame.x + 12, frame.y + 22, title, 12, "#ffffff", weight=600),
            say(middle, frame.y + frame.height * 0.68, shown, 30, "#ffffff",
                "middle", 600)]


def stacked(series):
    """Each series on top of those before it: (name, base, top) by time."""
    floor, layers = {}, []
    for name, points in series:
        base = {when: floor.get(when, 0) for when, _ in points}
        top = {when: base[when] + value for when, value in points}
        floor.update(top)
        layers.append((name, base, top))
    return layers


def runs(points, gap):
    """Points split where some are missing."""
    run = []
    for point in points:
        if run and point[0] - run[-1][0] > gap:
            yield run
            run = []
        run.append(point)
    if run:
        yield run


class Graph:
    """A panel over time. `series`: (name, [(time, value)]), Unix seconds."""

    def __init__(self, frame, panel, series, start, end, step):
        self.frame, self.panel = frame, panel
        self.start, self.end, self.step = start, end, step
        defaults = panel["fieldConfig"]["defaults"]
        self.unit, self.limit = defaults["unit"], defaults.get("max")
        custom = defaults["custom"]
        self.stack = custom["stacking"]["mode"] == "normal"
        shown = [item for item in series if any(v for _, v in item[1])]
        self.resting = len(series) - len(shown)
        # The largest first: that is the order of the legend.
        self.series = sorted(shown, key=lambda item: -item[1][-1][1]) or series[:1]
        self.layers = stacked(self.series)

    def draw(self):
        """Pieces of SVG."""
        frame = self.frame
        out = [frame.card(),
               say(frame.x + 12, frame.y + 22,
                   cut(self.panel["title"], frame.width - 20), 13, weight=600)]
        if not self.series:
            return out + [say(frame.x + frame.width / 2,
                              frame.y + frame.height / 2 + 6, "no data here", 12,
                              QUIET, "middle")]
        legend = self._legend()
        self.bottom = frame.y + frame.height - AXIS - 8 - LINE * len(legend)
        self._choose_scale()
        out += self._axes()
        for index in reversed(range(len(self.layers))):
            out += self._layer(index)
        return out + self._draw_legend(legend)

    def _choose_scale(self):
        high = max((value for _, base, top in self.layers
                    for value in (top if self.stack else
                                  {w: top[w] - base[w] for w in top}).values()),
                   default=0)
        if self.limit and high > self.limit / 2:
            high = self.limit
        self.marks = units.ticks(high or 1, self.unit)
        self.high = self.marks[-1]

    def _x(self, when):
        room = self.frame.width - LEFT - RIGHT
        return self.frame.x + LEFT + room * (when - self.start) / (
            self.end - self.start)

    def _y(self, value):
        room = self.bottom - self.frame.y - TOP
        return self.bottom - room * value / self.high

    def _axes(self):
        out, right = [], self.frame.x + self.frame.width - RIGHT
        for mark in self.marks:
            y = self._y(mark)
            out.append(f'<line x1="{self.frame.x + LEFT}" x2="{right:.1f}" '
                       f'y1="{y:.1f}" y2="{y:.1f}" stroke="{GRID}"/>')
            out.append(say(self.frame.x + LEFT - 6, y + 4,
                           units.text(mark, self.unit), 10, QUIET, "end"))
        length = self.end - self.start
        every = next(s for s in (5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600)
                     if length / s <= 6)
        for offset in range(0, int(length) + 1, every):
            anchor = "start" if offset == 0 else "middle"
            words = (f"{offset} s" if length < 300 else f"{offset // 60} min")
            out.append(say(self._x(self.start + offset), self.bottom + 14, words,
                           10, QUIET, anchor))
        return out

    def _layer(self, index):
        _, base, top = self.layers[index]
        colour, out = COLOURS[index % len(COLOURS)], []
        points = [(when, top[when] if self.stack else top[when] - base[when],
                   base[when] if self.stack else 0) for when in sorted(top)]
        for run in runs(points, self.step * 1.5):
            line = " ".join(f"{self._x(w):.1f},{self._y(v):.1f}"
                            for w, v, _ in run)
            if self.stack:
                back = " ".join(f"{self._x(w):.1f},{self._y(b):.1f}"
                                for w, _, b in reversed(run))
                out.append(f'<polygon points="{line} {back}" fill="{colour}" '
                           'fill-opacity="0.35"/>')
            out.append(f'<polyline points="{line}" fill="none" '
                       f'stroke="{colour}" stroke-width="1.6" '
                       'stroke-linejoin="round"/>')
        return out

    def _legend(self):
        """Lines of entries (colour, words, width), at most two lines."""
        entries = []
        for index, (name, points) in enumerate(self.series):
            last = units.text(points[-1][1], self.unit) if points else "–"
            words = cut(f"{name}  {last}".strip(), self.frame.width - 40)
            entries.append((COLOURS[index % len(COLOURS)], words))
        if not any(value for _, points in self.series for _, value in points):
            return [[(None, "always 0" if self.resting == 1 else
                      f"all {self.resting} always 0", 0)]]
        lines, used, left = [[]], 0, 0
        for number, (colour, words) in enumerate(entries):
            width = measure(words) + 28
            if used and used + width > self.frame.width - 90:
                if len(lines) == 2:
                    left = len(entries) - number
                    break
                lines.append([])
                used = 0
            lines[-1].append((colour, words, width))
            used += width
        notes = [f"{number} {what}" for number, what in
                 ((left, "more"), (self.resting, "at 0")) if number]
        if notes:
            lines[-1].append((None, ", ".join(notes), 0))
        return lines

    def _draw_legend(self, lines):
        out, y = [], self.bottom + AXIS + LINE
        for line in lines:
            x = self.frame.x + 14
            for colour, words, width in line:
                if colour:
                    out.append(f'<rect x="{x:.1f}" y="{y - 6:.1f}" width="12" '
                               f'height="3" rx="1" fill="{colour}"/>')
                    out.append(say(x + 17, y, words))
                else:
                    out.append(say(x, y, words, 11, QUIET))
                x += width
            y += LINE
        return out
