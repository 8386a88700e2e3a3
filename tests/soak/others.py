"""The KServe protocol, the calls that need no engine, and wrong input."""

import hashlib
import pathlib
import struct
import sys
import tempfile

import grpc
import grpc_tools
from grpc_tools import protoc

from harness import (ROOT, SCENE, details, health_pb2, health_pb2_grpc, pb, png,
                     question, read)
from judge import end_of, what_is_wrong
from world import Actor, now

CODE = grpc.StatusCode


def _make_stubs():
    folder = tempfile.mkdtemp(prefix="cooper-soak-stubs-")
    well_known = pathlib.Path(grpc_tools.__file__).parent / "_proto"
    code = protoc.main(
        ["protoc", f"-I{ROOT}/proto", f"-I{well_known}",
         f"--python_out={folder}", f"--grpc_python_out={folder}",
         "inference/grpc_service.proto", "inference/model_config.proto"])
    assert code == 0
    sys.path.insert(0, folder)


_make_stubs()
# pylint: disable=wrong-import-position
from inference import grpc_service_pb2 as ks  # noqa: E402
from inference import grpc_service_pb2_grpc as ks_grpc  # noqa: E402


def infer_request(model, image, text="", **parameters):
    request = ks.ModelInferRequest(model_name=model)
    for name, value in (("IMAGE", image), ("QUESTION", text.encode())):
        if value:
            request.inputs.add(name=name, datatype="BYTES", shape=[1])
            request.raw_input_contents.append(
                struct.pack("<I", len(value)) + value)
    for name, value in parameters.items():
        request.parameters[name].int64_param = value
    return request


def digest(responses):
    """Of the outputs of all responses: texts joined, since they may be cut
    anywhere."""
    joined = {}
    for response in responses:
        for output, raw in zip(response.outputs, response.raw_output_contents):
            if output.name == "TEXT":
                raw = b"".join(_elements(raw))
            if raw and output.name != "CHANNEL":
                joined[output.name] = joined.get(output.name, b"") + raw
    return hashlib.sha256(repr(sorted(joined.items())).encode()).hexdigest()


def _elements(raw):
    while raw:
        size = struct.unpack("<I", raw[:4])[0]
        yield raw[4:4 + size]
        raw = raw[4 + size:]


class Inferrer(Actor):
    """ModelInfer and ModelStreamInfer; results are those of a run alone."""

    def __init__(self, world, name):
        super().__init__(world, name)
        self._requests, self._expected = [], []

    def know(self, member):
        """Asks what the results are, alone."""
        image, model = SCENE.read_bytes(), self.world.model
        self._requests = [
            infer_request(f"{model}_depth", image, num_timesteps=4, seed=2),
            infer_request(f"{model}_segmentation", image, num_timesteps=5,
                          seed=3),
            infer_request(model, image, "Which one is nearer?", seed=4,
                          num_timesteps=3, max_think_tokens=400)]
        with member.channel() as channel:
            stub = ks_grpc.GRPCInferenceServiceStub(channel)
            for request in self._requests:
                self._expected.append(digest([stub.ModelInfer(
                    request, timeout=60, metadata=self.metadata())]))

    def step(self, draw):
        member, began = self.member(draw), now()
        stub = ks_grpc.GRPCInferenceServiceStub(self.channel(member))
        chosen = draw.choices(range(3), k=draw.randint(1, 4))
        cancel = draw.randint(1, 9) if draw.random() < 0.2 else None
        if draw.random() < 0.5:
            self.unary(stub, member, chosen[0], began)
        else:
            self.stream(stub, member, chosen, began, cancel)

    def unary(self, stub, member, number, began):
        response, call = None, stub.ModelInfer.future(
            self._requests[number], timeout=3 * self.world.bound,
            metadata=self.metadata())
        try:
            response = call.result()
        except grpc.RpcError:
            pass
        self.end("ModelInfer", call, began, self.local_codes(member, began))
        if response and digest([response]) != self._expected[number]:
            self.ledger.fail("result", f"ModelInfer {number}: not as alone")

    def stream(self, stub, member, chosen, began, cancel_after):
        requests = []
        for place, number in enumerate(chosen):
            request = ks.ModelInferRequest()
            request.CopyFrom(self._requests[number])
            request.id = str(place)
            requests.append(request)
        call = stub.ModelStreamInfer(
            iter(requests), timeout=3 * self.world.bound,
            metadata=self.metadata())
        came, finals, refused, cancelled = {}, set(), 0, False
        try:
            for count, response in enumerate(call, 1):
                if response.error_message:
                    refused += 1
                    self.error_message(response.error_message)
                else:
                    one = response.infer_response
                    came.setdefault(one.id, []).append(one)
                    if one.parameters["triton_final_response"].bool_param:
                        finals.add(one.id)
                if count == cancel_after:
                    cancelled = True
                    call.cancel()
        except grpc.RpcError:
            pass
        allowed = self.local_codes(member, began)
        if cancelled:
            allowed.add(CODE.CANCELLED)
        if self.end("ModelStreamInfer", call, began, allowed) != "OK":
            return
        if len(finals) + refused != len(requests):
            self.ledger.fail("events", f"ModelStreamInfer: {len(finals)} final "
                             f"responses and {refused} errors of {len(requests)}")
        for place in finals:
            number = chosen[int(place)]
            # Alone, the request was unary: texts stand in one response there.
            if digest(came[place]) != self._expected[number]:
                self.ledger.fail("result", f"ModelStreamInfer {number}")

    def error_message(self, text):
        code = text.split(":")[0]
        self.ledger.ended("ModelStreamInfer, one request", code)
        if code not in ("RESOURCE_EXHAUSTED", "UNAVAILABLE",
                        "DEADLINE_EXCEEDED"):
            self.ledger.fail("error", f"ModelStreamInfer: {text}")

    def end(self, kind, call, began, allowed):
        end = end_of(call)
        self.ledger.ended(kind, end, now() - began if end == "OK" else None)
        error = None if end == "OK" else what_is_wrong(call, allowed)
        if error:
            self.ledger.fail("error", f"{kind}: {error}")
        if now() - began > 2 * self.world.bound:
            self.ledger.fail("stall", f"{kind}: {now() - began:.1f} s")
        return end


class Asker(Actor):
    """GetModel, the health service, and wrong input, which has an error of its
    own each."""

    pause = 0.3

    def step(self, draw):
        member, began = self.member(draw), now()
        stub, mine = self.stub(member), self.metadata()
        image = SCENE.read_bytes()
        bad = draw.choice([
            b"", b"no image", image[:draw.randint(1, len(image) // 2)],
            bytes(draw.getrandbits(8) for _ in range(100)), png(9000, 9000),
            b"https://example.org/a.png"])
        raw, unknown = (
            self.channel(member).unary_stream(method, None, None) for method in
            ("/cooper.v1.SpatialReasoningService/Reason", "/no.such/Method"))
        turns = draw.choice([-1, 0, 17, 1 << 30])
        noise = bytes([0xff]) * draw.randint(1, 2000)
        wrong_token = [("authorization", "Bearer wrong")]
        name, method, request, metadata, reasons = draw.choice([
            ("a bad image", stub.EstimateDepth,
             pb.EstimateDepthRequest(image=bad), mine,
             {"INVALID_IMAGE", "INVALID_ARGUMENT"}),
            ("no input", stub.Reason, pb.ReasonRequest(), mine,
             {"INVALID_ARGUMENT"}),
            ("a bad option", stub.Reason, question(max_turns=turns), mine,
             {"INVALID_ARGUMENT"}),
            ("no protobuf", raw, noise, mine, {"INVALID_ARGUMENT"}),
            ("a text without UTF-8", raw, b"\x0a\x02\xc3\x28", mine,
             {"INVALID_ARGUMENT"}),
            ("another model", stub.Reason, question(model="none"), mine,
             {"MODEL_NOT_FOUND"}),
            ("too large a message", stub.Reason,
             question(image=bytes(9 << 20)), mine, {"MESSAGE_TOO_LARGE"}),
            ("no token", stub.Reason, question(), None, {"UNAUTHENTICATED"}),
            ("a wrong token", stub.Reason, question(), wrong_token,
             {"UNAUTHENTICATED"}),
            ("an unknown method", unknown, b"", mine, {"UNIMPLEMENTED"})])
        call = method(request, metadata=metadata, timeout=60)
        code = read(call)[1]
        self.ledger.ended(f"invalid: {name}", end_of(call))
        allowed = self.local_codes(member, began)
        reason = details(call).reason
        # Load and a restart are told before what the request holds.
        if reason not in reasons | {"QUEUE_FULL", "MEMORY_PRESSURE", "DRAINING",
                                    "CLIENT_LIMIT", "LOADING"}:
            if reason or code not in allowed:
                self.ledger.fail("error", f"{name}: {code} {reason} "
                                 f"{call.details()!r}")
        self.ask(member, stub, mine, began)

    def ask(self, member, stub, mine, began):
        health = health_pb2_grpc.HealthStub(self.channel(member))
        for kind, method, request in (
                ("GetModel", stub.GetModel, pb.GetModelRequest()),
                ("health", health.Check, health_pb2.HealthCheckRequest())):
            call = method.future(request, timeout=60, metadata=mine)
            call.exception()
            self.ledger.ended(kind, end_of(call))
            if end_of(call) == "OK":
                if kind == "health" and (call.result().status != 1 and
                                         not member.was_down(began)):
                    self.ledger.fail("health", f"{call.result().status}")
                continue
            error = what_is_wrong(call, self.local_codes(member, began))
            if error:
                self.ledger.fail("error", f"{kind}: {error}")
