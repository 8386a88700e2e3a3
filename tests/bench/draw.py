"""Draws the pictures of docs/performance.md from what load.py kept.

    draw.py LOAD.json FOLDER

Plain SVG with a ground of its own, so that it reads on light and dark pages.
"""

import json
import math
import pathlib
import sys
from xml.sax.saxutils import escape

# In the order of a request.
PHASES = ("decode_image", "vit", "vae_encode", "prefill", "decode", "denoise",
          "vae_decode", "encode_image")
COLOURS = ("#3b6fb6", "#d9822b", "#3a9a5b", "#b8446a", "#7a5bb5", "#8a6d3b",
           "#2a9d9d", "#8b8f98")
STYLE = """
svg { font: 13px sans-serif; }
.ground { fill: #ffffff; stroke: #d5d8dd; }
text { fill: #24292f; }
.quiet { fill: #57606a; }
.grid { stroke: #e3e6ea; }
.axis { stroke: #8b949e; }
@media (prefers-color-scheme: dark) {
  .ground { fill: #161b22; stroke: #30363d; }
  text { fill: #e6edf3; }
  .quiet { fill: #9da7b3; }
  .grid { stroke: #2b323b; }
}
"""


class Picture:
    """An SVG under construction."""

    def __init__(self, width, height, title):
        self.width, self.height = width, height
        self._parts = []
        self.text(width / 2, 28, title, "middle", weight="bold")

    def add(self, name, **attributes):
        text = "".join(
            f' {key.rstrip("_").replace("_", "-")}="{escape(str(value))}"'
            for key, value in attributes.items())
        self._parts.append(f"<{name}{text}/>")

    def text(self, x, y, text, anchor="start", kind="", weight="normal",
             turn=0):
        turned = f' transform="rotate({turn} {x} {y})"' if turn else ""
        self._parts.append(
            f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" '
            f'class="{kind}" font-weight="{weight}"{turned}>'
            f"{escape(text)}</text>")

    def line(self, x1, y1, x2, y2, kind):
        self.add("line", x1=f"{x1:.1f}", y1=f"{y1:.1f}", x2=f"{x2:.1f}",
                 y2=f"{y2:.1f}", class_=kind)

    def save(self, path):
        path.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" '
            f'viewBox="0 0 {self.width} {self.height}" width="{self.width}" '
            f'height="{self.height}"><style>{STYLE}</style>'
            f'<rect class="ground" x="0.5" y="0.5" rx="6" '
            f'width="{self.width - 1}" height="{self.height - 1}"/>'
            + "\n".join(self._parts) + "</svg>\n")


def ticks(highest):
    """Round values from 0 to at least `highest`."""
    if highest <= 0:
        return [0.0, 1.0]
    rough = highest / 4
    power = 10 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough)
    return [i * step for i in range(math.ceil(highest / step - 1e-9) + 1)]


def number(value):
    return f"{value:.3g}" if value < 1000 else f"{value:.0f}"


class Panel:
    """Axes at a place of a picture: x at given places, y from 0."""

    def __init__(self, picture, box, x_names, x_label, y_label, highest):
        self._picture = picture
        self._left, self._top, self._width, self._height = box
        self._count = len(x_names)
        marks = ticks(highest)
        self._highest = marks[-1]
        bottom = self._top + self._height
        for mark in marks:
            y = self.y(mark)
            picture.line(self._left, y, self._left + self._width, y, "grid")
            picture.text(self._left - 6, y + 4, number(mark), "end", "quiet")
        picture.line(self._left, bottom, self._left + self._width, bottom,
                     "axis")
        for i, name in enumerate(x_names):
            picture.text(self.x(i), bottom + 18, name, "middle", "quiet")
        picture.text(self._left + self._width / 2, bottom + 40, x_label,
                     "middle")
        picture.text(self._left - 46, self._top + self._height / 2, y_label,
                     "middle", turn=-90)

    def x(self, index):
        return self._left + self._width * (index + 0.5) / self._count

    def y(self, value):
        return self._top + self._height * (1 - value / self._highest)

    def curve(self, values, colour):
        points = [(self.x(i), self.y(value)) for i, value in enumerate(values)]
        self._picture.add(
            "polyline", fill="none", stroke=colour, stroke_width=2,
            points=" ".join(f"{x:.1f},{y:.1f}" for x, y in points))
        for x, y in points:
            self._picture.add("circle", cx=f"{x:.1f}", cy=f"{y:.1f}", r=3.5,
                              fill=colour)


def legend(picture, x, y, names):
    for name, colour in zip(names, COLOURS):
        picture.add("rect", x=x, y=y - 10, width=12, height=12, rx=2,
                    fill=colour)
        picture.text(x + 17, y, name)
        x += 40 + 8 * len(name)


def draw_throughput(load):
    callers = [str(result["configuration"]["concurrency"])
               for result in load["closed"]]
    picture = Picture(960, 330, "Throughput over callers (closed loop, half "
                      "questions, half depth maps; demo checkpoint)")
    for i, (key, label) in enumerate((
            ("requests_per_second", "requests a second"),
            ("output_tokens_per_second", "tokens a second"),
            ("denoise_steps_per_second", "denoising steps a second"))):
        values = [result["throughput"][key] for result in load["closed"]]
        panel = Panel(picture, (75 + 315 * i, 55, 230, 215), callers,
                      "callers", label, max(values))
        panel.curve(values, COLOURS[i])
    return picture


def draw_latency(load):
    rates = [number(result["configuration"]["rate"])
             for result in load["open"]]
    picture = Picture(960, 360, "Latency over load (open loop, the same mix; "
                      "last point: 95 % of the highest throughput)")
    shares = ("p50", "p90", "p99")
    for i, (measure, label) in enumerate((
            ("first_text_seconds", "seconds to the first text"),
            ("request_seconds", "seconds for the whole request"))):
        figures = [result["all"]["measures"][measure]
                   for result in load["open"]]
        panel = Panel(picture, (80 + 470 * i, 80, 380, 215), rates,
                      "requests a second offered", label,
                      max(figure["p99"] for figure in figures))
        for share, colour in zip(shares, COLOURS):
            panel.curve([figure[share] for figure in figures], colour)
    legend(picture, 370, 58, shares)
    return picture


def draw_phases(load):
    names = PHASES
    picture = Picture(960, 360, "Time per phase: work for one request, by "
                      "number of clients")
    rows = []
    for result in load["closed"]:
        done = max(1, result["ended"])
        rows.append((result["configuration"]["concurrency"],
                     [result["phases"][name] / done * 1e3 for name in names]))
    marks = ticks(max(sum(values) for _, values in rows))
    left, width, top, step = 110, 810, 85, 40
    bottom = top + step * len(rows)
    for mark in marks:
        x = left + width * mark / marks[-1]
        picture.line(x, top - 8, x, bottom, "grid")
        picture.text(x, bottom + 18, number(mark), "middle", "quiet")
    picture.text(left + width / 2, bottom + 42,
                 "milliseconds of the server's work per request (a batch counts "
                 "once for all requests in it)", "middle")
    for i, (clients, values) in enumerate(rows):
        y = top + step * i
        noun = "client" if clients == 1 else "clients"
        picture.text(left - 10, y + 19, f"{clients} {noun}", "end")
        x = left
        for value, colour in zip(values, COLOURS):
            length = width * value / marks[-1]
            picture.add("rect", x=f"{x:.1f}", y=y, width=f"{length:.1f}",
                        height=26, fill=colour)
            x += length
    legend(picture, 40, 58, [name.replace("_", " ") for name in names])
    return picture


def main(source, folder):
    load = json.loads(pathlib.Path(source).read_text())
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in (("throughput", draw_throughput),
                       ("latency", draw_latency), ("phases", draw_phases)):
        draw(load).save(folder / f"{name}.svg")
        print(folder / f"{name}.svg")


if __name__ == "__main__":
    main(*sys.argv[1:])
