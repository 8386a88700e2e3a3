"""A real server process and a client of another make: Python's grpcio.

The server's own arguments come from COOPER_SERVER_ARGS, so that one suite runs
on the fake model and on a checkpoint.
"""

import collections
import contextlib
import json
import os
import pathlib
import re
import select
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import time
import urllib.request
import zlib

import grpc
import grpc_tools
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_tools import protoc

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("COOPER_BIN", ROOT / "build/release/bin"))
SERVER_ARGS = shlex.split(os.environ.get(
    "COOPER_SERVER_ARGS", f"--script={ROOT}/tests/data/fake/integration.json"))
SCENE = ROOT / "tests/data/scenes/000.png"
READY_SECONDS = 120
# A client that takes a few KiB unread and not more.
SMALL_WINDOW = [("grpc.http2.bdp_probe", 0),
                ("grpc.http2.lookahead_bytes", 4096)]


def _make_stubs():
    folder = tempfile.mkdtemp(prefix="cooper-stubs-")
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    code = protoc.main(
        ["protoc", f"-I{ROOT}/proto", f"-I{well_known}",
         f"--python_out={folder}", f"--grpc_python_out={folder}",
         "cooper/v1/spatial_reasoning.proto", "google/rpc/status.proto",
         "google/rpc/error_details.proto"])
    assert code == 0
    sys.path.insert(0, folder)


def inference_files():
    """Descriptors of the KServe protocol as proto/ has it, in a pool of their
    own: a process knows a name only once, and its clients bring it too."""
    with tempfile.NamedTemporaryFile() as out:
        code = protoc.main(
            ["protoc", f"-I{ROOT}/proto", f"--descriptor_set_out={out.name}",
             "--include_imports", "inference/grpc_service.proto"])
        assert code == 0
        files = descriptor_pb2.FileDescriptorSet.FromString(out.read())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return [pool.FindFileByName(f"inference/{name}.proto")
            for name in ("grpc_service", "model_config")]


_make_stubs()
# pylint: disable=wrong-import-position
from cooper.v1 import spatial_reasoning_pb2 as pb  # noqa: E402
from cooper.v1 import spatial_reasoning_pb2_grpc as pb_grpc  # noqa: E402
from google.rpc import error_details_pb2, status_pb2  # noqa: E402
from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: E402


def program(*arguments):
    """The server that takes these arguments: that with the scripted model or
    that with a checkpoint."""
    scripted = any(argument.startswith("--script=") for argument in arguments)
    return BIN / ("cooper_fake_server" if scripted else "cooper_server")


class Server:
    """A server process that is ready."""

    def __init__(self, *arguments, preexec=None, environment=None,
                 process_group=None):
        # A file, not a pipe: nobody has to read it for the server to go on.
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [program(*SERVER_ARGS, *arguments), *SERVER_ARGS, "--listen=127.0.0.1:0",
             "--metrics_listen=127.0.0.1:0", *arguments],
            stdout=subprocess.PIPE, stderr=self.log, preexec_fn=preexec,
            process_group=process_group, env={**os.environ, **(environment or {})})
        try:
            self.ready_line = self._await_ready()
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise
        if self.ready_line.startswith("{"):  # --log_format=json
            ready = json.loads(self.ready_line)
            assert ready["msg"] == "ready"
        else:
            words = re.fullmatch(
                r"cooper_server ready grpc=(?P<grpc>\S+) "
                r"metrics=(?P<metrics>\S+) model=(?P<model>\S+) "
                r"device=\S+", self.ready_line)
            assert words, self.ready_line
            ready = words.groupdict()
        self.address, self.metrics_address, self.model = (
            ready[key] for key in ("grpc", "metrics", "model"))

    def _await_ready(self):
        give_up = time.monotonic() + READY_SECONDS
        said = b""
        while not said.endswith(b"\n"):
            left = max(0, give_up - time.monotonic())
            readable, _, _ = select.select([self.process.stdout], [], [], left)
            assert readable, f"not ready in time: {said} {self.errors()}"
            chunk = os.read(self.process.stdout.fileno(), 4096)
            assert chunk, f"ended before it was ready: {self.errors()}"
            said += chunk
        return said.decode().rstrip("\n")

    def errors(self):
        """All of stderr so far."""
        self.log.seek(0)
        return self.log.read().decode()

    def signal(self, number=signal.SIGTERM):
        self.process.send_signal(number)

    def wait(self, timeout=60):
        """The exit code."""
        return self.process.wait(timeout)

    def stop(self):
        """Drains; the exit code."""
        if self.process.poll() is None:
            self.signal()
        return self.wait()

    @contextlib.contextmanager
    def channel(self, options=(), credentials=None):
        options = [("grpc.use_local_subchannel_pool", 1), *options]
        if credentials is None:
            channel = grpc.insecure_channel(self.address, options)
        else:
            channel = grpc.secure_channel(self.address, credentials, options)
        with channel:
            yield channel

    @contextlib.contextmanager
    def stub(self, options=()):
        with self.channel(options) as channel:
            yield pb_grpc.SpatialReasoningServiceStub(channel)

    def health(self, service=""):
        with self.channel() as channel:
            return health_on(channel, service)

    def scrape(self):
        with urllib.request.urlopen(f"http://{self.metrics_address}/metrics",
                                    timeout=10) as answer:
            return Scrape(answer.read().decode())

    def scrape_at_rest(self):
        """The scrape once no request is in flight, the identity checked."""
        give_up = time.monotonic() + 30
        while True:
            scrape = self.scrape()
            breaches = scrape.breaches()
            at_rest = scrape.sum("cooper_requests_in_flight") == 0
            if at_rest and not breaches:
                return scrape
            assert time.monotonic() < give_up, (at_rest, breaches)


@contextlib.contextmanager
def serving(*arguments, preexec=None, environment=None):
    """A server for one test; ends with the identity and a clean stop.
    `preexec`: called in the child before the program starts; `environment`:
    variables added to it."""
    server = Server(*arguments, preexec=preexec, environment=environment)
    try:
        yield server
        if server.process.poll() is None:
            server.scrape_at_rest()
            assert server.stop() == 0, server.errors()
    finally:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()


class Scrape:
    """Samples of /metrics."""

    def __init__(self, text):
        self.samples = collections.defaultdict(list)
        for line in text.splitlines():
            if line.startswith("#") or not line:
                continue
            name, labels, value = re.fullmatch(
                r"([a-z_]+)(?:\{(.*)\})? (\S+)", line).groups()
            pairs = dict(re.findall(r'(\w+)="([^"]*)"', labels or ""))
            self.samples[name].append((pairs, float(value)))

    def sum(self, name, **labels):
        """0 for a series that nothing has happened to yet."""
        return sum(value for pairs, value in self.samples[name]
                   if labels.items() <= pairs.items())

    def breaches(self):
        """What breaks the accounting identity of docs/metrics.md."""
        found = []
        methods = {pairs["method"]
                   for pairs, _ in self.samples["cooper_rpc_started_total"]}
        for method in methods:
            finished = self.sum("cooper_requests_total", method=method)
            started = self.sum("cooper_rpc_started_total", method=method)
            flying = self.sum("cooper_requests_in_flight", method=method)
            if started != finished + flying:
                found.append((method, started, finished, flying))
            bad = finished - self.sum("cooper_requests_total", method=method,
                                      code="OK")
            reasons = [self.sum(f"cooper_{kind}_total", method=method)
                       for kind in ("rejections", "cancellations", "errors")]
            if bad != sum(reasons):
                found.append((method, bad, reasons))
        if self.sum("cooper_requests_in_flight") == 0:
            for gauge in ("queue_depth", "requests_running", "kv_cache_bytes",
                          "stream_buffer_bytes", "image_decode_bytes_in_use"):
                if self.sum(f"cooper_{gauge}") != 0:
                    found.append(gauge)
        return found


def health_on(channel, service=""):
    """SERVING, NOT_SERVING, or the name of the error's code."""
    stub = health_pb2_grpc.HealthStub(channel)
    try:
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service))
    except grpc.RpcError as error:
        return error.code().name
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def png(width, height):
    """A grey PNG of one bit a pixel, all of it there."""
    row = b"\0" + b"\xaa" * ((width + 7) // 8)
    return png_of(width, height, zlib.compress(row * height))


def png_of(width, height, data, depth=1):
    """A PNG with these compressed bytes: grey of one bit a pixel, or RGB of
    `depth` bits a sample."""
    def chunk(kind, body):
        crc = zlib.crc32(kind + body)
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", crc)
    colour_type = 0 if depth == 1 else 2
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) +
            chunk(b"IDAT", data) + chunk(b"IEND", b""))


def question(text="Which one is nearer?", image=None, **fields):
    """A ReasonRequest about a scene."""
    image = SCENE.read_bytes() if image is None else image
    return pb.ReasonRequest(
        inputs=[pb.Input(image=image), pb.Input(text=text)], **fields)


def long_text(**fields):
    """A question with a long text for an answer, the same each time."""
    return question("Tell me a long story.", mode=pb.MODE_TEXT_ONLY, seed=1,
                    max_think_tokens=8192,
                    sampling=pb.SamplingOptions(do_sample=True,
                                                temperature=100), **fields)


def depth(steps, **fields):
    """An EstimateDepthRequest that takes so many steps."""
    return pb.EstimateDepthRequest(
        image=SCENE.read_bytes(),
        flow=pb.FlowOptions(num_timesteps=steps + 1), **fields)


def read(call):
    """Events until the end, and the code: grpc.StatusCode.OK or an error's."""
    events = []
    try:
        for event in call:
            events.append(event)
    except grpc.RpcError:
        pass
    return events, call.code()


def await_event(call, kind):
    """Reads up to the first event of that kind."""
    for event in call:
        if event.WhichOneof("event") == kind:
            return event
    raise AssertionError(f"no {kind}: {call.code()} {call.details()}")


Details = collections.namedtuple("Details", "reason fields retry pushback")


def details(call):
    """What the trailers of an ended call tell."""
    trailers = dict(call.trailing_metadata() or ())
    status = status_pb2.Status()
    status.ParseFromString(trailers.get("grpc-status-details-bin", b""))
    reason, fields, retry = None, [], None
    for any_detail in status.details:
        info = error_details_pb2.ErrorInfo()
        bad_request = error_details_pb2.BadRequest()
        retry_info = error_details_pb2.RetryInfo()
        if any_detail.Unpack(info):
            assert info.domain == "cooper.v1"
            reason = info.reason
        elif any_detail.Unpack(bad_request):
            fields = [v.field for v in bad_request.field_violations]
        elif any_detail.Unpack(retry_info):
            retry = retry_info.retry_delay.ToTimedelta().total_seconds()
    return Details(reason, fields, retry,
                   trailers.get("grpc-retry-pushback-ms"))
