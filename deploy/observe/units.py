"""Numbers as people read them, by Grafana's names of units."""

import math


def _scaled(value, steps, suffixes):
    size = abs(value)
    for step, suffix in zip(steps, suffixes):
        if size >= step:
            return f"{_short(value / step)} {suffix}"
    return f"{_short(value / steps[-1])} {suffixes[-1]}"


def _short(value):
    if value == 0:
        return "0"
    digits = max(0, 2 - int(math.floor(math.log10(abs(value)))))
    text = f"{value:.{min(digits, 3)}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def text(value, unit):
    """`value` with its unit, in at most about eight characters."""
    if value == 0 and unit not in ("percent", "percentunit"):
        return "0"
    if unit == "s":
        return _scaled(value, (3600, 60, 1, 1e-3, 1e-6),
                       ("h", "min", "s", "ms", "µs"))
    if unit == "mbytes":
        value, unit = value * 2**20, "bytes"
    if unit == "bytes":
        return _scaled(value, (2**30, 2**20, 2**10, 1),
                       ("GiB", "MiB", "KiB", "B"))
    if unit == "percentunit":
        return f"{_short(value * 100)} %"
    if unit == "percent":
        return f"{_short(value)} %"
    if unit in ("reqps", "ops"):
        return f"{_short(value)} /s"
    if unit == "watt":
        return f"{_short(value)} W"
    return _short(value)


def ticks(high, unit, count=4):
    """Round values from 0 to at least `high`, about `count` of them."""
    base = 2 if unit in ("bytes", "mbytes") else 10
    if unit == "s" and high >= 120:
        scale, steps = 60 ** int(math.log(high, 60)), (1, 2, 5, 10, 20, 30, 60)
    else:
        rough = high / count
        scale = base ** (math.floor(math.log(rough, base))
                         if base == 10 else
                         10 * math.floor(math.log2(rough) / 10))
        steps = ((1, 2, 2.5, 5, 10) if base == 10 else
                 (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024))
    step = next((s * scale for s in steps if s * scale * count >= high * 0.999),
                steps[-1] * scale)
    values = [step * i for i in range(int(math.ceil(high / step - 1e-9)) + 1)]
    return values if len(values) > 1 else [0, step]
