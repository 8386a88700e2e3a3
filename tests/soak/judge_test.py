"""The soak's checks of one call: no event may be lost or repeated unnoticed."""

import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1]
                       / "integration"))
# pylint: disable=wrong-import-position
from harness import pb  # noqa: E402
from judge import Answer  # noqa: E402
from ledger import slope  # noqa: E402


def text(turn, piece, channel=pb.TEXT_CHANNEL_THINK):
    return pb.Event(text_delta=pb.TextDelta(turn=turn, text=piece,
                                            channel=channel))


def part(role, data, offset=0, total=None):
    return pb.Event(map=pb.MapResult(
        map_id=0, role=role, data=data, offset_bytes=offset,
        total_bytes=len(data) if total is None else total))


def step(number):
    return pb.Event(map_progress=pb.MapProgress(map_id=0, step=number,
                                                num_steps=3))


EVENTS = [
    pb.Event(started=pb.Started(seed=1)), text(0, "It is "), text(0, "far."),
    pb.Event(map_started=pb.MapStarted(map_id=0, kind=pb.MAP_KIND_DEPTH,
                                       num_steps=3)),
    step(1), step(2), step(3), part(pb.MAP_ROLE_VALUES, b"ab", total=3),
    part(pb.MAP_ROLE_VALUES, b"c", 2, 3), part(pb.MAP_ROLE_DISPLAY, b"d"),
    text(1, "So: "), text(1, "left.", pb.TEXT_CHANNEL_ANSWER),
    pb.Event(finished=pb.Finished(
        answer="<think>So: </think><answer>left.</answer>",
        usage=pb.Usage(maps=1)))]


def judged(events):
    """What is wrong; the digest, or None where there is no end."""
    answer = Answer()
    for event in events:
        answer.take(event)
    return answer.broken, answer.digest() if answer.finished else None


SOUND = judged(EVENTS)


def test_a_sound_stream_is_sound():
    assert SOUND[0] == [] and SOUND[1]


# A slow reader may get fewer of the steps between the first and the last.
@pytest.mark.parametrize("place", [
    place for place in range(len(EVENTS)) if place not in (4, 5)])
def test_a_lost_event_is_noticed(place):
    broken, digest = judged(EVENTS[:place] + EVENTS[place + 1:])
    assert broken or digest != SOUND[1]


@pytest.mark.parametrize("place", range(len(EVENTS)))
def test_a_repeated_event_is_noticed(place):
    broken, digest = judged(EVENTS[:place + 1] + EVENTS[place:])
    assert broken or digest != SOUND[1]


def test_how_a_text_is_cut_does_not_matter():
    assert judged([EVENTS[0], text(0, "It is far.")] + EVENTS[3:]) == SOUND


def test_one_odd_point_does_not_move_a_slope():
    points = [(second, 2 * second) for second in range(9)]
    assert slope(points) == 2
    points[8] = (8, 1000)
    assert slope(points) == 2
