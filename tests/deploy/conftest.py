"""Shared by the checks of deploy/: paths, tools, and the metrics they name."""

import functools
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

import promql_parser
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
KUBERNETES = DEPLOY / "kubernetes"
RULES = DEPLOY / "prometheus/rules/cooper.rules.yml"
DASHBOARD = DEPLOY / "grafana/cooper.json"


def tool(name):
    """Path of a program of the test environment or of the machine; the test is
    skipped where neither has it."""
    beside = pathlib.Path(sys.executable).with_name(name)
    path = str(beside) if beside.exists() else shutil.which(name)
    if not path:
        pytest.skip(f"no {name} here (scripts/setup)", allow_module_level=True)
    return path


def run(*command):
    """Runs a tool from the root; its output when it succeeds."""
    done = subprocess.run([tool(command[0]), *map(str, command[1:])], cwd=ROOT,
                          text=True, capture_output=True, check=False)
    assert done.returncode == 0, f"{command}:\n{done.stdout}{done.stderr}"
    return done.stdout


@functools.cache
def render(name):
    """What kubectl would apply: of a folder of deploy/kubernetes, or, as in
    `base+hpa`, of a folder with one of the components added."""
    folder, _, component = name.partition("+")
    if not component:
        return run("kubectl", "kustomize", KUBERNETES / folder)
    with tempfile.TemporaryDirectory() as scratch:
        def relative(path):
            return os.path.relpath(KUBERNETES / path, os.path.realpath(scratch))
        pathlib.Path(scratch, "kustomization.yaml").write_text(yaml.safe_dump({
            "resources": [relative(folder)],
            "components": [relative(f"components/{component}")]}))
        return run("kubectl", "kustomize", scratch)


@functools.cache
def _parsed(name):
    return list(yaml.load_all(render(name), yaml.CSafeLoader))


def objects(name, kind=None):
    """The rendered objects, or those of one kind."""
    return [item for item in _parsed(name) if kind in (None, item["kind"])]


def rules(kind):
    """Rules of the rule file of one kind: `alert` or `record`."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"] if kind in rule]


def panels():
    """Panels of the dashboard that show data."""
    board = json.loads(DASHBOARD.read_text())
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def panel_expressions():
    """Queries of the dashboard, with Grafana's variables filled in."""
    return [target["expr"].replace("$__rate_interval", "1m")
            .replace("$job", ".+").replace("$instance", ".+")
            for panel in panels() for target in panel["targets"]]


def metrics(expression):
    """Names of the metrics that a PromQL expression reads."""
    names = set()

    def visit(node):
        if isinstance(node, promql_parser.VectorSelector):
            names.add(node.name)
        elif isinstance(node, promql_parser.MatrixSelector):
            visit(node.vector_selector)
        else:
            for attribute in ("expr", "lhs", "rhs"):
                child = getattr(node, attribute, None)
                if child is not None:
                    visit(child)
            for argument in getattr(node, "args", []):
                visit(argument)

    visit(promql_parser.parse(expression))
    return names


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """Folder with cert.pem and key.pem: 127.0.0.1, signed by itself, good for
    longer than the alert of its expiry looks ahead."""
    folder = tmp_path_factory.mktemp("certificate")
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days",
        "30", "-subj", "/CN=cooper", "-addext", "subjectAltName=IP:127.0.0.1",
        "-keyout", folder / "key.pem", "-out", folder / "cert.pem")
    return folder


@pytest.fixture(scope="session")
def bin_folder():
    """Folder of the built programs."""
    return pathlib.Path(os.environ.get("COOPER_BIN", ROOT / "build/release/bin"))
