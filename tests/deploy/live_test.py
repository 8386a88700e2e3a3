"""A real Prometheus watches the real server under load: every query of the
dashboard, the rules and the autoscalers has an answer.

The server runs the scripted model and speaks TLS, so that its certificate's
metric is there too. Only the card's numbers are not real: a page as NVIDIA's DCGM
exporter writes it.
"""

import http.server
import sys
import threading
import time

import promql_parser
import pytest
import yaml

from conftest import DEPLOY, ROOT, RULES, objects, panels, rules, tool

sys.path.insert(0, str(DEPLOY / "observe"))
# pylint: disable=wrong-import-position
import load  # noqa: E402
import servers  # noqa: E402

# Longer than the longest window of a query, with a rush.
LOAD_SECONDS = 15
DAY = [(0, 1, 10), (0.3, 0.8, 60)]
CODES = {"OK", "CANCELLED", "DEADLINE_EXCEEDED", "INVALID_ARGUMENT",
         "RESOURCE_EXHAUSTED"}
COMPARISONS = {"==", "!=", ">", "<", ">=", "<="}
POD = {"namespace": "cooper", "pod": "cooper-a"}


class CardPage(http.server.BaseHTTPRequestHandler):
    """Answers as the DCGM exporter of a node with one card."""

    def do_GET(self):  # pylint: disable=invalid-name
        body = (ROOT / "tests/deploy/dcgm.prom").read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):  # pylint: disable=arguments-differ
        pass


@pytest.fixture(scope="module")
def watched(bin_folder, certificate, tmp_path_factory):
    """A Prometheus that has seen the server work for a while, how requests
    ended, and until when (Unix s)."""
    exporter = http.server.ThreadingHTTPServer(("127.0.0.1", 0), CardPage)
    threading.Thread(target=exporter.serve_forever, daemon=True).start()
    prometheus = tool("prometheus")
    server = servers.CooperServer(
        bin_folder / "cooper_fake_server", "--max_running=4", "--max_queue=4",
        f"--tls_cert={certificate}/cert.pem", f"--tls_key={certificate}/key.pem",
        f"--script={ROOT / 'tests/data/fake/integration.json'}")
    watch = None
    try:
        watch = servers.Prometheus(
            tmp_path_factory.mktemp("prometheus"), RULES,
            {"cooper": [(server.metrics_address, POD)],
             "dcgm": ["%s:%d" % exporter.server_address]}, prometheus)
        end = time.time() + LOAD_SECONDS
        ends = load.run(bin_folder / "cooper", server.address, LOAD_SECONDS, DAY,
                        [f"--tls_ca={certificate}/cert.pem"])
        time.sleep(2)  # The last scrape.
        yield watch, ends, end
        assert server.stop() == 0, server.errors()
    finally:
        if watch is not None:
            watch.stop()
        server.stop()
        exporter.shutdown()


@pytest.fixture
def query(watched):
    """Asks the Prometheus as of the end of the load."""
    watch, _, end = watched
    return lambda expression: watch.query(expression, end)


def dashboard_queries():
    return [pytest.param(target["expr"], id=f"{panel['title']} {target['refId']}")
            for panel in panels() for target in panel["targets"]]


def fill(expression):
    """As Grafana does with one job chosen and a window of ten seconds."""
    return (expression.replace("$__rate_interval", "10s")
            .replace("$job", "cooper").replace("$instance", ".+"))


@pytest.mark.parametrize("expression", dashboard_queries())
def test_every_query_of_the_dashboard_has_an_answer(query, expression):
    assert query(fill(expression)), fill(expression)


def operands(node):
    """Texts of what an alert compares: an alert that is silent has no answer,
    what it looks at must have one."""
    if isinstance(node, promql_parser.ParenExpr):
        yield from operands(node.expr)
    elif isinstance(node, promql_parser.BinaryExpr):
        op = str(node.op)
        if op in COMPARISONS:
            yield from operands(node.lhs)
        elif op in ("and", "or", "unless"):
            yield from operands(node.lhs)
            yield from operands(node.rhs)
        else:
            # A denominator's guard against 0 holds under load.
            yield node.prettify()
    elif isinstance(node, promql_parser.Call) and node.func.name == "absent":
        yield from operands(node.args[0])
    else:
        yield node.prettify()


RULE_OPERANDS = [
    pytest.param(text, id=f"{rule.get('alert', rule.get('record'))} {number}")
    for rule in rules("alert") + rules("record")
    for number, text in enumerate(operands(promql_parser.parse(rule["expr"])))]


@pytest.mark.parametrize("expression", RULE_OPERANDS)
def test_every_operand_of_the_rules_has_an_answer(query, expression):
    assert query(expression), expression


@pytest.mark.parametrize("name", [rule["record"] for rule in rules("record")])
def test_every_recording_is_made(query, name):
    assert query(name)


def autoscaler_queries():
    adapter = yaml.safe_load((DEPLOY / "prometheus/adapter.yml").read_text())
    for rule in adapter["rules"]:
        yield (rule["metricsQuery"]
               .replace("<<.Series>>", rule["seriesQuery"].partition("{")[0])
               .replace("<<.LabelMatchers>>", 'namespace="cooper",pod=~".+"')
               .replace("<<.GroupBy>>", "pod"))
        yield rule["seriesQuery"]
    (scaled,) = objects("base+keda", "ScaledObject")
    for trigger in scaled["spec"]["triggers"]:
        yield trigger["metadata"]["query"]


@pytest.mark.parametrize("expression", list(autoscaler_queries()))
def test_the_autoscalers_queries_have_an_answer(query, expression):
    assert query(expression)


def test_a_query_that_asks_for_nothing_known_has_no_answer(query):
    assert not query("cooper_no_such_metric")


def test_no_alert_but_those_of_overload_is_pending_or_firing(query):
    alerts = {labels["alertname"] for labels, _ in query("ALERTS")}
    assert alerts <= {"CooperRejectionsHigh", "CooperErrorBudgetBurnFast",
                      "CooperErrorBudgetBurnSlow", "CooperQueueSaturated"}


def test_the_load_is_what_the_metrics_say(watched):
    watch, ends, _ = watched
    assert set(ends) == CODES, ends
    seen = {labels["code"] for labels, value in
            watch.query("cooper_requests_total > 0")}
    assert CODES <= seen
