"""Starts a cooper_server and a Prometheus on free ports of this machine."""

import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

import yaml

READY_SECONDS = 120


def stop(process):
    """Ends a process that this module started; its exit code."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


class CooperServer:
    """A cooper_server that is ready: address, metrics_address."""

    def __init__(self, program, *arguments, listen="127.0.0.1:0"):
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [program, "--metrics_listen=127.0.0.1:0", *map(str, arguments),
             f"--listen={listen}"], stdout=subprocess.PIPE, stderr=self.log)
        try:
            line = self._ready_line()
        except BaseException:
            stop(self.process)
            raise
        self.address, self.metrics_address = re.search(
            r"grpc=(\S+) metrics=(\S+)", line).groups()

    def _ready_line(self):
        give_up, said = time.monotonic() + READY_SECONDS, b""
        while not said.endswith(b"\n"):
            left = max(0, give_up - time.monotonic())
            if not select.select([self.process.stdout], [], [], left)[0]:
                raise TimeoutError(f"not ready within {READY_SECONDS} s")
            chunk = os.read(self.process.stdout.fileno(), 4096)
            if not chunk:
                raise RuntimeError(f"cooper_server ended: {self.errors()}")
            said += chunk
        return said.decode()

    def errors(self):
        """All of stderr so far."""
        self.log.seek(0)
        return self.log.read().decode()

    def stop(self):
        return stop(self.process)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return taken.getsockname()[1]


class Prometheus:
    """A Prometheus with the project's rules, looking every second.

    `targets` maps a job to targets; a target is an address, or an address and
    labels of its own.
    """

    def __init__(self, folder, rules, targets, program="prometheus"):
        if shutil.which(program) is None:
            raise FileNotFoundError("no prometheus here; run scripts/setup")
        self._folder = folder
        # Like the file, but as often as the scrapes: there is little time.
        groups = yaml.safe_load(rules.read_text())
        for group in groups["groups"]:
            group["interval"] = "1s"
        (folder / "rules.yml").write_text(yaml.safe_dump(groups))
        (folder / "prometheus.yml").write_text(yaml.safe_dump({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s",
                       "evaluation_interval": "1s"},
            "rule_files": ["rules.yml"],
            "scrape_configs": [self._job(*item) for item in targets.items()]}))
        self.url = f"http://127.0.0.1:{free_port()}"
        with open(folder / "prometheus.log", "wb") as log:
            self._process = subprocess.Popen(
                [program, f"--config.file={folder}/prometheus.yml",
                 f"--storage.tsdb.path={folder}/data",
                 f"--web.listen-address={self.url[len('http://'):]}"],
                stdout=log, stderr=log)
        self._await_ready()

    @staticmethod
    def _job(name, targets):
        configs = []
        for target in targets:
            address, labels = (target, {}) if isinstance(target, str) else target
            configs.append({"targets": [address], "labels": labels})
        return {"job_name": name, "honor_labels": True, "static_configs": configs}

    def _await_ready(self):
        give_up = time.monotonic() + READY_SECONDS
        while time.monotonic() < give_up and self._process.poll() is None:
            with contextlib.suppress(OSError):
                with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5):
                    return
            time.sleep(0.1)
        self.stop()
        raise RuntimeError(f"prometheus did not start: see {self._folder}")

    def stop(self):
        return stop(self._process)

    def _get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        with urllib.request.urlopen(f"{self.url}/api/v1/{path}?{query}",
                                    timeout=30) as answer:
            return json.load(answer)["data"]

    def query(self, expression, at=None):
        """Series at a time (Unix s; None: now): (labels, value), NaN left
        out."""
        data = self._get("query", query=expression,
                         **({} if at is None else {"time": at}))
        if data["resultType"] == "scalar":
            return [({}, float(data["result"][1]))]
        found = [(item["metric"], float(item["value"][1]))
                 for item in data["result"]]
        return [(labels, value) for labels, value in found if value == value]

    def query_range(self, expression, start, end, step):
        """Series over time: (labels, [(time, value)]), NaN left out."""
        data = self._get("query_range", query=expression, start=start, end=end,
                         step=step)
        return [(item["metric"],
                 [(when, float(value)) for when, value in item["values"]
                  if value not in ("NaN", "+Inf", "-Inf")])
                for item in data["result"]]
