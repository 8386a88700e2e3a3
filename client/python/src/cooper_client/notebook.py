"""HTML of results, for notebooks."""

from __future__ import annotations

import base64
import html
from typing import TYPE_CHECKING

from cooper_client import maps

if TYPE_CHECKING:
    from cooper_client.results import Result


def _map_html(generated: maps.Map) -> str:
    png = base64.b64encode(generated._repr_png_()).decode()  # pylint: disable=W0212
    title = f"{generated.kind}, {generated.width}x{generated.height} px"
    return (f'<figure style="margin:0.5em 0"><img alt="{title}" '
            f'style="max-width:100%;min-width:192px;image-rendering:pixelated" '
            f'src="data:image/png;base64,{png}"><figcaption>{title}: '
            f"{html.escape(generated.request_text)}</figcaption></figure>")


def _paragraph(label: str, text: str) -> str:
    return (f'<p style="margin:0.5em 0;white-space:pre-wrap">'
            f"<b>{html.escape(label)}</b> {html.escape(text)}</p>")


def result_html(result: Result) -> str:
    """Texts and maps in order, then the answer and what it took."""
    parts = []
    for step in result.steps:
        if isinstance(step, maps.Map):
            parts.append(_map_html(step))
        elif step.text.strip():
            parts.append(_paragraph(step.channel.replace("_", " "),
                                    step.text.strip()))
    if result.boxed is not None:
        parts.append(_paragraph("boxed", result.boxed))
    usage = result.usage
    parts.append(
        '<p style="margin:0.5em 0;opacity:0.7">'
        f"{html.escape(result.model)}, seed {result.seed}, "
        f"{usage.input_tokens} tokens read, {usage.output_tokens} written, "
        f"{usage.maps} maps, {usage.total_ms:.0f} ms</p>")
    return f'<div style="max-width:60em">{"".join(parts)}</div>'
