"""Signals, and an engine that hangs: the process ends in time whatever the model
does, and every call has one end."""

import itertools
import json
import signal
import socket
import subprocess
import threading
import time

import grpc
import pytest

import http2
from harness import (ROOT, Server, await_event, depth, details, health_on,
                     long_text, pb, pb_grpc, program, question, read, serving)

CODE = grpc.StatusCode
FAKE = f"--script={ROOT}/tests/data/fake/integration.json"
# Signals that end a process by default and have no use here.
IGNORED = [signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2,
           signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGIO,
           signal.SIGPWR, signal.SIGXCPU, signal.SIGXFSZ, 16,  # SIGSTKFLT
           signal.SIGRTMIN, signal.SIGRTMIN + 1, signal.SIGRTMAX,
           signal.SIGCHLD, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT]


@pytest.mark.parametrize("number", IGNORED)
def test_a_signal_without_a_use_neither_ends_nor_disarms(number):
    server = Server(FAKE)
    for _ in range(3):
        server.signal(number)
    with server.stub() as stub:
        assert read(stub.Reason(question()))[1] == CODE.OK
    assert server.health() == "SERVING"
    server.signal()
    assert server.wait(20) == 0
    assert "stopped" in server.errors()


def test_all_signals_at_once_leave_the_work_alone():
    server = Server(FAKE)
    with server.stub() as stub:
        call = stub.EstimateDepth(depth(100))
        await_event(call, "map_progress")
        for number in IGNORED * 5:
            server.signal(number)
        assert read(call)[1] == CODE.OK
    server.signal(signal.SIGINT)
    assert server.wait(20) == 0


def test_a_process_that_was_stopped_goes_on():
    server = Server(FAKE, "--stuck_after=2s")
    with server.stub() as stub:
        call = stub.EstimateDepth(depth(200))
        await_event(call, "map_progress")
        server.signal(signal.SIGSTOP)
        time.sleep(4)
        server.signal(signal.SIGCONT)
        assert read(call)[1] == CODE.OK
    assert server.health("liveness") == "SERVING"
    assert server.stop() == 0


def hanging(tmp_path, call, *arguments):
    """A server whose model does not return from calls of this kind."""
    script = json.loads((ROOT / "tests/data/fake/integration.json").read_text())
    script["delays_us"][call] = 1_000_000_000
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))
    return Server(f"--script={path}", *arguments)


def watch_health(channel):
    """What each health name said, until the connection ends."""
    said = {name: [] for name in ("", "cooper.v1.SpatialReasoningService",
                                  "inference.GRPCInferenceService",
                                  "readiness", "liveness")}

    def watch():
        while True:
            for name, states in said.items():
                state = health_on(channel, name)
                if state not in ("SERVING", "NOT_SERVING"):
                    return
                states.append(state)
            time.sleep(0.02)
    thread = threading.Thread(target=watch)
    thread.start()
    return said, thread


# Some calls are cut into slices, between which the engine sees the end.
@pytest.mark.parametrize("model_call, exit_code", [
    ("decode", 3), ("flow_layer", 3), ("append", 0), ("latents", 0)])
def test_sigterm_ends_a_server_whose_model_hangs(tmp_path, model_call,
                                                 exit_code):
    server = hanging(tmp_path, model_call, "--drain_timeout=1s")
    with server.stub() as stub:
        calls = [stub.Reason(question()) for _ in range(3)]
        calls.append(stub.EstimateDepth(depth(5)))
        cancelled = stub.Reason(question())
        time.sleep(1)
        cancelled.cancel()
        began = time.monotonic()
        server.signal()
        for call in calls:
            assert read(call)[1] == CODE.UNAVAILABLE
            assert details(call).reason in ("ENGINE_FAILED", "DRAINING")
        assert server.wait(11) == exit_code
        assert time.monotonic() - began < 11
    assert ("engine hangs" in server.errors()) == (exit_code == 3)


def test_a_second_signal_ends_a_server_whose_model_hangs_at_once(tmp_path):
    server = hanging(tmp_path, "decode")
    with server.stub() as stub:
        stub.Reason(question())
        time.sleep(0.5)
        server.signal()
        time.sleep(0.5)
        began = time.monotonic()
        server.signal()
        assert server.wait(10) == 0
        assert time.monotonic() - began < 3


def test_sigterm_ends_a_server_whose_model_hangs_with_nobody_waiting(tmp_path):
    server = hanging(tmp_path, "decode", "--drain_timeout=0s")
    with server.stub() as stub:
        call = stub.Reason(question())
        time.sleep(1)
        call.cancel()
    server.signal()
    assert server.wait(10) == 3


def test_a_step_that_does_not_return_ends_everything_with_exit_code_3(tmp_path):
    server = hanging(tmp_path, "decode", "--stuck_after=2s", "--max_running=2")
    with server.channel() as channel, server.channel() as other:
        stub = pb_grpc.SpatialReasoningServiceStub(channel)
        said, watching = watch_health(other)
        before = time.monotonic()
        running = [stub.Reason(question()) for _ in range(2)]
        for call in running:
            assert next(call).HasField("started")
        queued = [stub.EstimateDepth(depth(5)) for _ in range(4)]
        turns = stub.Converse(iter([pb.ConverseRequest(
            start=pb.ConverseStart(reason=question()))]))
        for call in [*running, *queued, turns]:
            events, code = read(call)
            assert code == CODE.UNAVAILABLE
            assert details(call).reason == "ENGINE_FAILED"
            assert details(call).retry is not None
            assert not any(event.HasField("finished") for event in events)
        assert 1.5 < time.monotonic() - before < 6
        scrape = server.scrape()
        assert scrape.breaches() == []
        assert scrape.sum("cooper_requests_in_flight") == 0
        assert scrape.sum("cooper_engine_up") == 0
        refused = stub.Reason(question())
        assert read(refused)[1] == CODE.UNAVAILABLE
        assert details(refused).reason == "ENGINE_FAILED"
        assert server.wait(10) == 3
        watching.join()
    for name, states in said.items():
        assert [state for state, _ in itertools.groupby(states)] == [
            "SERVING", "NOT_SERVING"], name
    errors = server.errors()
    assert errors.count("engine hangs") == 1
    assert errors.count("request ended") == 7


def test_an_engine_that_was_idle_for_long_does_not_hang():
    server = Server(FAKE, "--stuck_after=1s")
    with server.channel() as channel:
        stub = pb_grpc.SpatialReasoningServiceStub(channel)
        said, watching = watch_health(channel)
        for _ in range(3):
            time.sleep(1.5)
            assert read(stub.Reason(question()))[1] == CODE.OK
        assert server.stop() == 0
        watching.join()
    # A drain says NOT_SERVING for all names but this one.
    assert set(said["liveness"]) == {"SERVING"}


def test_a_model_that_takes_long_but_steps_does_not_hang(tmp_path):
    script = json.loads((ROOT / "tests/data/fake/integration.json").read_text())
    script["delays_us"]["decode"] = 300_000
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))
    with serving(f"--script={path}", "--stuck_after=1500ms") as server, \
            server.stub() as stub:
        call = stub.Reason(question(mode=pb.MODE_TEXT_ONLY,
                                    max_think_tokens=12))
        assert read(call)[1] == CODE.OK


def test_sigterm_while_a_model_hangs_in_its_warm_up_ends_at_once(tmp_path):
    script = tmp_path / "script.json"
    script.write_text('{"delays_us": {"warm_up": 1000000000}}')
    flags = [f"--script={script}", "--listen=127.0.0.1:0",
             "--metrics_listen=127.0.0.1:0"]
    with subprocess.Popen([program(*flags), *flags], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True) as process:
        assert "listening" in process.stderr.readline()
        process.terminate()
        assert process.wait(10) == 0


@pytest.mark.parametrize("timeout, code", [
    ("99999999H", "0"), ("2562047H", "0"), ("5124095H", "0"),
    ("2100000H", "0"), ("2000000H", "0"), ("60S", "0"),
    ("1n", "4"), ("0m", "4"), ("1m", "4")])
def test_the_deadline_of_a_call_is_capped(timeout, code):
    """grpcio caps what it sends, so the header is written by hand."""
    with serving(FAKE) as server:
        assert unary_with_timeout(server.address, timeout) == code


# gRPC 1.51 would close the connection without the call's status.
@pytest.mark.parametrize("age", ["1s", "inf"])
def test_a_late_call_has_its_status_whatever_the_connections_age(tmp_path, age):
    script = json.loads((ROOT / "tests/data/fake/integration.json").read_text())
    script["delays_us"]["decode"] = 1_000
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))
    with serving(f"--script={path}", f"--max_connection_age={age}") as server:
        one = http2.Connection(server.address)
        stream = one.open(headers=[("grpc-timeout", "2500m")])
        one.send(stream, http2.message(long_text().SerializeToString()),
                 end=True)
        give_up = time.monotonic() + 20
        while not one.ended[stream] and not one.closed:
            one.read(0.1)
            assert time.monotonic() < give_up
        one.close()
        assert one.ended[stream]
        assert (one.ended["goaway"] > 0) == (age == "1s")


@pytest.mark.parametrize("path, begins", [
    ("/cooper.v1.SpatialReasoningService/Converse", True),
    ("/inference.GRPCInferenceService/ModelStreamInfer", False)])
def test_an_idle_stream_ends_at_its_deadline(path, begins):
    """The peer never cancels, as a client's library would."""
    with serving(FAKE) as server:
        one = http2.Connection(server.address)
        stream = one.open(path=path, headers=[("grpc-timeout", "1S")])
        if begins:
            start = pb.ConverseRequest(start=pb.ConverseStart(reason=question()))
            one.send(stream, http2.message(start.SerializeToString()))
        began = time.monotonic()
        while not one.ended[stream] and not one.closed:
            one.read(0.1)
            assert time.monotonic() < began + 10
        one.close()
        assert one.ended[stream]
        assert time.monotonic() > began + 0.9


def literal(name, value):
    """An HPACK field that is not indexed, without Huffman coding."""
    return (b"\0" + bytes([len(name)]) + name.encode() +
            bytes([len(value)]) + value.encode())


def frame(kind, flags, stream, body):
    return (len(body).to_bytes(3, "big") + bytes([kind, flags]) +
            stream.to_bytes(4, "big") + body)


def unary_with_timeout(address, timeout):
    """grpc-status of EstimateDepth with this grpc-timeout."""
    host, port = address.rsplit(":", 1)
    body = depth(2).SerializeToString()
    fields = [(":method", "POST"), (":scheme", "http"),
              (":path", "/cooper.v1.SpatialReasoningService/EstimateDepth"),
              (":authority", address), ("te", "trailers"),
              ("content-type", "application/grpc"), ("grpc-timeout", timeout)]
    message = b"\0" + len(body).to_bytes(4, "big") + body
    with socket.create_connection((host, int(port)), timeout=30) as peer:
        peer.sendall(
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" +
            frame(4, 0, 0, b"\0\4\x7f\xff\xff\xff" + b"\0\1\0\0\0\0") +
            frame(8, 0, 0, (1 << 30).to_bytes(4, "big")) +
            frame(1, 4, 1, b"".join(literal(*field) for field in fields)))
        pieces = [message[i:i + 16384] for i in range(0, len(message), 16384)]
        for i, piece in enumerate(pieces):
            peer.sendall(frame(0, int(i == len(pieces) - 1), 1, piece))
        reader = peer.makefile("rb")
        while True:
            head = reader.read(9)
            assert len(head) == 9, "the connection ended"
            payload = reader.read(int.from_bytes(head[:3], "big"))
            if head[3] == 1 and b"grpc-status" in payload:
                at = payload.index(b"grpc-status") + len(b"grpc-status")
                return payload[at + 1:at + 1 + payload[at]].decode()
            if head[3] == 1 and head[4] & 1:
                raise AssertionError(f"trailers {payload!r}")
            if head[3] == 4 and not head[4] & 1:
                peer.sendall(frame(4, 1, 0, b""))
