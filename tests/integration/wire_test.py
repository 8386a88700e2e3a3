"""Peers that speak another protocol, or gRPC not as it should be, against the real
process: how their calls and connections end, and that others are served.
"""

import contextlib
import socket
import time
import zlib

import grpc
import pytest

import http2
from harness import details, long_text, pb, png, question, read, serving

CODE = grpc.StatusCode
MIB = 1 << 20


@pytest.fixture(scope="module", name="server")
def fixture_server():
    with serving() as server:
        yield server


@pytest.fixture(autouse=True)
def fixture_serves_on(server):
    """Whatever it was, a newcomer is answered and every call has its end."""
    yield
    with server.stub() as stub:
        assert read(stub.Reason(question(), timeout=20))[1] == CODE.OK
    server.scrape_at_rest()


def connect(server):
    host, port = server.address.rsplit(":", 1)
    return socket.create_connection((host, int(port)), timeout=10)


def open_fds(server):
    return server.scrape().sum("process_open_fds")


def await_fds(server, most):
    """Until the process has no more open than that."""
    give_up = time.monotonic() + 20
    while open_fds(server) > most:
        assert time.monotonic() < give_up, (open_fds(server), most)
        time.sleep(0.02)


@pytest.mark.parametrize("sent", [
    pytest.param(bytes(range(256)) * 64, id="garbage"),
    pytest.param(b"GET / HTTP/1.1\r\nHost: server\r\n\r\n", id="http1"),
    pytest.param(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + bytes(160),
                 id="tls_hello"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
                 id="bad_frame"),
])
def test_what_is_not_http2_ends_its_connection_only(server, sent):
    base = open_fds(server)
    with connect(server) as peer:
        peer.sendall(sent)
        with contextlib.suppress(ConnectionResetError):
            while peer.recv(4096):
                continue
    await_fds(server, base)


def test_peers_that_stop_within_their_first_bytes_hold_up_nobody(server):
    """The server ends them by itself (PeerTimesTest); here they go."""
    base = open_fds(server)
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            peer = stack.enter_context(connect(server))
            peer.sendall(b"PRI * HTTP/2.0\r\n")
        give_up = time.monotonic() + 20
        while server.scrape().sum("cooper_grpc_connections") < 200:
            assert time.monotonic() < give_up
        with server.stub() as stub:
            began = time.monotonic()
            assert read(stub.Reason(question(), timeout=20))[1] == CODE.OK
            assert time.monotonic() - began < 5
    await_fds(server, base)


def unfolding(mib):
    """So many MiB of zeros as gzip has them: a thousandth."""
    pack = zlib.compressobj(1, wbits=31)
    return b"".join([*(pack.compress(bytes(MIB)) for _ in range(mib)),
                     pack.flush()])


# gRPC refuses what it could unfold, and has no message of what it could not.
@pytest.mark.parametrize("encoding, payload, code", [
    pytest.param("gzip", lambda: unfolding(256), CODE.UNIMPLEMENTED, id="bomb"),
    pytest.param("gzip", lambda: b"not gzip", CODE.UNIMPLEMENTED, id="corrupt"),
    pytest.param("deflate", lambda: b"not deflate", CODE.UNIMPLEMENTED,
                 id="deflate"),
    pytest.param("snappy", lambda: b"not snappy", CODE.INVALID_ARGUMENT,
                 id="unknown"),
    pytest.param(None, lambda: b"not said how", CODE.INVALID_ARGUMENT,
                 id="undeclared"),
])
def test_compressed_messages_are_never_unfolded(server, encoding, payload, code):
    before = server.scrape()
    one = http2.Connection(server.address)
    stream = one.open(
        headers=[("grpc-encoding", encoding)] if encoding else [])
    one.send(stream, http2.message(payload(), compressed=True), end=True)
    give_up = time.monotonic() + 10
    while not one.ended[stream] and not one.closed:
        one.read(0.05)
        assert time.monotonic() < give_up
    one.close()
    assert one.statuses.get(stream) == code.value[0]
    grown = (server.scrape().sum("process_resident_memory_bytes") -
             before.sum("process_resident_memory_bytes"))
    assert grown < 60 * MIB


@pytest.mark.parametrize("path, message", [
    ("SpatialReasoningService/GetModel", pb.GetModelRequest()),
    ("SpatialReasoningService/Reason", question())])
@pytest.mark.parametrize("count, code", [(0, CODE.INVALID_ARGUMENT),
                                         (2, CODE.OK)])
def test_of_a_calls_messages_the_first_counts(server, path, message, count, code):
    """gRPC passes over further messages of a call that has one."""
    with server.channel() as channel:
        call = channel.stream_stream(f"/cooper.v1.{path}")(
            iter([message.SerializeToString()] * count), timeout=20)
        assert read(call)[1] == code
    if count == 0:
        assert details(call).reason == "INVALID_ARGUMENT"
        assert "message is missing" in call.details()


def take_slowly(one, stream, rate, seconds):
    """Reads at most so many bytes a second until the call ends; its bytes."""
    give_up = time.monotonic() + seconds
    while not one.ended[stream] and not one.closed:
        assert time.monotonic() < give_up
        one.allow(stream, rate // 50)
        one.read(0.02)
    return one.data[stream]


def ask_slowly(server, method, request):
    """A call on a connection that takes nothing but what it allows."""
    one = http2.Connection(server.address, window=0)
    stream = one.open(f"/cooper.v1.SpatialReasoningService/{method}")
    one.send(stream, http2.message(request.SerializeToString()), end=True)
    return one, stream


def test_a_slow_reader_of_a_text_gets_all_of_it():
    """--stall_timeout is for one message, and texts have small ones."""
    with serving("--stall_timeout=1s") as server:
        one, stream = ask_slowly(server, "Reason", long_text())
        taken = take_slowly(one, stream, 30_000, 20)
        assert taken > 10_000
        assert one.statuses[stream] == CODE.OK.value[0]
        one.close()
        scrape = server.scrape_at_rest()
        assert scrape.sum("cooper_stream_stalls_total") == 0


def test_a_reader_too_slow_for_a_map_is_ended_and_a_neighbour_is_not():
    request = pb.EstimateDepthRequest(
        image=png(1024, 1024), output=pb.OutputOptions(
            depth_encoding=pb.MAP_ENCODING_RAW_FLOAT32))
    with serving("--stall_timeout=1s") as server, server.stub() as stub:
        one, stream = ask_slowly(server, "EstimateDepth", request)
        assert read(stub.EstimateDepth(request))[1] == CODE.OK
        assert 0 < take_slowly(one, stream, 30_000, 20) < 200_000
        assert one.statuses.get(stream) != CODE.OK.value[0]
        one.close()
        scrape = server.scrape_at_rest()
        assert scrape.sum("cooper_stream_stalls_total") == 1
        assert scrape.sum("cooper_cancellations_total", cause="stall") == 1


def test_an_address_for_an_image_is_not_looked_up(server):
    """Images come inline: nothing in the server opens a connection."""
    with socket.create_server(("127.0.0.1", 0)) as elsewhere:
        elsewhere.settimeout(0.3)
        host, port = elsewhere.getsockname()
        with server.stub() as stub:
            for scheme in ("http", "https", "ftp"):
                call = stub.Reason(question(
                    image=f"{scheme}://{host}:{port}/x.png".encode()))
                assert read(call)[1] == CODE.INVALID_ARGUMENT
                assert "inline bytes" in call.details()
        with pytest.raises(TimeoutError):
            elsewhere.accept()
