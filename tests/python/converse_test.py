"""Conversations with a real server, by both clients."""

import asyncio
import threading

import pytest

import cooper_client
from conftest import ROOT

SCENE = ROOT / "tests/data/scenes/000.png"


def test_a_follow_up_goes_on_with_the_context(client):
    with client.converse(SCENE, num_timesteps=3) as chat:
        assert chat.session_id is None
        first = chat.ask("Which one is nearer?").result()
        assert first.boxed == "left" and first.session_id == chat.session_id
        events = list(chat.ask("Why?"))
        assert isinstance(events[0], cooper_client.Started)
        assert events[-1].usage.cached_tokens > first.usage.input_tokens
        third = chat.ask("And here?", SCENE).result()
        assert third.usage.input_tokens > events[-1].usage.input_tokens + 8
    with pytest.raises(ValueError, match="closed"):
        chat.ask("More?")


def test_a_session_goes_on_in_another_conversation(client):
    with client.converse(SCENE, mode="text_only") as chat:
        chat.ask("Which?").result()
        session = chat.session_id
    with client.converse(session_id=session, mode="text_only") as chat:
        assert chat.ask("Why?").result().usage.cached_tokens > 0
        assert chat.session_id == session
    with client.converse(session_id="0" * 32) as chat:
        with pytest.raises(cooper_client.NotFound) as caught:
            chat.ask("Why?").result()
        assert caught.value.reason == "SESSION_NOT_FOUND"
        with pytest.raises(cooper_client.NotFound):
            chat.ask("And?")


def test_turns_may_be_asked_ahead_and_read_in_any_order(client):
    with client.converse(SCENE, mode="text_only", seed=5) as chat:
        turns = [chat.ask(q) for q in ("Which?", "And?", "Then?")]
        last = turns[2].result()
        assert (last.seed, turns[0].result().seed) == (7, 5)
        assert turns[1].result().answer


def long_turn(chat):
    """A turn that writes for long, once it writes."""
    turn = chat.ask("Tell me a long story.")
    for event in turn:
        if isinstance(event, cooper_client.TextDelta):
            return turn
    raise AssertionError("no text")


def answered_now(chat):
    """The result of a further turn, which would go on with the long story."""
    turn = chat.ask("Which?")
    chat.answer_now()
    return turn.result()


def test_cancel_ends_the_turn_only(client):
    with client.converse(SCENE, max_think_tokens=4096) as chat:
        turn = long_turn(chat)
        chat.cancel()
        assert turn.result().cancelled
        assert not answered_now(chat).cancelled


def test_answer_now_and_no_more_maps(client):
    with client.converse(SCENE, num_timesteps=3,
                         max_think_tokens=4096) as chat:
        turn = long_turn(chat)
        chat.answer_now()
        assert turn.result().reason != cooper_client.FinishReason.UNSPECIFIED
        chat.no_more_maps()
        assert answered_now(chat).maps == ()


def test_close_ends_what_is_under_way(client):
    chat = client.converse(SCENE, max_think_tokens=4096)
    turn = long_turn(chat)
    threading.Timer(0.1, chat.close).start()
    with pytest.raises(cooper_client.Cancelled):
        turn.result()


def test_a_refused_turn_ends_the_conversation(client):
    with client.converse(SCENE, num_timesteps=1) as chat:
        with pytest.raises(cooper_client.InvalidArgument) as caught:
            chat.ask("Which?").result()
        assert caught.value.violations[0].field.endswith("flow.num_timesteps")


def test_asyncio(server):
    async def run():
        async with cooper_client.aio.Client(server.address) as client:
            async with client.converse(SCENE, num_timesteps=3,
                                       max_think_tokens=4096) as chat:
                first = await chat.ask("Which one is nearer?").result()
                assert first.boxed == "left"
                turns = [chat.ask("Why?"), chat.ask("And?")]
                both = await asyncio.gather(*(t.result() for t in turns))
                assert both[1].usage.cached_tokens > first.usage.input_tokens
                turn = chat.ask("Tell me a long story.")
                async for event in turn:
                    if isinstance(event, cooper_client.TextDelta):
                        chat.cancel()
                        break
                assert (await turn.result()).cancelled
                chat.no_more_maps()
                turn = chat.ask("Which?")
                chat.answer_now()
                assert (await turn.result()).maps == ()
                session = chat.session_id
            with pytest.raises(ValueError, match="closed"):
                chat.ask("More?")
            async with client.converse(session_id=session) as chat:
                assert (await chat.ask("Why?").result()).session_id == session
            async with client.converse(session_id="0" * 32) as chat:
                with pytest.raises(cooper_client.NotFound):
                    await chat.ask("Why?").result()
            chat = client.converse(SCENE, max_think_tokens=4096)
            turn = chat.ask("Tell me a long story.")
            await turn.__anext__()
            await chat.close()
            with pytest.raises(cooper_client.Cancelled):
                await turn.result()
            chat = client.converse(SCENE, max_think_tokens=4096)
            task = asyncio.ensure_future(chat.ask("A long story.").result())
            await asyncio.sleep(0.2)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await chat.close()
    asyncio.run(run())
    server.scrape_at_rest()
