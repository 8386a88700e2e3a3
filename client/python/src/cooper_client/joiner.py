"""Joins maps whose bytes came in several events."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional

from cooper_client.errors import DataLoss, ResourceExhausted

#: Bytes of maps that are held while they are joined.
MAX_BYTES = 256 << 20


@dataclasses.dataclass
class _Begun:
    first: Any
    parts: list[bytes]
    size: int


def _facts(part: Any) -> tuple[int, ...]:
    return (part.kind, part.encoding, part.width, part.height, part.total_bytes)


def _broken(part: Any, text: str) -> DataLoss:
    return DataLoss(f"map {part.map_id}, role {part.role}: {text}")


class MapJoiner:
    """Parts of one map and role come in order; parts of different ones may
    alternate. Bytes are held only for maps that are begun and not whole, and
    never more than `max_bytes` in all."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._begun: dict[tuple[int, int], _Begun] = {}
        self._held = 0

    def add(self, part: Any) -> Optional[Any]:
        """The whole map (a cooper.v1.MapResult with the first part's facts) once
        its last part is here, None before. DataLoss if the part does not follow
        what came before, ResourceExhausted above `max_bytes`."""
        key = (part.map_id, part.role)
        begun = self._begun.get(key)
        expected = begun.size if begun is not None else 0
        size, total = len(part.data), part.total_bytes
        if part.offset_bytes != expected:
            raise _broken(part, f"a part starts at byte {part.offset_bytes} "
                          f"where byte {expected} comes next")
        if size == 0:
            raise _broken(part, "a part has no bytes")
        if size > total - expected:
            raise _broken(part, f"{expected + size} bytes came of {total} "
                          "announced")
        if begun is not None and _facts(begun.first) != _facts(part):
            raise _broken(part, "parts disagree about what they are parts of")
        if expected == 0 and size == total:
            return part
        if self._held + size > self._max_bytes or total > self._max_bytes:
            raise ResourceExhausted(
                f"map {part.map_id}: {total} bytes do not fit into the "
                f"{self._max_bytes} that this client joins")
        self._held += size
        if begun is None:
            self._begun[key] = _Begun(part, [part.data], size)
            return None
        begun.parts.append(part.data)
        begun.size += size
        if begun.size < total:
            return None
        del self._begun[key]
        self._held -= total
        begun.first.data = b"".join(begun.parts)
        return begun.first

    def check_complete(self) -> None:
        """DataLoss if a map was begun and is not whole."""
        for begun in self._begun.values():
            raise _broken(begun.first, f"only {begun.size} of "
                          f"{begun.first.total_bytes} bytes came")
