"""What a call or a turn comes to."""

from __future__ import annotations

import dataclasses
from typing import Optional, TypeVar

from cooper_client.enums import FinishReason, TextChannel
from cooper_client.errors import DataLoss
from cooper_client.events import Usage
from cooper_client.maps import DepthMap, LabelMap, Map
from cooper_client.notebook import result_html

MapType = TypeVar("MapType", bound=Map)


@dataclasses.dataclass(frozen=True)
class Text:
    """The joined text of one channel, where it stood in the model's writing."""

    #: Counts the model's texts, from 0.
    turn: int
    channel: TextChannel
    text: str


@dataclasses.dataclass(frozen=True)
class Result:
    """The whole answer. In a notebook it shows its texts, maps and answer."""

    #: What the last text answers, without tags; empty where there is nothing.
    answer: str
    #: What stands in the last \\boxed{} of the answer, or None.
    boxed: Optional[str]
    #: Whole maps, in the order in which they were generated.
    maps: tuple[Map, ...]
    usage: Usage
    #: CANCELLED turns have `cancelled` and an unspecified reason.
    reason: FinishReason
    request_id: str
    #: Name of the model.
    model: str
    #: The seed that was used: with it the same request gives the same result.
    seed: int
    #: Texts and maps in the order in which they came.
    steps: tuple[Text | Map, ...] = dataclasses.field(repr=False)
    #: Of a conversation, else None.
    session_id: Optional[str] = None
    #: The turn was ended by `cancel`; the rest is partial.
    cancelled: bool = False

    @property
    def texts(self) -> tuple[Text, ...]:
        """Texts of all channels in order."""
        return tuple(s for s in self.steps if isinstance(s, Text))

    @property
    def thoughts(self) -> str:
        """Texts of the channel `think`, joined by blank lines."""
        return "\n\n".join(t.text.strip() for t in self.texts
                           if t.channel == TextChannel.THINK)

    @property
    def depth(self) -> Optional[DepthMap]:
        """The last depth map, or None."""
        return next((m for m in reversed(self.maps)
                     if isinstance(m, DepthMap)), None)

    @property
    def segmentation(self) -> Optional[LabelMap]:
        """The last segmentation, or None."""
        return next((m for m in reversed(self.maps)
                     if isinstance(m, LabelMap)), None)

    def only_map(self, kind: type[MapType]) -> MapType:
        """The map of a request for one map; DataLoss if there is none."""
        for generated in self.maps:
            if isinstance(generated, kind):
                return generated
        raise DataLoss(f"the server sent no {kind.kind} map")

    def _repr_html_(self) -> str:
        return result_html(self)
