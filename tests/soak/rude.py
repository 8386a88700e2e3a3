"""Clients that misbehave: readers that stop, processes that are killed, bytes
that are no HTTP/2, floods of connections and of requests."""

import contextlib
import json
import signal
import socket
import ssl
import subprocess
import time

import grpc

import http2
from harness import BIN, SCENE, SMALL_WINDOW, pb
from judge import Answer, end_of, what_is_wrong
from world import Actor, now

CODE = grpc.StatusCode


class StoppingReader(Actor):
    """Takes a few KiB of an answer and then nothing for longer than
    --stall_timeout: it is ended, or had all of a small answer."""

    pause = 2

    def step(self, draw):
        member, began = self.member(draw), now()
        request = pb.EstimateDepthRequest(
            image=SCENE.read_bytes(), seed=1,
            flow=pb.FlowOptions(num_timesteps=draw.randint(10, 60)),
            output=pb.OutputOptions(
                preview_every=1, depth_encoding=pb.MAP_ENCODING_RAW_FLOAT32))
        call = self.stub(member, SMALL_WINDOW).EstimateDepth(
            request, timeout=120, metadata=self.metadata())
        answer = Answer()
        with contextlib.suppress(Exception):
            for event in call:
                answer.take(event)
                if sum(answer.kinds.values()) == 3:
                    self.world.gate.sleep(draw.uniform(6, 9))
        self.ledger.ended("EstimateDepth, reader stops", end_of(call))
        if end_of(call) != "OK":
            # What it has not taken is in the way of the status: the stream is
            # reset, which is CANCELLED, or, where the connection has reached
            # its age, closed with it.
            allowed = self.local_codes(member, began, CODE.CANCELLED,
                                       CODE.UNAVAILABLE)
            error = what_is_wrong(call, allowed)
            if error:
                self.ledger.fail("error", f"a reader that stops: {error}")


class KilledClient(Actor):
    """Processes that are killed with SIGKILL, or stopped and then killed, in
    the midst of a call."""

    pause = 1

    def step(self, draw):
        member = self.member(draw)
        command = draw.choice([
            ["ask", SCENE, "Which one is nearer?"], ["depth", SCENE],
            ["segment", SCENE], ["generate", "A ball."]])
        after, stopped = draw.expovariate(4), draw.random() < 0.3
        with subprocess.Popen(
                [BIN / "cooper", *command, f"--server={member.address}",
                 "--num_timesteps=60", "--preview_every=1",
                 f"--tls_ca={self.world.files.ca}",
                 f"--auth_token_file={self.world.files.folder}/fixed"],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            self.world.gate.sleep(0.03 + after)
            if stopped:
                process.send_signal(signal.SIGSTOP)
                self.world.gate.sleep(draw.uniform(1, 6))
            alive = process.poll() is None
            process.kill()
        self.ledger.happened("clients killed in a call" if alive
                             else "clients that ended before they were killed")


class Flood(Actor):
    """More requests in a few seconds than the queue takes, of which a part is
    cancelled, by one client on many connections."""

    pause = 40

    def step(self, draw):
        seconds = draw.randint(1, 3)
        member = self.member(draw)
        done = subprocess.run(
            [BIN / "cooper", "bench", f"--server={member.address}",
             f"--tls_ca={self.world.files.ca}", "--json", "--clients=8",
             f"--auth_token_file={self.world.files.folder}/fixed",
             f"--duration={seconds}s", "--rate=120", "--mix=ask=2,depth=1",
             f"--image={SCENE}", "--cancel_share=0.3", "--deadline=8s",
             "--num_timesteps=10", f"--seed={draw.randint(1, 999)}"],
            capture_output=True, text=True, timeout=90, check=False)
        self.ledger.happened("floods of requests")
        with contextlib.suppress(ValueError, KeyError):
            told = json.loads(done.stdout)["all"]
            self.ledger.happened("requests of floods", told["requests"])
            for error in told["errors"]:
                if error.get("code") in ("INTERNAL", "UNKNOWN"):
                    self.ledger.fail("error", f"flood: {error}")


class Storm(Actor):
    """Connections: many at once that say nothing, some that end in the midst of
    a handshake, and one that leaves."""

    pause = 15

    def step(self, draw):
        member, count = self.member(draw), draw.randint(20, 120)
        host, port = member.address.rsplit(":", 1)
        with contextlib.ExitStack() as opened:
            for number in range(count):
                with contextlib.suppress(OSError):
                    one = socket.create_connection(
                        (host, int(port)), 2, (f"127.0.0.{2 + number % 5}", 0))
                    opened.callback(one.close)
                    if number % 3 == 0:
                        one.sendall(b"\x16\x03\x01" + bytes([number % 256]) * 9)
            self.ledger.happened("connections of storms", count)
            self.world.gate.sleep(draw.random())


class Garbage(Actor):
    """Bytes that are no TLS, no HTTP/2, no gRPC; calls that are reset at once,
    messages that never end, headers that no client sends."""

    pause = 1

    def step(self, draw):
        member = self.member(draw)
        noise = draw.randbytes(draw.randint(1, 3000))
        act = draw.choice([self.plain, self.after_preface, self.resets,
                           self.unfinished, self.odd_headers, self.metrics])
        with contextlib.suppress(OSError):
            act(draw, member, noise)
            self.ledger.happened(f"hostile: {act.__name__.replace('_', ' ')}")

    def connection(self, member):
        context = ssl.create_default_context(cafile=str(self.world.files.ca))
        context.set_alpn_protocols(["h2"])
        return http2.Connection(
            member.address, wrap=lambda raw: context.wrap_socket(
                raw, server_hostname="127.0.0.1"))

    def fields(self):
        return [(key, value) for key, value in self.metadata()]

    def plain(self, _, member, noise):
        self.send(member.address, noise)

    def metrics(self, draw, member, noise):
        line = draw.choice([b"GET /metrics HTTP/1.1\r\n", b"POST / HTTP/1.0\r\n",
                            b"GET /" + b"a" * 9000])
        self.send(member.server.metrics_address, line + noise)

    def send(self, address, data):
        host, port = address.rsplit(":", 1)
        with socket.create_connection((host, int(port)), 5) as one:
            one.sendall(data)
            one.settimeout(0.2)
            one.recv(4096)

    def after_preface(self, _, member, noise):
        with contextlib.closing(self.connection(member)) as one:
            one.socket.sendall(noise)
            one.read(0.2)

    def resets(self, draw, member, _):
        with contextlib.closing(self.connection(member)) as one:
            for _ in range(draw.randint(1, 200)):
                one.reset(one.open(headers=self.fields()))
            one.read(0.1)

    def unfinished(self, draw, member, noise):
        with contextlib.closing(self.connection(member)) as one:
            for _ in range(draw.randint(1, 5)):
                stream = one.open(headers=self.fields())
                one.send(stream, http2.message(noise, 1 << 20), seconds=1)
            give_up = time.monotonic() + draw.uniform(0, 6)
            while (time.monotonic() < give_up and not one.closed and
                   self.world.gate.is_open()):
                one.read(0.2)

    def odd_headers(self, draw, member, noise):
        headers = draw.choice([
            [("grpc-timeout", "soon")], [("x-bin", "!")], [("te", "nothing")],
            [("x", "a" * 20000)], [("grpc-encoding", "none")],
            [(f"k{i}", "v") for i in range(500)]])
        with contextlib.closing(self.connection(member)) as one:
            stream = one.open(headers=self.fields() + headers)
            one.send(stream, http2.message(noise), end=True, seconds=1)
            one.read(0.3)
