"""The style of the project's figures, and how they are written: SVG whose text
is text, equal for equal data, on a white ground, for a page 900 px wide."""

import matplotlib
from matplotlib import figure

WIDTH = 9.4  # Inches of 96 px.
INK, QUIET, GRID = "#1f2933", "#66727f", "#e4e7eb"
COLOURS = ("#3b7dd8", "#e07a1f", "#2f9e6e", "#c8453c", "#8a5cc2", "#b08900",
           "#1c8fa3", "#d0589b", "#6b7c2b", "#5f6b7a")

matplotlib.rcParams.update({
    "svg.fonttype": "none", "svg.hashsalt": "cooper",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Arial", "sans-serif"],
    "font.size": 8, "text.color": INK, "text.parse_math": False,
    "axes.prop_cycle": matplotlib.cycler(color=COLOURS),
    "axes.grid": True, "axes.axisbelow": True, "grid.color": GRID,
    "axes.edgecolor": GRID, "axes.labelcolor": INK, "axes.labelsize": 8,
    "axes.spines.top": False, "axes.spines.right": False,
    "xtick.color": GRID, "ytick.color": GRID,
    "xtick.labelcolor": QUIET, "ytick.labelcolor": QUIET,
    "xtick.labelsize": 7, "ytick.labelsize": 7,
    "lines.linewidth": 1.2, "legend.frameon": False,
})


def new(height, **options):
    """A figure of `height` inches, WIDTH wide."""
    return figure.Figure(figsize=(WIDTH, height), **options)


def save(drawn, path):
    """Writes a figure without the time of its writing."""
    drawn.savefig(path, metadata={"Date": None})

