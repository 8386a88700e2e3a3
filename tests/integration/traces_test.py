"""Traces of calls, as a collector gets them: OTLP over HTTP."""

import http.server
import json
import threading
import time

import pytest

from harness import pb, depth, details, question, read, serving

TRACE = "0af7651916cd43dd8448eb211c80319c"
CALLER = "b7ad6b7169203331"
RECORDED = ("traceparent", f"00-{TRACE}-{CALLER}-01")
NOT_RECORDED = ("traceparent", f"00-{TRACE}-{CALLER}-00")
SERVICE = "cooper.v1.SpatialReasoningService"


class Collector:
    """Takes traces on a port of its own; answers with `statuses`, the last one
    for ever."""

    def __init__(self, statuses=(200,)):
        self.messages = []
        self.headers = []
        statuses = list(statuses)
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                outer.headers.append((self.path, dict(self.headers)))
                status = statuses.pop(0) if len(statuses) > 1 else statuses[0]
                self.send_response(status)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")
                outer.messages.append((status, json.loads(body)))

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.endpoint = f"--otlp_traces_endpoint={self.url}/v1/traces"
        self.thread = threading.Thread(target=self.server.serve_forever)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()

    def spans(self):
        """All that were taken."""
        return [span for status, body in self.messages if status == 200
                for resource in body["resourceSpans"]
                for scope in resource["scopeSpans"] for span in scope["spans"]]


def attributes(span):
    return {entry["key"]: next(iter(entry["value"].values()))
            for entry in span["attributes"]}


def named(spans, name):
    return [span for span in spans if span["name"] == name]


def within(inner, outer):
    return (int(outer["startTimeUnixNano"]) <= int(inner["startTimeUnixNano"])
            <= int(inner["endTimeUnixNano"]) <= int(outer["endTimeUnixNano"]))


def test_a_question_is_a_tree_of_spans_below_its_callers():
    before = time.time_ns()
    with Collector() as collector:
        with serving(collector.endpoint) as server, server.stub() as stub:
            events, _ = read(stub.Reason(question(seed=3), metadata=[RECORDED]))
        # The server's end sends what waits.
        spans = collector.spans()
        bodies = [body for _, body in collector.messages]
    request_id = events[0].started.request_id
    usage = events[-1].finished.usage
    (call,) = named(spans, f"{SERVICE}/Reason")
    assert call["traceId"] == TRACE
    assert call["parentSpanId"] == CALLER
    assert call["kind"] == 2
    assert before <= int(call["startTimeUnixNano"]) < time.time_ns()
    assert "status" not in call
    assert attributes(call).items() >= {
        "rpc.system": "grpc", "rpc.service": SERVICE, "rpc.method": "Reason",
        "rpc.grpc.status_code": "0"}.items()
    (request,) = named(spans, "request")
    assert request["parentSpanId"] == call["spanId"]
    said = attributes(request)
    assert said["cooper.request_id"] == request_id
    assert said["gen_ai.usage.input_tokens"] == str(usage.input_tokens)
    assert said["gen_ai.usage.output_tokens"] == str(usage.output_tokens)
    assert said["cooper.maps"] == str(usage.maps)
    assert said["cooper.denoise_steps"] == str(usage.denoise_steps)
    below = [span for span in spans
             if span.get("parentSpanId") == request["spanId"]]
    assert len(below) == len(spans) - 2
    assert {span["traceId"] for span in spans} == {TRACE}
    assert len({span["spanId"] for span in spans}) == len(spans)
    names = {span["name"] for span in below}
    assert names >= {"queue", "prepare", "prefill", "decode"}, names
    for span in below:
        assert within(span, request), (span, request)
    # The map comes between two texts, and is one span however long it takes.
    if usage.maps:
        assert len(named(below, "denoise")) == usage.maps
        assert named(below, "vae_decode") and named(below, "encode_image")
    (resource,) = {json.dumps(body["resourceSpans"][0]["resource"])
                   for body in bodies}
    facts = attributes(json.loads(resource))
    assert facts["service.name"] == "cooper-server"
    assert facts["service.instance.id"]
    path, headers = collector.headers[0]
    assert path == "/v1/traces"
    assert headers["Content-Type"] == "application/json"


def test_times_on_the_device_add_up():
    with Collector() as collector:
        with serving(collector.endpoint) as server, server.stub() as stub:
            events, _ = read(stub.EstimateDepth(depth(5), metadata=[RECORDED]))
        spans = collector.spans()
    usage = events[-1].finished.usage
    (flow,) = named(spans, "denoise")
    share = attributes(flow)["cooper.device_time_s"]
    assert share == pytest.approx(usage.denoise_ms / 1e3, abs=1e-5)
    assert int(attributes(flow)["cooper.batches"]) >= 5


def test_a_refused_call_says_why():
    with Collector() as collector:
        with serving(collector.endpoint) as server, server.stub() as stub:
            call = stub.Reason(pb.ReasonRequest(), metadata=[RECORDED])
            read(call)
            reason = details(call).reason
        log = server.errors()
        (span,) = collector.spans()
    assert f"trace_id={TRACE}" in log.replace('"', "")
    assert span["name"] == f"{SERVICE}/Reason"
    assert attributes(span)["rpc.grpc.status_code"] == "3"
    assert attributes(span)["error.type"] == reason
    assert "status" not in span  # the caller's mistake, not the server's


def test_who_is_recorded():
    with Collector() as collector:
        with serving(collector.endpoint, "--trace_sample_ratio=0") as server, \
                server.stub() as stub:
            for metadata in ([NOT_RECORDED], [], [("traceparent", "nonsense")]):
                assert read(stub.EstimateDepth(depth(2), metadata=metadata))[0]
            assert read(stub.EstimateDepth(depth(2), metadata=[RECORDED]))[0]
        assert {span["traceId"] for span in collector.spans()} == {TRACE}
        assert len(named(collector.spans(), f"{SERVICE}/EstimateDepth")) == 1
    with Collector() as collector:
        with serving(collector.endpoint) as server, server.stub() as stub:
            read(stub.EstimateDepth(depth(2)))
            read(stub.EstimateDepth(
                depth(2), metadata=[("traceparent", "nonsense")]))
        roots = named(collector.spans(), f"{SERVICE}/EstimateDepth")
        assert len(roots) == len({span["traceId"] for span in roots}) == 2
        assert not any("parentSpanId" in span for span in roots)


def test_a_collector_that_is_busy_gets_them_later():
    with Collector([503, 429, 200]) as collector:
        with serving(collector.endpoint) as server, server.stub() as stub:
            read(stub.EstimateDepth(depth(2), metadata=[RECORDED]))
            give_up = time.monotonic() + 30
            while not (taken := collector.spans()):
                assert time.monotonic() < give_up
            scrape = server.scrape_at_rest()
            while scrape.sum("cooper_trace_spans_exported_total") == 0:
                assert time.monotonic() < give_up
                scrape = server.scrape()
            assert scrape.sum("cooper_trace_spans_exported_total") == len(taken)
            assert scrape.sum("cooper_trace_spans_dropped_total") == 0


def test_without_a_collector_calls_go_on_and_the_server_ends_soon():
    # A port that nobody listens on.
    with Collector() as gone:
        pass
    with serving(gone.endpoint) as server, server.stub() as stub:
        for _ in range(3):
            events, _ = read(stub.EstimateDepth(depth(2)))
            assert events[-1].HasField("finished")
        server.signal()
        assert server.wait(timeout=20) == 0
        assert server.errors().count("traces are lost") <= 1


@pytest.mark.parametrize("flag, variables, path", [
    ("--otlp_traces_endpoint={url}", {}, "/v1/traces"),
    (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "{url}"}, "/v1/traces"),
    (None, {"OTEL_EXPORTER_OTLP_ENDPOINT": "{url}/otlp/"}, "/otlp/v1/traces"),
    (None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "{url}/mine",
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}, "/mine"),
    (None, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "{url}"}, "/"),
])
def test_the_collectors_address_is_as_opentelemetry_defines_it(
        flag, variables, path):
    with Collector() as collector:
        flags = [] if flag is None else [flag.format(url=collector.url)]
        environment = {name: value.format(url=collector.url)
                       for name, value in variables.items()}
        environment |= {"OTEL_SERVICE_NAME": "robots",
                        "OTEL_RESOURCE_ATTRIBUTES": "k8s.pod.name=cooper-0",
                        "OTEL_EXPORTER_OTLP_HEADERS": "x-key=a%20b"}
        with serving(*flags, environment=environment) as server, \
                server.stub() as stub:
            read(stub.EstimateDepth(depth(2)))
        assert collector.spans()
        (_, body) = collector.messages[0]
        (got, headers) = collector.headers[0]
    assert got == path
    assert headers["x-key"] == "a b"
    resource = attributes(body["resourceSpans"][0]["resource"])
    assert resource["service.name"] == "robots"
    assert resource["k8s.pod.name"] == "cooper-0"
