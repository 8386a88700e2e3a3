"""A gRPC service whose events and errors a test writes down, for what a good
server does not do on demand."""

import concurrent.futures
import threading

import grpc

from cooper_client._proto import error_details_pb2, status_pb2
from cooper_client._proto import spatial_reasoning_pb2 as pb

METHODS = {"Reason": pb.ReasonRequest, "EstimateDepth": pb.EstimateDepthRequest,
           "Segment": pb.SegmentRequest, "GenerateImage": pb.GenerateImageRequest}


class Refusal(Exception):
    """An error status with google.rpc details."""

    def __init__(self, code, reason, delay=None, pushback=None):
        super().__init__(reason)
        self.code, self.reason = code, reason
        self.delay, self.pushback = delay, pushback

    def end(self, context):
        status = status_pb2.Status(code=self.code.value[0], message="refused")
        info = error_details_pb2.ErrorInfo(reason=self.reason,
                                           domain="cooper.v1")
        status.details.add(type_url="type.googleapis.com/google.rpc.ErrorInfo",
                           value=info.SerializeToString())
        if self.delay is not None:
            retry = error_details_pb2.RetryInfo()
            retry.retry_delay.FromMilliseconds(int(self.delay * 1000))
            status.details.add(
                type_url="type.googleapis.com/google.rpc.RetryInfo",
                value=retry.SerializeToString())
        trailers = [("grpc-status-details-bin", status.SerializeToString())]
        if self.pushback is not None:
            trailers.append(("grpc-retry-pushback-ms", str(self.pushback)))
        context.set_trailing_metadata(trailers)
        context.abort(self.code, "refused")


class Service:
    """`script`: for each call in turn a list of events, a Refusal among them
    ending the call, and a function being called. The last is used again."""

    def __init__(self):
        self.script = [[]]
        self.requests = []
        self.metadata = []
        self.deadlines = []
        self.cancelled = threading.Event()
        self._server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
        handlers = {
            name: grpc.unary_stream_rpc_method_handler(
                self._answer, request_deserializer=kind.FromString,
                response_serializer=pb.Event.SerializeToString)
            for name, kind in METHODS.items()}
        handlers["Converse"] = grpc.stream_stream_rpc_method_handler(
            lambda messages, context: self._answer(next(messages), context),
            request_deserializer=pb.ConverseRequest.FromString,
            response_serializer=pb.Event.SerializeToString)
        handlers["GetModel"] = grpc.unary_unary_rpc_method_handler(
            lambda request, context: list(self._answer(request, context))[-1],
            request_deserializer=pb.GetModelRequest.FromString,
            response_serializer=pb.GetModelResponse.SerializeToString)
        self._server.add_generic_rpc_handlers((
            grpc.method_handlers_generic_handler(
                "cooper.v1.SpatialReasoningService", handlers),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"

    def _answer(self, request, context):
        context.add_callback(self.cancelled.set)
        index = min(len(self.requests), len(self.script) - 1)
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
        self.deadlines.append(context.time_remaining())
        for step in self.script[index]:
            if isinstance(step, Refusal):
                step.end(context)
            elif callable(step):
                step()
            else:
                yield step

    def __enter__(self):
        self._server.start()
        return self

    def __exit__(self, *_):
        self._server.stop(None)


STARTED = pb.Event(started=pb.Started(request_id="r", model="m", seed=7))
FINISHED = pb.Event(finished=pb.Finished(reason=1, answer="<answer>yes</answer>",
                                         answer_text="yes"))


def part(data, offset, total, **fields):
    """A part of a depth map of 2 x 1 px."""
    facts = {"kind": 1, "role": 1, "encoding": 3, "width": 2, "height": 1}
    return pb.Event(map=pb.MapResult(data=data, offset_bytes=offset,
                                     total_bytes=total, **{**facts, **fields}))
