"""The synchronous client."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from types import TracebackType
from typing import (TYPE_CHECKING, Any, Literal, Optional, Union,
                    overload)

import grpc

from cooper_client import models, requests, retries
from cooper_client._proto import spatial_reasoning_pb2 as pb
from cooper_client.calls import StreamState, wait_after
from cooper_client.connection import Connection, Methods, Pem
from cooper_client.conversation import Conversation
from cooper_client.events import Event
from cooper_client.frames import Frame
from cooper_client.images import ImageLike, Images, encode_all
from cooper_client.latest_frame import latest_frame
from cooper_client.maps import DepthMap, GeneratedImage, LabelMap
from cooper_client.results import MapType, Result
from cooper_client.retries import NEVER, RetryPolicy, Tries
from cooper_client.streams import EventStream
from cooper_client.turns import first_turn

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from cooper_client.options import (GenerateOptions, MapOptions,
                                       ReasonOptions)

OnEvent = Optional[Callable[[Event], object]]


class Client:
    """A COOPER server, as seen from a program.

    Thread-safe; calls run side by side over one connection, which is made by the
    first of them. Use it as a context manager, or `close` it.

    target           A gRPC target, as "localhost:8001" or "dns:///name:port".
    tls              Encrypt, trusting gRPC's own list of authorities. Implied by
                     the files below, which are paths or PEM bytes.
    tls_ca           Authorities that may sign the server's certificate.
    tls_cert, tls_key  What this client shows of itself (mutual TLS): both or
                     neither.
    tls_server_name  Name in the server's certificate, where `target` has another.
    token            Sent with every call as "authorization: Bearer TOKEN".
    auth_token_file  A file that holds it, read for every call.
    timeout          Seconds that a call may take unless it says otherwise, all
                     tries together. None: no limit.
    retry            When calls that were refused are tried again.
    channel_options  Further gRPC channel arguments, as
                     [("grpc.lb_policy_name", "round_robin")].
    """

    def __init__(self, target: str = "localhost:8001", *, tls: bool = False,
                 tls_ca: Optional[Pem] = None, tls_cert: Optional[Pem] = None,
                 tls_key: Optional[Pem] = None,
                 tls_server_name: Optional[str] = None,
                 token: Optional[str] = None,
                 auth_token_file: Optional[Union[str, os.PathLike[str]]] = None,
                 timeout: Optional[float] = None,
                 retry: RetryPolicy = RetryPolicy(),
                 channel_options: Sequence[tuple[str, Any]] = ()) -> None:
        self._connection = Connection(
            target, tls=tls, tls_ca=tls_ca, tls_cert=tls_cert, tls_key=tls_key,
            tls_server_name=tls_server_name, token=token,
            auth_token_file=auth_token_file, channel_options=channel_options)
        self._timeout = requests.timeout(timeout)
        self._retry = retries.checked(retry)
        self._channel = self._connection.open(grpc)
        self._methods = Methods(self._channel)

    def reason(self, images: Optional[Images], question: str, *,
               bgr: bool = False, timeout: Optional[float] = None,
               **options: Unpack[ReasonOptions]) -> EventStream:
        """Asks a question about images: an iterator of events, with `.result()`.

        images    One image, a list of them in the order in which the model reads
                  them, or None; see `images.encode`. The last one sets the size
                  of the maps.
        question  Text.
        bgr       Arrays have their channels as OpenCV has them.
        timeout   Seconds from now, all tries together.
        options   See `ReasonOptions`.
        """
        request = requests.reason(images, question, bgr, options)
        return self._stream(self._methods.reason, request, timeout)

    def depth(self, image: ImageLike, *, bgr: bool = False,
              timeout: Optional[float] = None, on_event: OnEvent = None,
              **options: Unpack[MapOptions]) -> DepthMap:
        """Generates the depth map of one image and waits for it.

        The map's size follows the image's shape; it is a multiple of
        `model().limits.map_stride`. `on_event` is called with every event, as
        `MapProgress`. Arguments else as of `reason`.
        """
        request = requests.depth(image, bgr, options)
        stream = self._stream(self._methods.depth, request, timeout)
        return _only_map(stream, DepthMap, on_event)

    def segment(self, image: ImageLike, *, bgr: bool = False,
                timeout: Optional[float] = None, on_event: OnEvent = None,
                **options: Unpack[MapOptions]) -> LabelMap:
        """Generates the segmentation of one image and waits for it, as
        `depth`."""
        request = requests.segment(image, bgr, options)
        stream = self._stream(self._methods.segment, request, timeout)
        return _only_map(stream, LabelMap, on_event)

    def generate(self, prompt: str, images: Optional[Images] = None, *,
                 bgr: bool = False, timeout: Optional[float] = None,
                 on_event: OnEvent = None,
                 **options: Unpack[GenerateOptions]) -> GeneratedImage:
        """Generates an image from text, or edits the last of `images`."""
        request = requests.generate(prompt, images, bgr, options)
        stream = self._stream(self._methods.generate, request, timeout)
        return _only_map(stream, GeneratedImage, on_event)

    def converse(self, images: Optional[Images] = None, *, session_id: str = "",
                 bgr: bool = False, timeout: Optional[float] = None,
                 **options: Unpack[ReasonOptions]) -> Conversation:
        """A conversation about images, in which earlier questions and answers
        are remembered; a context manager.

        images      For the first question.
        session_id  Of an earlier conversation, to go on with it.
        timeout     Seconds from the first question for the whole conversation.
        options     Of all turns, as of `reason`.
        """
        first = first_turn(encode_all(images, bgr), session_id, options)
        return Conversation(
            lambda messages, remaining: self._methods.converse(
                messages, timeout=remaining,
                metadata=self._connection.metadata()),
            first, self._retry, self._limit(timeout))

    @overload
    def latest_frame(self, frames: Iterable[Any],
                     task: Literal["depth"] = ..., *, question: str = ...,
                     bgr: bool = ..., stale_after: Optional[float] = ...,
                     timeout: Optional[float] = ...,
                     **options: Unpack[MapOptions]
                     ) -> Iterator[Frame[DepthMap]]: ...
    @overload
    def latest_frame(self, frames: Iterable[Any],
                     task: Literal["segment"], *, question: str = ...,
                     bgr: bool = ..., stale_after: Optional[float] = ...,
                     timeout: Optional[float] = ...,
                     **options: Unpack[MapOptions]
                     ) -> Iterator[Frame[LabelMap]]: ...
    @overload
    def latest_frame(self, frames: Iterable[Any],
                     task: Literal["reason"], *, question: str = ...,
                     bgr: bool = ..., stale_after: Optional[float] = ...,
                     timeout: Optional[float] = ...,
                     **options: Unpack[ReasonOptions]
                     ) -> Iterator[Frame[Result]]: ...

    def latest_frame(self, frames: Iterable[Any], task: str = "depth", *,
                     question: str = "", bgr: bool = False,
                     stale_after: Optional[float] = None,
                     timeout: Optional[float] = None,
                     **options: Unpack[ReasonOptions]) -> Iterator[Frame[Any]]:
        """Depth, segmentation or an answer for the newest frame of a stream; see
        the function `latest_frame`."""
        def start(image: Any) -> EventStream:
            method, request = requests.of_task(task, image, question, bgr,
                                               options)
            # A new try is for the frame that is then the newest.
            return self._stream(getattr(self._methods, method), request, timeout,
                                NEVER)
        if task == "reason":
            requests.text(question, "question")
        return latest_frame(frames, start, task, stale_after, self._retry)

    def model(self, *, timeout: Optional[float] = None) -> models.Model:
        """What is served: capabilities, limits, defaults, device."""
        tries = Tries(self._retry, self._limit(timeout))
        while True:
            try:
                return models.from_proto(self._methods.model(
                    pb.GetModelRequest(), timeout=tries.remaining(),
                    metadata=self._connection.metadata()))
            except grpc.RpcError as error:
                typed, wait = wait_after(tries, error)
                if wait is None:
                    raise typed from None
                time.sleep(wait)

    def close(self) -> None:
        """Ends the connection and cancels what still runs."""
        self._channel.close()

    def _limit(self, timeout: Optional[float]) -> Optional[float]:
        given = requests.timeout(timeout)
        return self._timeout if given is None else given

    def _stream(self, method: Any, request: Any, timeout: Optional[float],
                retry: Optional[RetryPolicy] = None) -> EventStream:
        return EventStream(
            lambda remaining: method(request, timeout=remaining,
                                     metadata=self._connection.metadata()),
            StreamState(retry or self._retry, self._limit(timeout)))

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: Optional[type[BaseException]],
                 error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()


def _only_map(stream: EventStream, kind: type[MapType],
              on_event: OnEvent) -> MapType:
    with stream:
        if on_event is not None:
            for event in stream:
                on_event(event)
        return stream.result().only_map(kind)
