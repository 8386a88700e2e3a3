"""Draws the pictures of docs/performance.md from what sweep.py kept.

    draw.py LOAD.json FOLDER
"""

import json
import pathlib
import sys

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "deploy/observe"))
import figure  # noqa: E402  pylint: disable=wrong-import-position

# In the order of a request.
PHASES = ("decode_image", "vit", "vae_encode", "prefill", "decode", "denoise",
          "vae_decode", "encode_image")


def _new(height, title, panels=1):
    """A figure with a title and `panels` axes side by side."""
    drawn = figure.new(height, layout="constrained")
    drawn.suptitle(title, weight="bold", size=9)
    return drawn, drawn.subplots(1, panels, squeeze=False)[0]


def _curve(axes, names, values, **style):
    axes.plot(names, values, marker="o", markersize=4, **style)
    axes.set_ylim(0, 1.08 * axes.dataLim.y1 or 1)


def draw_throughput(load):
    callers = [str(result["configuration"]["concurrency"])
               for result in load["closed"]]
    drawn, panels = _new(3, "Throughput over callers (closed loop, half "
                         "questions, half depth maps; demo checkpoint)", 3)
    for axes, colour, what, label in zip(
            panels, figure.COLOURS,
            ("requests", "output_tokens", "denoise_steps"),
            ("requests", "tokens", "denoising steps")):
        _curve(axes, callers, [result["throughput"][f"{what}_per_second"]
                               for result in load["closed"]], color=colour)
        axes.set(xlabel="callers", ylabel=f"{label} a second")
    return drawn


def draw_latency(load):
    rates = [f"{result['configuration']['rate']:.3g}"
             for result in load["open"]]
    drawn, panels = _new(3.2, "Latency over load (open loop, the same mix; "
                         "last point: 95 % of the highest throughput)", 2)
    for axes, measure, label in zip(
            panels, ("first_text_seconds", "request_seconds"),
            ("seconds to the first text", "seconds for the whole request")):
        for share in ("p50", "p90", "p99"):
            _curve(axes, rates, [result["all"]["measures"][measure][share]
                                 for result in load["open"]], label=share)
        axes.set(xlabel="requests a second offered", ylabel=label)
        axes.legend()
    return drawn


def draw_phases(load):
    drawn, (axes,) = _new(3.6, "Time per phase: work for one request, by "
                          "number of clients")
    clients = [result["configuration"]["concurrency"]
               for result in load["closed"]]
    names = [f"{n} client{'' if n == 1 else 's'}" for n in clients]
    left = np.zeros(len(names))
    for phase in PHASES:
        work = np.array([result["phases"][phase] / max(1, result["ended"]) * 1e3
                         for result in load["closed"]])
        axes.barh(names, work, left=left, height=0.65,
                  label=phase.replace("_", " "))
        left += work
    axes.invert_yaxis()
    axes.grid(axis="y", visible=False)
    axes.set_xlabel("milliseconds of the server's work per request (a batch "
                    "counts once for all requests in it)")
    drawn.legend(loc="outside lower center", ncols=len(PHASES), fontsize=7,
                 columnspacing=1, handlelength=1)
    return drawn


def main(source, folder):
    load = json.loads(pathlib.Path(source).read_text())
    folder = pathlib.Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in (("throughput", draw_throughput),
                       ("latency", draw_latency), ("phases", draw_phases)):
        figure.save(draw(load), folder / f"{name}.svg")
        print(folder / f"{name}.svg")


if __name__ == "__main__":
    main(*sys.argv[1:])
