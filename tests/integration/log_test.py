"""A log that nobody reads holds up nothing, and calls that are refused cannot
fill it."""

import contextlib
import fcntl
import json
import os
import re
import select
import shlex
import socket
import subprocess
import time
import urllib.request

import grpc
import pytest

from harness import (BIN, ROOT, SCENE, SERVER_ARGS, Scrape, Server, depth,
                     health_on, pb, pb_grpc, program, question, read)

CODE = grpc.StatusCode
FAKE = f"--script={ROOT}/tests/data/fake/integration.json"
F_SETPIPE_SZ = 1031


@pytest.fixture(name="tokens")
def fixture_tokens(tmp_path):
    path = tmp_path / "tokens"
    path.write_text("secret\n")
    return path


class Piped:
    """A server whose standard error and output are pipes of one page."""

    def __init__(self, *arguments, stderr=None):
        flags = [*SERVER_ARGS, "--listen=127.0.0.1:0",
                 "--metrics_listen=127.0.0.1:0", *arguments]
        self.err, err_end = os.pipe()
        fcntl.fcntl(self.err, F_SETPIPE_SZ, 4096)
        self.process = subprocess.Popen([program(*flags), *flags],
                                        stdout=subprocess.PIPE,
                                        stderr=stderr or err_end)
        os.close(err_end)
        line = self.process.stdout.readline().decode()
        words = re.search(r"grpc=(\S+) metrics=(\S+)", line)
        assert words, line
        self.address, self.metrics = words.groups()

    def scrape(self):
        with urllib.request.urlopen(f"http://{self.metrics}/metrics",
                                    timeout=10) as answer:
            return Scrape(answer.read().decode())

    def read_err(self, seconds=1.0):
        """What comes within so long of silence."""
        said = b""
        while select.select([self.err], [], [], seconds)[0]:
            chunk = os.read(self.err, 65536)
            if not chunk:
                break
            said += chunk
        return said.decode()


@contextlib.contextmanager
def piped(*arguments, stderr=None):
    server = Piped(*arguments, stderr=stderr)
    try:
        with grpc.insecure_channel(
                server.address,
                [("grpc.use_local_subchannel_pool", 1)]) as channel:
            yield server, channel
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.process.wait()
        os.close(server.err)


def refuse(channel, calls, **metadata):
    """Makes so many calls that are refused."""
    stub = pb_grpc.SpatialReasoningServiceStub(channel)
    pending = [stub.GetModel.future(pb.GetModelRequest(), timeout=30,
                                    metadata=list(metadata.items()))
               for _ in range(calls)]
    for call in pending:
        assert call.code() != CODE.OK


def assert_answers_and_stops(server, channel, metadata):
    stub = pb_grpc.SpatialReasoningServiceStub(channel)
    call = stub.Reason(question(), timeout=20, metadata=metadata)
    events, code = read(call)
    assert code == CODE.OK and events[-1].HasField("finished")
    for name in ("", "readiness", "liveness"):
        assert health_on(channel, name) == "SERVING"
    began = time.monotonic()
    server.process.terminate()
    assert server.process.wait(12) == 0
    assert time.monotonic() - began < 11


def test_a_reader_that_takes_nothing_holds_up_nothing(tokens):
    with piped(f"--auth_token_file={tokens}", "--drain_timeout=1s") as (
            server, channel):
        for _ in range(5):
            refuse(channel, 1000)
        assert_answers_and_stops(server, channel,
                                 [("authorization", "Bearer secret")])


def test_lines_of_requests_that_nobody_reads_are_dropped_and_counted(tmp_path):
    """More than the queue holds, then its reader comes back."""
    script = json.loads((ROOT / "tests/data/fake/integration.json").read_text())
    del script["delays_us"]
    path = tmp_path / "script.json"
    path.write_text(json.dumps(script))
    with piped(f"--script={path}", "--drain_timeout=1s") as (server, channel):
        os.set_blocking(server.err, False)
        subprocess.run(
            [BIN / "cooper", "bench", f"--server={server.address}",
             "--requests=10050", "--concurrency=16", "--mix=text_only",
             f"--image={SCENE}", f"--request_id={'x' * 100}"],
            check=True, capture_output=True, timeout=100)
        dropped = server.scrape().sum("cooper_log_lines_dropped_total")
        logged = server.scrape().sum("cooper_log_messages_total")
        assert logged > 10_000
        assert 0 < dropped < 6000
        lines = server.read_err().splitlines()
        told = [line for line in lines if "log lines were dropped" in line]
        assert len(told) == 1
        assert f" {int(dropped)} log lines were dropped" in told[0]
        assert len(lines) == logged - dropped + 1
        for line in lines:
            assert re.match(r"\d{4}-\d\d-\d\dT[\d:.]+Z (info|warning) ", line)
        stub = pb_grpc.SpatialReasoningServiceStub(channel)
        read(stub.EstimateDepth(depth(2, request_id="after")))
        assert 'request_id="after"' in server.read_err()
        assert server.scrape().sum("cooper_log_lines_dropped_total") == dropped
        assert_answers_and_stops(server, channel, [])


def test_a_reader_that_is_gone_holds_up_nothing(tokens):
    with piped(f"--auth_token_file={tokens}", "--drain_timeout=1s") as (
            server, channel):
        os.close(server.err)
        server.err = os.open(os.devnull, os.O_RDONLY)
        refuse(channel, 1000)
        assert_answers_and_stops(server, channel,
                                 [("authorization", "Bearer secret")])


def test_a_full_disk_holds_up_nothing(tokens):
    with open("/dev/full", "wb") as full:
        with piped(f"--auth_token_file={tokens}", "--drain_timeout=1s",
                   stderr=full) as (server, channel):
            refuse(channel, 100)
            time.sleep(0.2)
            assert server.scrape().sum("cooper_log_lines_dropped_total") > 5
            assert_answers_and_stops(server, channel,
                                     [("authorization", "Bearer secret")])


def test_standard_output_that_nobody_reads_holds_up_nothing():
    out, out_end = os.pipe()
    fcntl.fcntl(out, F_SETPIPE_SZ, 4096)
    os.set_blocking(out_end, False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(out_end, b"x" * 4096)
    os.set_blocking(out_end, True)
    flags = [*SERVER_ARGS, "--listen=127.0.0.1:0", "--metrics_listen=127.0.0.1:0"]
    with subprocess.Popen([program(*flags), *flags], stdout=out_end,
                          stderr=subprocess.PIPE, text=True) as process:
        try:
            lines = [process.stderr.readline()]
            while " ready " not in lines[-1]:
                lines.append(process.stderr.readline())
            address = re.search(r'grpc="(\S+)"', lines[-1])[1]
            with grpc.insecure_channel(address) as channel:
                assert health_on(channel, "readiness") == "SERVING"
            process.terminate()
            assert process.wait(12) == 0
        finally:
            process.kill()
    os.close(out)
    os.close(out_end)


@pytest.mark.parametrize("closed", [[2], [1, 2], [0, 1, 2]])
def test_closed_standard_streams_are_no_socket(tmp_path, closed):
    """Else the log would go to whoever is connected."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    flags = [*SERVER_ARGS, f"--listen={address}",
             "--metrics_listen=127.0.0.1:0"]
    redirected = " ".join(f"{number}>&-" for number in closed)
    command = shlex.join([str(program(*flags)), *flags])
    with subprocess.Popen(["sh", "-c", f"exec {command} {redirected}"],
                          cwd=tmp_path, stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL) as process:
        try:
            with grpc.insecure_channel(address) as channel:
                grpc.channel_ready_future(channel).result(timeout=30)
                stub = pb_grpc.SpatialReasoningServiceStub(channel)
                assert read(stub.Reason(question()))[1] == CODE.OK
                opened = {os.readlink(f"/proc/{process.pid}/fd/{number}")
                          for number in closed if number > 0}
                assert opened == {"/dev/null"}
            process.terminate()
            assert process.wait(15) == 0
        finally:
            process.kill()


def test_lines_are_there_when_the_process_ends_and_in_order():
    server = Server(FAKE)
    with server.stub() as stub:
        for i in range(300):
            assert read(stub.EstimateDepth(
                depth(1, request_id=f"r-{i}")))[1] == CODE.OK
    assert server.stop() == 0
    said = server.errors()
    assert re.findall(r'request_id="r-(\d+)"', said) == [
        str(i) for i in range(300)]
    assert said.splitlines()[-1].endswith("info stopped")


def test_refused_calls_are_sampled_and_name_their_peer(tokens):
    server = Server(FAKE, f"--auth_token_file={tokens}")
    with server.channel() as channel:
        stub = pb_grpc.SpatialReasoningServiceStub(channel)
        call = stub.Reason(question(request_id="not-let-in\n"))
        assert read(call)[1] == CODE.UNAUTHENTICATED
        good = [("authorization", "Bearer secret")]
        call = stub.Reason(question(request_id="my-id", seed=1,
                                    max_think_tokens=1), metadata=good)
        assert read(call)[1] == CODE.INVALID_ARGUMENT
        time.sleep(1.1)
        refuse(channel, 500)
    assert server.stop() == 0
    lines = server.errors().splitlines()
    refused = [line for line in lines if "UNAUTHENTICATED" in line]
    assert all("peer=\"ipv4:127.0.0.1:" in line for line in refused
               if "lines left out" not in line)
    (invalid,) = [line for line in lines if "INVALID_ARGUMENT" in line]
    assert 'request_id="my-id"' in invalid and "peer=" in invalid
    assert "client=" in invalid
    left_out = [line for line in refused if "lines left out" in line]
    assert left_out
    counted = sum(int(re.search(r"lines=(\d+)", line)[1]) for line in left_out)
    assert len(refused) - len(left_out) + counted == 501
    assert len(refused) < 80


def test_a_broken_token_file_is_told_once_a_change(tokens):
    server = Server(FAKE, f"--auth_token_file={tokens}")
    tokens.write_text("\n")
    time.sleep(3.2)
    assert server.errors().count("kept the old tokens") == 1
    tokens.unlink()
    time.sleep(3.2)
    assert server.errors().count("kept the old tokens") == 2
    tokens.write_text("another\n")
    time.sleep(1.5)
    with server.stub() as stub:
        stub.GetModel(pb.GetModelRequest(),
                      metadata=[("authorization", "Bearer another")])
    assert server.stop() == 0
    assert server.errors().count("kept the old tokens") == 2


@pytest.mark.parametrize("arguments", [["--max_running=0"], ["stray"],
                                       ["--tls_cert=/nowhere",
                                        "--tls_key=/nowhere"]])
def test_a_process_that_does_not_start_says_why_at_once(arguments):
    flags = [FAKE, "--listen=127.0.0.1:0", "--metrics_listen=127.0.0.1:0",
             *arguments]
    done = subprocess.run([program(*flags), *flags], capture_output=True,
                          text=True, timeout=30, check=False)
    assert done.returncode in (1, 2)
    assert "cooper_server: " in done.stderr.splitlines()[-1]
