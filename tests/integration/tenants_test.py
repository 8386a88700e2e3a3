"""What clients may do, and what one learns of another."""

import collections
import json
import re
import threading
import time

import grpc
import pytest

import http2
from harness import details, health_on, pb, pb_grpc, question, read, serving

CODE = grpc.StatusCode
SCOPES = [((), False), (("--prefix_cache_scope=client",), False),
          (("--prefix_cache_scope=shared",), True)]


@pytest.fixture(name="tokens")
def make_tokens(tmp_path):
    path = tmp_path / "tokens"
    path.write_text("one\ntwo\n")
    return f"--auth_token_file={path}"


def as_client(token):
    return {"metadata": [("authorization", f"Bearer {token}")]}


def is_cached(stub, **client):
    """Whether the call is told that its image was known."""
    events, code = read(stub.Reason(question("Which one?"), **client))
    assert code == CODE.OK
    return events[-1].finished.usage.cached_tokens > 0


@pytest.mark.parametrize("headers, status", [
    ([("authorization", "Bearer one")], CODE.OK),
    ([("Authorization", "Bearer one")], CODE.UNAUTHENTICATED),
    ([("x-authorization", "Bearer one")], CODE.UNAUTHENTICATED),
    ([("authorization", "Bearer one"), ("authorization", "Bearer one")],
     CODE.UNAUTHENTICATED),
])
def test_a_token_counts_in_its_own_header_only(tokens, headers, status):
    """HTTP/2 knows lower-case names only, so this writes the header itself."""
    with serving(tokens) as server:
        one = http2.Connection(server.address)
        stream = one.open("/cooper.v1.SpatialReasoningService/GetModel",
                          headers=headers)
        one.send(stream, http2.message(b""), end=True)
        give_up = time.monotonic() + 10
        while not one.ended[stream] and not one.closed:
            one.read(0.05)
            assert time.monotonic() < give_up
        one.close()
        assert one.statuses.get(stream) == status.value[0]


@pytest.mark.parametrize("flags, shared", SCOPES)
def test_a_client_learns_of_its_own_questions_only(tokens, flags, shared):
    with serving(tokens, *flags) as server, server.stub() as stub:
        assert not is_cached(stub, **as_client("one"))
        assert is_cached(stub, **as_client("one"))
        assert is_cached(stub, **as_client("two")) == shared
        assert is_cached(stub, **as_client("two"))


def test_without_identities_prefixes_are_shared_unless_told():
    for flags in ((), ("--prefix_cache_scope=client",)):
        with serving(*flags) as server, server.stub() as stub:
            assert not is_cached(stub)
            assert is_cached(stub)  # the same address


def test_a_client_that_floods_leaves_the_others_their_share(tokens):
    """Ten callers of one client take all places and ask again at once when
    refused; another client asks one question after another."""
    with serving(tokens, "--max_running=2", "--max_queue=4") as server:
        done = threading.Event()
        refused = collections.Counter()

        def flood():
            with server.stub() as stub:
                while not done.is_set():
                    call = stub.Reason(question(), **as_client("one"))
                    if read(call)[1] != CODE.OK:
                        refused[details(call).reason] += 1
                        done.wait(0.02)
        callers = [threading.Thread(target=flood) for _ in range(10)]
        for caller in callers:
            caller.start()
        try:
            while not refused:
                time.sleep(0.01)
            with server.stub() as stub:
                for _ in range(5):
                    call = stub.Reason(question(), **as_client("two"))
                    assert read(call)[1] == CODE.OK, call.details()
        finally:
            done.set()
            for caller in callers:
                caller.join()
        assert set(refused) <= {"QUEUE_FULL", "CLIENT_LIMIT"}
        # To make room, the flood lost requests that waited.
        assert refused["CLIENT_LIMIT"] > 0
        scrape = server.scrape_at_rest()
        assert scrape.sum("cooper_rejections_total",
                          reason="client_limit") == refused["CLIENT_LIMIT"]


def name_in_log(server, token):
    """How the log names the client: it refuses a field of the client's."""
    with server.stub() as stub:
        call = stub.Reason(pb.ReasonRequest(), **as_client(token))
        assert read(call)[1] == CODE.INVALID_ARGUMENT
    give_up = time.monotonic() + 10
    while True:
        names = re.findall(r'INVALID_ARGUMENT.*client="(\w+)"', server.errors())
        if names:
            return names[-1]
        assert time.monotonic() < give_up, server.errors()
        time.sleep(0.05)


def codes(stub, token):
    """What a client may do: a stream, a unary call."""
    call = stub.Reason(question(), **as_client(token))
    streamed = read(call)[1]
    if streamed == CODE.PERMISSION_DENIED:
        assert details(call).reason == "PERMISSION_DENIED"
        assert "Reason" in call.details()
    try:
        stub.GetModel(pb.GetModelRequest(), **as_client(token))
        return streamed, CODE.OK
    except grpc.RpcError as refused:
        return streamed, refused.code()


def test_a_policy_names_what_each_client_may_call(tokens, tmp_path):
    policy = tmp_path / "policy.json"
    policy.write_text(json.dumps({"default": ["Reason", "GetModel"]}))
    with serving(tokens, f"--policy_file={policy}") as server, \
            server.stub() as stub:
        assert codes(stub, "one") == (CODE.OK, CODE.OK)
        one = name_in_log(server, "one")
        policy.write_text(json.dumps(
            {"clients": {one: ["GetModel"]}, "default": ["Reason"]}))
        give_up = time.monotonic() + 20
        while codes(stub, "one") != (CODE.PERMISSION_DENIED, CODE.OK):
            assert time.monotonic() < give_up
        assert codes(stub, "two") == (CODE.OK, CODE.PERMISSION_DENIED)
        # A wrong file changes nothing, and is told.
        policy.write_text('{"clients": {"x": ["Reason "]}}')
        while "kept the old policy" not in server.errors():
            assert time.monotonic() < give_up
        assert codes(stub, "one") == (CODE.PERMISSION_DENIED, CODE.OK)
        assert server.health() == "SERVING"
        scrape = server.scrape_at_rest()
        assert scrape.sum("cooper_rejections_total",
                          reason="permission_denied") >= 2


def test_the_port_for_probes_serves_health_alone(tokens):
    with serving(tokens, "--health_listen=127.0.0.1:0") as server:
        give_up = time.monotonic() + 10
        while not (found := re.search(r'health="(\S+)"', server.errors())):
            assert time.monotonic() < give_up, server.errors()
        with grpc.insecure_channel(found[1]) as channel:
            for service in ("", "liveness", "readiness"):
                assert health_on(channel, service) == "SERVING"
            stub = pb_grpc.SpatialReasoningServiceStub(channel)
            with pytest.raises(grpc.RpcError) as refused:
                stub.GetModel(pb.GetModelRequest(), **as_client("one"))
            assert refused.value.code() == CODE.UNIMPLEMENTED

