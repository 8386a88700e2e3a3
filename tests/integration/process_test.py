"""What happens to the process and around it: clients that are killed, clocks that
jump, a stop under full load, little to live on, old TLS."""

import os
import resource
import shutil
import signal
import socket
import ssl
import subprocess
import time

import grpc
import pytest

from harness import (BIN, ROOT, SCENE, Server, await_event, depth, details, pb,
                     question, read, serving)

CODE = grpc.StatusCode
FAKE = f"--script={ROOT}/tests/data/fake/integration.json"


def test_a_client_that_is_killed_frees_its_slot():
    with serving(FAKE) as server:
        with subprocess.Popen(
                [BIN / "cooper", "depth", SCENE, "--num_timesteps=1000",
                 f"--server={server.address}"], stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL) as client:
            give_up = time.monotonic() + 20
            while server.scrape().sum("cooper_denoise_steps_total") < 3:
                assert time.monotonic() < give_up
            client.send_signal(signal.SIGKILL)
        killed = time.monotonic()
        scrape = server.scrape_at_rest()
        assert time.monotonic() - killed < 2
        # gRPC does not tell a lost connection from a cancellation.
        assert scrape.sum("cooper_cancellations_total", cause="client") == 1
        assert scrape.sum("cooper_denoise_steps_total") < 999
        while server.scrape().sum("cooper_grpc_connections") > 0:
            assert time.monotonic() < killed + 10


def test_a_stop_under_full_load_ends_everything_once():
    server = Server(FAKE, "--max_running=8", "--max_queue=4",
                    "--drain_timeout=300ms")
    with server.stub() as stub:
        running = [stub.EstimateDepth(depth(999)) for _ in range(8)]
        for call in running:
            await_event(call, "map_progress")
        queued = [stub.EstimateDepth(depth(999)) for _ in range(4)]
        while server.scrape().sum("cooper_queue_depth") < 4:
            continue
        server.signal()
        for call in [*running, *queued]:
            events, code = read(call)
            assert code == CODE.UNAVAILABLE
            assert details(call).reason == "DRAINING"
            assert not any(event.HasField("finished") for event in events)
    assert server.wait(10) == 0
    assert server.errors().count("request ended") == 12


def test_little_is_needed_to_live():
    """Another user, no home, no folder for temporary files, 64 descriptors, and
    no file that may be written, not even the log."""
    for_all = all(folder.stat().st_mode & 0o5 == 0o5 for folder in BIN.parents)

    def strip():
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
        os.chdir("/")
        if os.getuid() == 0 and for_all:
            os.setgroups([])
            os.setgid(65532)
            os.setuid(65532)
    with serving(FAKE, preexec=strip, environment={
            "TMPDIR": "/nowhere", "HOME": "/nowhere"}) as server:
        with server.stub() as stub:
            for _ in range(5):
                assert read(stub.Reason(question()))[1] == CODE.OK
        scrape = server.scrape_at_rest()
        assert scrape.sum("process_max_fds") == 64
        assert scrape.sum("cooper_log_lines_dropped_total") >= 5
        assert server.health("readiness") == "SERVING"


@pytest.mark.skipif("COOPER_PROCESS_FAULTS" not in os.environ,
                    reason="no library that makes a clock jump")
@pytest.mark.parametrize("jump", [3600, -3600])
def test_a_clock_that_jumps_ends_no_call(tmp_path, jump):
    offset = tmp_path / "offset"
    offset.write_text("0\n")
    with serving(FAKE, environment={
            "LD_PRELOAD": os.environ["COOPER_PROCESS_FAULTS"],
            "COOPER_CLOCK_OFFSET": str(offset)}) as server:
        with server.stub() as stub:
            # A short one and one without a deadline, which the server caps.
            calls = [stub.EstimateDepth(depth(300), timeout=30),
                     stub.EstimateDepth(depth(300))]
            for call in calls:
                await_event(call, "map_progress")
            offset.write_text(f"{jump}\n")
            for call in calls:
                assert read(call)[1] == CODE.OK
            # The next calls come after the jump: one ends well, one is late.
            assert read(stub.Reason(question(), timeout=30))[1] == CODE.OK
            late = stub.EstimateDepth(depth(999), timeout=0.2)
            assert read(late)[1] == CODE.DEADLINE_EXCEEDED
        scrape = server.scrape_at_rest()
        assert scrape.sum("cooper_requests_total", code="OK") == 3
        stamp = scrape.sum("cooper_engine_last_step_timestamp_seconds")
        assert abs(stamp - time.time() - jump) < 60  # so the clock did jump


@pytest.fixture(scope="module", name="pem")
def fixture_pem(tmp_path_factory):
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    folder = tmp_path_factory.mktemp("pem")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
         "1", "-subj", "/CN=localhost", "-keyout", folder / "key.pem", "-out",
         folder / "cert.pem"], check=True, capture_output=True)
    return folder


@pytest.mark.filterwarnings("ignore:.*deprecated:DeprecationWarning")
def test_tls_before_1_2_is_refused(pem):
    flags = [f"--tls_cert={pem}/cert.pem", f"--tls_key={pem}/key.pem"]
    server = Server(FAKE, *flags)
    host, port = server.address.rsplit(":", 1)

    def hello(version):
        """The version that is agreed on with a client that speaks this one."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        context.set_ciphers("ALL:@SECLEVEL=0")  # else it would not even ask
        context.set_alpn_protocols(["h2"])
        context.minimum_version = context.maximum_version = version
        with socket.create_connection((host, int(port)), timeout=10) as peer:
            with context.wrap_socket(peer) as spoken:
                return spoken.version()
    assert hello(ssl.TLSVersion.TLSv1_2) == "TLSv1.2"
    assert hello(ssl.TLSVersion.TLSv1_3) == "TLSv1.3"
    for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
        with pytest.raises((ssl.SSLError, ConnectionError)):
            hello(version)
    assert server.stop() == 0
