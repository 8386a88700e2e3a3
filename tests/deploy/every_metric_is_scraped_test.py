"""What dashboard and alerts read, the real server really exports."""

import json
import os
import re
import select
import signal
import ssl
import subprocess
import sys
import time
import urllib.request

import pytest
import yaml

from conftest import (DEPLOY, ROOT, metrics, panel_expressions, render, rules,
                      run, tool)

sys.path.insert(0, str(DEPLOY / "observe"))
# pylint: disable=wrong-import-position
import load  # noqa: E402

START_SECONDS = 60
LOAD_SECONDS = 3
SUFFIXES = ("_bucket", "_sum", "_count")


def ready_line(process):
    """The line with which the server says where it listens."""
    deadline = time.monotonic() + START_SECONDS
    output = b""
    while b"cooper_server ready " not in output or not output.endswith(b"\n"):
        left = deadline - time.monotonic()
        readable, _, _ = select.select([process.stdout], [], [], max(left, 0))
        assert readable, f"no ready line within {START_SECONDS} s: {output!r}"
        chunk = os.read(process.stdout.fileno(), 65536)
        assert chunk, f"the server ended before it was ready: {output!r}"
        output += chunk
    (text,) = (line["text"] for line in map(json.loads, output.splitlines())
               if "text" in line)
    return text


def manifest_flags():
    """Flags that the demo's pods give the server."""
    (pod,) = [item["spec"]["template"]["spec"]
              for item in yaml.safe_load_all(render("overlays/cpu-demo"))
              if item["kind"] == "Deployment"]
    return pod["containers"][0]["args"]


def read(address):
    with urllib.request.urlopen(f"http://{address}/metrics",
                                timeout=10) as answer:
        return answer.read().decode()


@pytest.fixture(scope="module")
def scrapes(bin_folder, certificate):
    """Texts of /metrics of a server that has just become ready, and once it has
    been called. It is started as in the cluster, but with TLS, the scripted
    model and on free ports."""
    process = subprocess.Popen(
        [bin_folder / "cooper_fake_server", *manifest_flags(),
         f"--script={ROOT / 'tests/data/fake/integration.json'}",
         f"--tls_cert={certificate}/cert.pem",
         f"--tls_key={certificate}/key.pem",
         "--listen=127.0.0.1:0", "--metrics_listen=127.0.0.1:0"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    try:
        target, address = re.search(r"grpc=(\S+) metrics=(\S+)",
                                    ready_line(process)).groups()
        idle = read(address)
        # Calls of each kind: questions, maps, cancels, deadlines that pass,
        # broken images.
        load.run(bin_folder / "cooper", target, LOAD_SECONDS, [(0, 1, 10)],
                 [f"--tls_ca={certificate}/cert.pem"])
        yield idle, read(address)
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0


@pytest.fixture(scope="module")
def idle(scrapes):
    return scrapes[0]


@pytest.fixture(scope="module")
def scrape(scrapes):
    return scrapes[1]


def exported(scrape_text):
    """Names of the time series in a scrape, and of those of others: what
    Prometheus makes itself, and what NVIDIA's DCGM exporter writes."""
    gpu = (ROOT / "tests/deploy/dcgm.prom").read_text()
    return {"up", "ALERTS", *re.findall(r"^([a-zA-Z_]\w*)[ {]",
                                        scrape_text + gpu, re.M)}


def test_a_scrape_of_an_idle_server_is_small(idle):
    assert len(idle.encode()) < 64 << 10


def test_a_series_with_labels_that_no_alert_counts_appears_with_its_first_event(
        idle, scrape):
    for series in ('cooper_requests_total{code="OK",method="Reason"}',
                   'cooper_engine_steps_total{phase="denoise"}'):
        assert series not in idle
        assert series in scrape


def test_the_dashboard_reads_nothing_that_is_not_exported(scrape):
    names = set().union(*map(metrics, panel_expressions()))
    assert len(names) > 30
    assert names - exported(scrape) == set()


def test_the_rules_read_nothing_that_is_not_exported(scrape):
    recorded = {rule["record"] for rule in rules("record")}
    names = set().union(*(metrics(rule["expr"])
                          for rule in rules("alert") + rules("record")))
    assert names - recorded - exported(scrape) == set()


def test_labels_that_rules_select_exist(scrape):
    for rule in rules("alert") + rules("record"):
        for metric, label, values in re.findall(
                r'(cooper_\w+)\{(\w+)=~"([^"]+)"\}', rule["expr"]):
            for value in values.split("|"):
                assert re.search(rf'^{metric}{{.*{label}="{value}"', scrape,
                                 re.M), (metric, label, value)


def test_every_exported_series_is_on_the_dashboard_or_in_the_manual(scrape):
    shown = set().union(*map(metrics, panel_expressions()))
    families = {name[:-len(suffix)] if name.endswith(suffix) else name
                for name in exported(scrape) if name.startswith("cooper_")
                for suffix in [next(filter(name.endswith, SUFFIXES), "-")]}
    manual = (ROOT / "docs/metrics.md").read_text()
    for family in families:
        on_board = {family, *(family + suffix for suffix in SUFFIXES)} & shown
        assert on_board or family in manual, family


def test_the_expiry_is_that_of_the_certificate(scrape, certificate):
    (line,) = re.findall(r"^cooper_tls_cert_expiry_timestamp_seconds (\S+)$",
                         scrape, re.M)
    said = run("openssl", "x509", "-noout", "-enddate", "-in",
               certificate / "cert.pem").strip()
    assert float(line) == ssl.cert_time_to_seconds(said.partition("=")[2])


def test_every_line_of_the_log_is_counted(idle):
    """Until it is ready the server has said where it listens and what it has
    loaded."""
    counts = dict(re.findall(r'^cooper_log_messages_total\{level="(\w+)"\} (\d+)$',
                             idle, re.M))
    assert counts == {"info": "2", "warning": "0", "error": "0"}


def test_promtool_finds_no_fault_in_the_exported_metrics(scrape, tmp_path):
    page = tmp_path / "metrics"
    page.write_text(scrape)
    with page.open() as text:
        done = subprocess.run([tool("promtool"), "check", "metrics"], stdin=text,
                              text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
