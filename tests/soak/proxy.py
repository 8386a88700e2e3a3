"""A proxy that loses events: the soak's negative control for its checks of
what a caller gets. Every EVERYth stream of events lacks one."""

import concurrent.futures
import threading

import grpc

from harness import pb
from world import STREAMS

EVERY = 8
LOST = ("text_delta", "map", "finished", "started")


def _same(data):
    return data


class LosingProxy(grpc.GenericRpcHandler):
    """Passes all calls on to a member as they are, message by message."""

    def __init__(self, member):
        self._open = member.channel()
        self._channel = self._open.__enter__()
        self._lock = threading.Lock()
        self._streams = 0
        self._server = grpc.server(
            concurrent.futures.ThreadPoolExecutor(64), handlers=[self],
            options=[("grpc.max_receive_message_length", -1)])
        port = self._server.add_insecure_port("127.0.0.1:0")
        self.address = f"127.0.0.1:{port}"
        self.lost = 0

    def start(self):
        self._server.start()

    def stop(self):
        self._server.stop(0).wait()
        self._open.__exit__(None, None, None)

    def service(self, handler_call_details):
        method = handler_call_details.method
        return grpc.stream_stream_rpc_method_handler(
            lambda requests, context: self._pass(method, requests, context))

    def _to_lose(self, method):
        """The kind of event that this stream is to lose, or None."""
        if method.rsplit("/", 1)[1] not in STREAMS:
            return None
        with self._lock:
            self._streams += 1
            turn, place = divmod(self._streams, EVERY)
            return LOST[turn % len(LOST)] if place == 0 else None

    def _pass(self, method, requests, context):
        lose = self._to_lose(method)
        # Without a deadline it is some centuries, which gRPC does not take.
        left = context.time_remaining()
        call = self._channel.stream_stream(method, _same, _same)(
            requests, timeout=left if left and left < 1e6 else None,
            metadata=[(key, value) for key, value
                      in context.invocation_metadata()
                      if key == "authorization"])
        context.add_callback(call.cancel)
        try:
            for message in call:
                if lose and pb.Event.FromString(
                        message).WhichOneof("event") == lose:
                    lose = None
                    self.lost += 1
                    continue
                yield message
        except grpc.RpcError:
            context.set_trailing_metadata(call.trailing_metadata() or ())
            context.set_code(call.code())
            context.set_details(call.details())
