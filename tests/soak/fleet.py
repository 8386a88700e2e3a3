"""Two servers behind one name, and the files that they read again."""

import contextlib
import hashlib
import itertools
import json
import os
import pathlib
import subprocess
import threading
import time

import grpc

import harness

METHODS = ["Reason", "EstimateDepth", "Segment", "GenerateImage", "Converse",
           "GetModel", "ModelInfer", "ModelStreamInfer", "InferenceInfo"]
FLAGS = ["--max_running=8", "--max_queue=32", "--max_queue_delay=5s",
         "--stall_timeout=4s", "--receive_timeout=4s", "--session_ttl=20s",
         "--drain_timeout=8s", "--max_connection_age=40s",
         "--memory_budget_mib=256", "--max_message_mib=8",
         "--max_connections=400", "--max_connections_per_address=256"]
# How long after a start a caller may still hold a connection to the last one.
GRACE = 3


def log_name(token):
    """How the server names the client of a token in logs and policies."""
    full = "token:" + hashlib.sha256(token.encode()).hexdigest()
    return hashlib.sha256(full.encode()).hexdigest()[:16]


class Files:
    """Certificates of one authority, tokens and a policy, in a folder."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.generation = 0
        self.tokens = set()
        self.guest_may = True
        self._openssl("req", "-x509", "-newkey", "ec", "-pkeyopt",
                      "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                      "-subj", "/CN=soak", "-keyout", "ca.key", "-out", "ca.pem")
        (self.folder / "san").write_text("subjectAltName=IP:127.0.0.1\n")
        for name in ("0", "1"):
            self._openssl("req", "-newkey", "ec", "-pkeyopt",
                          "ec_paramgen_curve:P-256", "-nodes", "-subj",
                          f"/CN=server{name}", "-keyout", f"{name}.key", "-out",
                          f"{name}.csr")
            self._openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem",
                          "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                          "-extfile", "san", "-out", f"{name}.pem")
        self.ca = self.folder / "ca.pem"
        self.use_certificate("0")
        self.write_tokens()
        self.write_policy()

    def _openssl(self, *arguments):
        subprocess.run(["openssl", *arguments], cwd=self.folder, check=True,
                       capture_output=True)

    def write(self, name, text):
        """Replaces a file at once."""
        part = self.folder / f"{name}.part"
        part.write_text(text)
        os.replace(part, self.folder / name)

    def use_certificate(self, name, pause=lambda: None):
        """Between the two files, which do not belong together then, `pause`."""
        self.write("cert.pem", (self.folder / f"{name}.pem").read_text())
        pause()
        self.write("key.pem", (self.folder / f"{name}.key").read_text())

    def register(self, *names):
        """Adds clients; before the servers start."""
        self.tokens |= set(names)
        self.write_tokens()

    def token(self, name):
        return f"{name}.{self.generation}"

    def write_tokens(self, *others):
        """The tokens of this generation, and of `others`."""
        lines = [f"{name}.{generation}" for name in sorted(self.tokens)
                 for generation in {self.generation, *others}]
        self.write("tokens", "\n".join([*lines, "fixed"]) + "\n")
        (self.folder / "fixed").write_text("fixed\n")

    def write_policy(self):
        """What `guest` may call changes, whatever the others may does not."""
        names = [method for method in METHODS
                 if self.guest_may or method != "GetModel"]
        guests = {log_name(f"guest.{generation}"): names
                  for generation in (self.generation, self.generation + 1)}
        self.write("policy.json",
                   json.dumps({"clients": guests, "default": METHODS}))

    def flags(self):
        return [f"--tls_cert={self.folder}/cert.pem",
                f"--tls_key={self.folder}/key.pem",
                f"--auth_token_file={self.folder}/tokens",
                f"--policy_file={self.folder}/policy.json"]


class Member:
    """A server that others replace at the same address."""

    def __init__(self, files, flags):
        self._files, self._flags = files, flags
        self._lock = threading.Lock()
        self._down = []  # [from, until]; until is None while it is
        self.generation = 0
        self.server = self._start("127.0.0.1:0")
        self.address = self.server.address
        self.proxy = None  # address of one that callers take instead

    def _start(self, listen):
        self.generation += 1
        return harness.Server(*FLAGS, *self._files.flags(), *self._flags,
                              f"--listen={listen}",
                              process_group=0)  # Ctrl-C is for the soak

    def was_down(self, since):
        """Whether it ended or was not there at some time since then."""
        with self._lock:
            return any(until is None or until + GRACE > since
                       for _, until in self._down)

    def stop(self):
        """Ends with SIGTERM; what is wrong with that, or None."""
        with self._lock:
            self._down.append([time.monotonic(), None])
        self.server.signal()
        try:
            code = self.server.wait(30)
        except subprocess.TimeoutExpired:
            self.server.process.kill()
            self.server.wait()
            return "no end 30 s after SIGTERM"
        return f"exit code {code}: {self.last_words()}" if code else None

    def start(self):
        """Tries again where a file is wrong just now, as a supervisor does; how
        many starts failed."""
        give_up = time.monotonic() + 40
        for failed in itertools.count():
            try:
                self.server = self._start(self.address)
                break
            except AssertionError:
                if time.monotonic() > give_up:
                    raise
                time.sleep(0.5)
        with self._lock:
            self._down[-1][1] = time.monotonic()
        return failed

    def last_words(self):
        return " / ".join(self.server.errors().splitlines()[-3:])

    def kill(self):
        if self.server.process.poll() is None:
            self.server.process.kill()
            self.server.wait()

    @contextlib.contextmanager
    def channel(self, options=()):
        options = [("grpc.use_local_subchannel_pool", 1),
                   ("grpc.enable_retries", 0),
                   ("grpc.initial_reconnect_backoff_ms", 100),
                   ("grpc.max_reconnect_backoff_ms", 500), *options]
        if self.proxy:
            made = grpc.insecure_channel(self.proxy, options)
        else:
            made = grpc.secure_channel(
                self.address, grpc.ssl_channel_credentials(
                    self._files.ca.read_bytes()), options)
        with made:
            yield made

    def vitals(self):
        """Resident bytes, threads, descriptors."""
        process = pathlib.Path(f"/proc/{self.server.process.pid}")
        fields = dict(line.split(":", 1) for line in
                      (process / "status").read_text().splitlines())
        return (int(fields["VmRSS"].split()[0]) << 10, int(fields["Threads"]),
                len(list((process / "fd").iterdir())))
