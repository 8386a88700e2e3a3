"""Conversations with the real server: by Python's grpcio, and by the tool."""

import json
import queue
import subprocess
import time

import grpc
import pytest

from harness import BIN, SCENE, details, pb, serving


@pytest.fixture(scope="module", name="server")
def fixture_server():
    with serving() as server:
        yield server


def start(text, session_id="", **options):
    reason = pb.ReasonRequest(
        inputs=[pb.Input(image=SCENE.read_bytes()), pb.Input(text=text)],
        flow=pb.FlowOptions(num_timesteps=3), max_think_tokens=400, **options)
    if session_id:
        del reason.inputs[0]
    return pb.ConverseRequest(
        start=pb.ConverseStart(reason=reason, session_id=session_id))


def ask(text):
    return pb.ConverseRequest(
        ask=pb.ConverseAsk(inputs=[pb.Input(text=text)]))


class Talk:
    """One call; requests are sent as they are given."""

    def __init__(self, stub, metadata=()):
        self.requests = queue.Queue()
        self.call = stub.Converse(iter(self.requests.get, None), timeout=120,
                                  metadata=metadata)
        self.session_id = None

    def send(self, request):
        self.requests.put(request)

    def close(self):
        self.requests.put(None)

    def turn(self):
        """The events of one turn."""
        events = []
        for event in self.call:
            events.append(event)
            if event.HasField("session"):
                self.session_id = event.session.session_id
            if event.HasField("finished") or event.HasField("turn_cancelled"):
                return events
        return events

    def end(self):
        """The status code of the call, and the reason of its error."""
        try:
            for _ in self.call:
                pass
        except grpc.RpcError as error:
            return error.code(), details(error).reason
        return grpc.StatusCode.OK, None


def test_a_follow_up_encodes_only_itself(server):
    with server.stub() as stub:
        talk = Talk(stub)
        talk.send(start("Which one is nearer?"))
        first = talk.turn()[-1].finished.usage
        talk.send(ask("Why?"))
        second = talk.turn()[-1].finished.usage
        assert second.cached_tokens > first.input_tokens
        assert 0 < second.input_tokens - second.cached_tokens <= 8
        talk.close()
        assert talk.end() == (grpc.StatusCode.OK, None)
    server.scrape_at_rest()


def test_a_call_of_all_questions_at_once(server):
    with server.stub() as stub:
        events = list(stub.Converse(
            iter([start("Which?"), ask("And?"), ask("Then?")]), timeout=120))
    assert sum(event.HasField("finished") for event in events) == 3
    server.scrape_at_rest()


def test_a_cancelled_turn_leaves_the_conversation(server):
    with server.stub() as stub:
        talk = Talk(stub)
        talk.send(start("Tell me.", max_turns=1))
        next(event for event in talk.call if event.HasField("text_delta"))
        talk.send(pb.ConverseRequest(cancel=pb.CancelTurn()))
        last = talk.turn()[-1]
        # On a fast machine the turn may have ended before.
        assert last.HasField("turn_cancelled") or last.HasField("finished")
        talk.send(ask("Again?"))
        assert talk.turn()[-1].finished.usage.cached_tokens > 0
        talk.close()
        assert talk.end() == (grpc.StatusCode.OK, None)
    server.scrape_at_rest()


def test_a_session_goes_on_in_another_call(server):
    with server.stub() as stub:
        first = Talk(stub)
        first.send(start("Which?"))
        first.turn()
        first.call.cancel()
    with server.stub() as stub:
        second = Talk(stub)
        second.send(start("And?", session_id=first.session_id))
        assert second.turn()[-1].finished.usage.cached_tokens > 0
        second.close()
        assert second.end()[0] == grpc.StatusCode.OK


def test_a_session_is_its_clients_own(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("mine\nyours\n")
    with serving(f"--auth_token_file={tokens}") as server, \
            server.stub() as stub:
        mine = Talk(stub, [("authorization", "Bearer mine")])
        mine.send(start("Which?"))
        mine.turn()
        mine.close()
        yours = Talk(stub, [("authorization", "Bearer yours")])
        yours.send(start("And?", session_id=mine.session_id))
        assert yours.end() == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
        again = Talk(stub, [("authorization", "Bearer mine")])
        again.send(start("And?", session_id=mine.session_id))
        assert again.turn()[-1].HasField("finished")
        again.close()


def test_sessions_expire_and_are_counted():
    with serving("--session_ttl=1s") as server, server.stub() as stub:
        talk = Talk(stub)
        talk.send(start("Which?"))
        talk.turn()
        talk.close()
        assert talk.end()[0] == grpc.StatusCode.OK
        give_up = time.monotonic() + 30
        while server.scrape().sum("cooper_sessions") != 0:
            assert time.monotonic() < give_up
        late = Talk(stub)
        late.send(start("And?", session_id=talk.session_id))
        assert late.end() == (grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND")
        scrape = server.scrape_at_rest()
        assert scrape.sum("cooper_sessions_evicted_total",
                          reason="expired") == 1


def test_draining_ends_an_open_conversation():
    with serving() as server, server.stub() as stub:
        talk = Talk(stub)
        talk.send(start("Which?"))
        talk.turn()
        server.signal()
        assert talk.end() == (grpc.StatusCode.UNAVAILABLE, "DRAINING")
        assert server.wait() == 0


# ---- The tool


def chat(server, lines, *arguments):
    """The tool's exit code, stdout and stderr for lines through a pipe."""
    done = subprocess.run(
        [BIN / "cooper", "chat", SCENE, f"--server={server.address}",
         "--num_timesteps=3", "--max_think_tokens=400", *arguments],
        input="".join(line + "\n" for line in lines), text=True,
        capture_output=True, timeout=120, check=False)
    return done.returncode, done.stdout, done.stderr


def test_chat_answers_a_question_a_line(server, tmp_path):
    code, out, err = chat(server, ["Which?", "", "Why?"], f"--out={tmp_path}")
    assert code in (0, 5), err
    assert out.strip()
    assert ">" not in err  # no prompt where nobody types
    for turn in ("turn0", "turn1"):
        assert (tmp_path / turn / "report.html").stat().st_size > 1000


def test_chat_tells_events_as_json(server):
    code, out, err = chat(server, ["Which?", "/answer", "/nomaps", "Why?",
                                   "/quit", "never asked"], "--json")
    assert code in (0, 5), err
    events = [json.loads(line) for line in out.splitlines()]
    assert sum("started" in event for event in events) == 2
    assert sum("finished" in event for event in events) == 2
    ids = {event["session"]["session_id"] for event in events
           if "session" in event}
    assert len(ids) == 1


def test_chat_without_a_question_is_no_error(server):
    code, out, err = chat(server, [])
    assert (code, out) == (0, ""), err


def test_chat_refused_by_the_server_says_why(tmp_path):
    with serving("--session_ttl=0") as server:
        code, _, err = chat(server, ["Which?"])
        assert code == 4
        assert "conversations" in err
