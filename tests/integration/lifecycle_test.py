"""How a server process starts, drains and ends."""

import json
import shutil
import signal
import socket
import subprocess
import time

import grpc
import pytest
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from harness import (ROOT, Server, await_event, depth, details, health_on,
                     pb, pb_grpc, program, question, read, serving)

CODE = grpc.StatusCode
FAKE = f"--script={ROOT}/tests/data/fake/integration.json"


def run(*arguments):
    """Runs a server that is expected to end by itself."""
    done = subprocess.run([program(*arguments), *arguments], text=True,
                          capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout, done.stderr


def skip_without_libtorch(err):
    if "built without libtorch" in err:
        pytest.skip("built without libtorch")


@pytest.mark.parametrize("flag, words", [
    ("--listen=8001", "--listen: must be HOST:PORT"),
    ("--metrics_listen=localhost:70000", "--metrics_listen"),
    ("--max_running=0", "--max_running: must be in [1, 1024]"),
    ("--max_queue=-1", "--max_queue"),
    ("--max_message_mib=0", "--max_message_mib: must be in [1, 1024]"),
    ("--slice_ms=0", "--slice_ms: must be in [1, 10000]"),
    ("--prepare_threads=0", "--prepare_threads"),
    ("--encode_threads=65", "--encode_threads"),
    ("--kv_cache_mib=-1", "--kv_cache_mib"),
    ("--device=tpu", "--device: must be auto, cpu, cuda or cuda:N"),
    ("--dtype=int4", "--dtype"),
    ("--stall_timeout=0s", "--stall_timeout"),
    ("--max_deadline=-1s", "--max_deadline"),
    ("--max_connection_age=1ms", "--max_connection_age"),
    ("--drain_timeout=-1s", "--drain_timeout"),
    ("--log_format=xml", "--log_format: must be text or json"),
    ("--otlp_traces_endpoint=collector:4317", "--otlp_traces_endpoint"),
    ("--trace_sample_ratio=2", "--trace_sample_ratio: must be in [0, 1]"),
    ("--tls_cert=x.pem", "--tls_cert and tls_key"),
    ("--auth_token_file=x", "--auth_token_file: without tls_cert"),
    ("--stuck_after=0s", "--stuck_after"),
    ("--script=", "--script: required"),
    ("stray", 'cooper_server: unexpected argument "stray"'),
])
def test_a_bad_flag_is_one_line_and_exit_code_2(flag, words):
    code, out, err = run(FAKE, flag)
    assert code == 2
    assert out == ""
    assert err.count("\n") == 1
    assert words in err


@pytest.mark.parametrize("flag", ["--nonsense=1", "--max_running=many",
                                  "--drain_timeout=soon"])
def test_a_flag_that_cannot_be_parsed_is_exit_code_2(flag):
    code, _, err = run(FAKE, flag)
    assert code == 2
    assert flag.split("=")[0].strip("-") in err


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_is_exit_code_0(flag):
    code, out, _ = run(flag)
    assert code == 0
    assert "cooper_server" in out
    assert "--listen" in out and "--checkpoint" in out


def test_without_an_address_there_are_no_metrics():
    server = Server("--metrics_listen=")
    assert " metrics=off " in server.ready_line
    assert server.health() == "SERVING"
    server.signal()
    assert server.wait(20) == 0


@pytest.mark.parametrize("arguments, words", [
    (["--script=/nowhere.json"], "/nowhere.json"),
    ([FAKE, "--auth_token_file=/nowhere"], "/nowhere"),
    ([FAKE, "--tls_cert=/nowhere.c", "--tls_key=/nowhere.k"], "/nowhere.c"),
])
def test_a_start_failure_is_one_line_and_exit_code_1(arguments, words):
    code, out, err = run("--listen=127.0.0.1:0", "--metrics_listen=127.0.0.1:0",
                         *arguments)
    assert code == 1
    assert out == ""
    said = [line for line in err.splitlines() if "listening" not in line]
    assert len(said) == 1
    assert said[0].startswith("cooper_server: ") and words in said[0]


@pytest.mark.parametrize("effect, exit_code, words", [
    ("status", 1, "scripted device failure"),
    ("throw", 1, "loading the model: scripted exception"),
    ("out_of_memory", 4, "scripted lack of memory"),
])
def test_a_warm_up_that_fails_is_one_line_and_an_exit_code(
        tmp_path, effect, exit_code, words):
    script = tmp_path / "script.json"
    script.write_text(json.dumps(
        {"faults": [{"call": "warm_up", "effect": effect}]}))
    code, out, err = run("--listen=127.0.0.1:0", "--metrics_listen=127.0.0.1:0",
                         f"--script={script}")
    assert code == exit_code
    assert out == ""
    said = [line for line in err.splitlines() if "listening" not in line]
    assert said == [f"cooper_server: {words}"]


@pytest.mark.parametrize("device", ["cuda", "cuda:0", "cuda:7"])
def test_no_usable_gpu_is_one_line_and_exit_code_4(device):
    code, out, err = run("--listen=127.0.0.1:0", "--metrics_listen=127.0.0.1:0",
                         f"--device={device}")
    skip_without_libtorch(err)
    assert code == 4
    assert out == ""
    said = [line for line in err.splitlines() if "listening" not in line]
    assert len(said) == 1
    assert said[0].startswith("cooper_server: --device: ")


@pytest.mark.parametrize("flag", ["--listen", "--metrics_listen"])
def test_a_port_in_use_is_named(flag):
    other = {"--listen": "--metrics_listen",
             "--metrics_listen": "--listen"}[flag]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        code, _, err = run(FAKE, f"{flag}={address}", f"{other}=127.0.0.1:0")
    assert code == 1
    assert f"cannot listen on {address}" in err
    assert err.count("\n") == 1


def test_flags_come_from_a_file(tmp_path):
    flags = tmp_path / "flags"
    flags.write_text("--max_running=3\n--max_queue=5\n--log_format=json\n")
    with serving(f"--flagfile={flags}") as server:
        with server.stub() as stub:
            limits = stub.GetModel(pb.GetModelRequest()).limits
        assert (limits.max_running, limits.max_queue) == (3, 5)
        assert server.errors().splitlines()[0].startswith("{")


def json_lines(text):
    """The lines of a log, each of which must be JSON."""
    return [json.loads(line) for line in text.splitlines()]


def test_all_output_is_json_where_asked():
    with serving("--log_format=json") as server:
        with server.stub() as stub:
            read(stub.Reason(question()))
            model = stub.GetModel(pb.GetModelRequest())
        server.signal()
        assert server.wait() == 0
        (ready,) = [line for line in json_lines(server.errors())
                    if line["msg"] == "ready"]
        on_stdout = json.loads(server.ready_line)
        assert on_stdout.pop("ts") and ready.pop("ts")
        assert on_stdout.pop("text") == (
            f"cooper_server ready grpc={server.address} "
            f"metrics={server.metrics_address} model={server.model} "
            f"device={ready['device']}")
        assert on_stdout == ready
        assert ready["grpc"] == server.address
        assert ready["metrics"] == server.metrics_address
        assert ready["model"] == model.name
        assert ready["device"] == model.device
        assert ready["dtype"] == model.dtype
        assert ready["version"] == model.server_version
        assert ready["parameters"] == model.parameters
        assert ready["kv_cache_tokens"] == model.limits.kv_cache_tokens > 0
        assert ready["threads"] == model.threads
        assert ready["instruction_set"] == model.instruction_set
        assert ready["files"] == [{"path": file.path, "tensors": file.tensors}
                                  for file in model.files]
        assert server.process.stdout.read() == b""


@pytest.mark.parametrize("arguments, exit_code, words", [
    (["--script=/nowhere.json"], 1, "/nowhere.json"),
    ([FAKE, "--max_running=0"], 2, "--max_running: must be in"),
    ([FAKE, "--nonsense"], 2, "nonsense"),
    ([FAKE, "--max_running=many"], 2, "max_running"),
    ([FAKE, "stray"], 2, "stray"),
    (["--device=cuda"], 4, "--device: "),
])
def test_failures_are_json_where_asked(arguments, exit_code, words):
    code, out, err = run("--listen=127.0.0.1:0", "--metrics_listen=127.0.0.1:0",
                         "--log_format=json", *arguments)
    skip_without_libtorch(err)
    assert code == exit_code
    assert out == ""
    said = [line for line in json_lines(err) if line["msg"] != "listening"]
    assert {(line["level"], line["msg"]) for line in said} == {
        ("error", "failed")}
    assert words in said[0]["error"]


def test_what_takes_long_says_how_far_it_is(tmp_path):
    script = tmp_path / "script.json"
    script.write_text('{"delays_us": {"warm_up": 7000000}}')
    # The last of two equal flags holds.
    with serving("--log_format=json", f"--script={script}") as server:
        lines = json_lines(server.errors())
        (loading,) = [line for line in lines if line["msg"] == "loading"]
        assert loading["stage"] == "warming up"
        assert 4 < loading["seconds"] < 7
        assert loading["seconds_left"] > 0
        assert "total_bytes" not in loading  # not known


def test_sigterm_lets_work_in_flight_end():
    with serving() as server, server.channel() as channel:
        stub = pb_grpc.SpatialReasoningServiceStub(channel)
        call = stub.EstimateDepth(depth(400))
        await_event(call, "map_progress")
        assert health_on(channel, "readiness") == "SERVING"
        server.signal()
        # The health check's answer shows when the signal has arrived.
        while health_on(channel, "readiness") == "SERVING":
            continue
        assert health_on(channel, "") == "NOT_SERVING"
        assert health_on(channel, "liveness") == "SERVING"
        refused = stub.EstimateDepth(depth(2))
        assert read(refused)[1] == CODE.UNAVAILABLE
        assert details(refused).reason == "DRAINING"
        assert details(refused).pushback is not None
        events, code = read(call)
        assert code == CODE.OK
        assert events[-1].HasField("finished")
        assert server.wait() == 0


def test_what_is_left_after_the_drain_timeout_is_unavailable():
    with serving("--drain_timeout=100ms") as server, server.stub() as stub:
        call = stub.EstimateDepth(depth(999))
        await_event(call, "map_progress")
        server.signal()
        events, code = read(call)
        assert code == CODE.UNAVAILABLE
        assert details(call).reason == "DRAINING"
        assert not any(event.HasField("finished") for event in events)
        assert server.wait() == 0


def test_a_second_signal_ends_at_once():
    with serving() as server, server.channel() as channel:
        stub = pb_grpc.SpatialReasoningServiceStub(channel)
        call = stub.EstimateDepth(depth(999))
        await_event(call, "map_progress")
        server.signal(signal.SIGINT)
        while health_on(channel, "readiness") == "SERVING":
            continue
        server.signal(signal.SIGTERM)
        assert server.wait(10) == 0
        assert read(call)[1] == CODE.UNAVAILABLE
        assert "stopping at once" in server.errors()


def test_an_idle_server_stops_cleanly_and_ignores_other_signals():
    with serving() as server:
        server.signal(signal.SIGHUP)
        server.signal(signal.SIGPIPE)
        assert server.health() == "SERVING"
        assert server.stop() == 0
        assert "stopped" in server.errors()


def test_a_failed_device_ends_everything_with_exit_code_3(tmp_path):
    script = tmp_path / "script.json"
    script.write_text('{"faults": [{"call": "decode", "effect": "status", '
                      '"nth": 5}]}')
    # The last of two equal flags holds.
    server = Server(f"--script={script}")
    with server.stub() as stub:
        call = stub.Reason(question())
        assert read(call)[1] == CODE.UNAVAILABLE
        assert details(call).reason == "ENGINE_FAILED"
    assert server.wait() == 3


def test_a_connection_that_is_gone_frees_its_slot():
    with serving() as server:
        with server.channel() as channel:
            stub = pb_grpc.SpatialReasoningServiceStub(channel)
            call = stub.EstimateDepth(depth(999))
            await_event(call, "map_progress")
        after = server.scrape_at_rest()
        assert after.sum("cooper_cancellations_total", cause="client") == 1
        assert after.sum("cooper_denoise_steps_total") < 999


def test_a_connection_past_its_age_lets_its_call_end():
    with serving("--max_connection_age=1s") as server, server.stub() as stub:
        began = time.monotonic()
        # Two maps, one after the other.
        events, code = read(stub.Reason(question(
            mode=pb.MODE_PERCEIVE_THEN_ANSWER,
            flow=pb.FlowOptions(num_timesteps=1000))))
        assert time.monotonic() - began > 1.2
        assert code == CODE.OK
        assert events[-1].HasField("finished")


def test_a_token_is_asked_for(tmp_path):
    tokens = tmp_path / "tokens"
    tokens.write_text("secret\n")
    with serving(f"--auth_token_file={tokens}") as server, \
            server.stub() as stub:
        for metadata in [(), [("authorization", "Bearer wrong")],
                         [("authorization", "Bearer secret")] * 2]:
            with pytest.raises(grpc.RpcError) as refused:
                stub.GetModel(pb.GetModelRequest(), metadata=metadata)
            assert refused.value.code() == CODE.UNAUTHENTICATED
            assert details(refused.value).reason == "UNAUTHENTICATED"
        stub.GetModel(pb.GetModelRequest(),
                      metadata=[("authorization", "Bearer secret")])
        assert server.health() == "SERVING"


@pytest.mark.parametrize("flags, code, warnings", [
    (["--listen=0.0.0.0:0"], 2, 0),
    (["--listen=[::]:0"], 2, 0),
    (["--listen=0.0.0.0:0", "--allow_plaintext_tokens"], 0, 1),
    (["--listen=localhost:0"], 0, 0),
    (["--listen=127.0.0.1:0", "--allow_plaintext_tokens"], 0, 0)])
def test_tokens_without_tls_are_for_this_machine_unless_allowed(
        tmp_path, flags, code, warnings):
    tokens = tmp_path / "tokens"
    tokens.write_text("secret\n")
    flags = [f"--auth_token_file={tokens}", *flags]
    if code == 2:
        said = run(FAKE, "--metrics_listen=127.0.0.1:0", *flags)
        assert said[0] == 2 and "--auth_token_file: " in said[2]
    else:
        server = Server(FAKE, *flags)
        assert server.stop() == 0
        assert server.errors().count("without TLS") == warnings


def test_reflection_lists_services_where_asked():
    with serving("--reflection") as server, server.channel() as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        (answer,) = stub.ServerReflectionInfo(iter(
            [reflection_pb2.ServerReflectionRequest(list_services="")]))
        names = {service.name
                 for service in answer.list_services_response.service}
        assert "cooper.v1.SpatialReasoningService" in names
        assert "grpc.health.v1.Health" in names
        # And what tools need for calling each of them.
        for name in names:
            (answer,) = stub.ServerReflectionInfo(iter(
                [reflection_pb2.ServerReflectionRequest(
                    file_containing_symbol=name)]))
            files = answer.file_descriptor_response.file_descriptor_proto
            assert any(name.rpartition(".")[2].encode() in file
                       for file in files), name


@pytest.fixture(scope="module", name="pem")
def fixture_pem(tmp_path_factory):
    """A self-signed certificate and its key."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "1", "-subj", "/CN=localhost", "-addext",
         "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout",
         folder / "key.pem", "-out", folder / "cert.pem"],
        check=True, capture_output=True)
    return folder


def test_tls_is_spoken_and_only_tls(pem):
    server = Server(f"--tls_cert={pem}/cert.pem", f"--tls_key={pem}/key.pem")
    trust = grpc.ssl_channel_credentials((pem / "cert.pem").read_bytes())
    with server.channel(credentials=trust) as channel:
        assert health_on(channel) == "SERVING"
    with server.channel() as channel:
        assert health_on(channel) == "UNAVAILABLE"
    assert server.stop() == 0


def test_a_key_of_another_certificate_is_a_start_failure(pem, tmp_path):
    other = tmp_path / "other.pem"
    subprocess.run(["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt",
                    "ec_paramgen_curve:P-256", "-out", other],
                   check=True, capture_output=True)
    code, out, err = run(FAKE, "--listen=127.0.0.1:0",
                         "--metrics_listen=127.0.0.1:0",
                         f"--tls_cert={pem}/cert.pem", f"--tls_key={other}")
    assert (code, out) == (1, "")
    assert err == (f"cooper_server: tls_key: {other}: is not the key of the "
                   f"certificate in tls_cert: {pem}/cert.pem\n")


def test_callers_without_a_certificate_are_refused_where_one_is_asked(pem):
    server = Server(f"--tls_cert={pem}/cert.pem", f"--tls_key={pem}/key.pem",
                    f"--tls_client_ca={pem}/cert.pem")
    root = (pem / "cert.pem").read_bytes()
    with server.channel(
            credentials=grpc.ssl_channel_credentials(root)) as channel:
        assert health_on(channel) == "UNAVAILABLE"
    own = grpc.ssl_channel_credentials(
        root, (pem / "key.pem").read_bytes(), root)
    with server.channel(credentials=own) as channel:
        assert health_on(channel) == "SERVING"
    assert server.stop() == 0
