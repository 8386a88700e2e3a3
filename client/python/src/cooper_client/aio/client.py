"""The asyncio client."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from types import TracebackType
from typing import (TYPE_CHECKING, Any, Literal, Optional, Union,
                    overload)

import grpc
import grpc.aio

from cooper_client import models, requests, retries
from cooper_client._proto import spatial_reasoning_pb2 as pb
from cooper_client.aio.conversation import Conversation
from cooper_client.aio.latest_frame import latest_frame
from cooper_client.aio.streams import EventStream
from cooper_client.calls import StreamState, wait_after
from cooper_client.client import OnEvent
from cooper_client.connection import Connection, Methods, Pem
from cooper_client.frames import Frame
from cooper_client.images import ImageLike, Images, encode_all
from cooper_client.maps import DepthMap, GeneratedImage, LabelMap
from cooper_client.results import MapType, Result
from cooper_client.retries import NEVER, RetryPolicy, Tries
from cooper_client.turns import first_turn

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from cooper_client.options import (GenerateOptions, MapOptions,
                                       ReasonOptions)


class Client:
    """A COOPER server, as seen from one event loop. Arguments as of
    `cooper_client.Client`; use it with `async with`, or `await close()`."""

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
        # By the first call, since a channel belongs to the loop it is made in.
        self._channel: Any = None
        self._opened: Any = None

    @property
    def _methods(self) -> Methods:
        if self._opened is None:
            self._channel = self._connection.open(grpc.aio)
            self._opened = Methods(self._channel)
        opened: Methods = self._opened
        return opened

    def reason(self, images: Optional[Images], question: str, *,
               bgr: bool = False, timeout: Optional[float] = None,
               **options: Unpack[ReasonOptions]) -> EventStream:
        """Asks a question about images: an asynchronous iterator of events, with
        `await stream.result()`. Not awaited itself."""
        request = requests.reason(images, question, bgr, options)
        return self._stream("reason", request, timeout)

    async def depth(self, image: ImageLike, *, bgr: bool = False,
                    timeout: Optional[float] = None, on_event: OnEvent = None,
                    **options: Unpack[MapOptions]) -> DepthMap:
        """Generates the depth map of one image."""
        request = await asyncio.to_thread(requests.depth, image, bgr, options)
        stream = self._stream("depth", request, timeout)
        return await _only_map(stream, DepthMap, on_event)

    async def segment(self, image: ImageLike, *, bgr: bool = False,
                      timeout: Optional[float] = None, on_event: OnEvent = None,
                      **options: Unpack[MapOptions]) -> LabelMap:
        """Generates the segmentation of one image."""
        request = await asyncio.to_thread(requests.segment, image, bgr,
                                          options)
        stream = self._stream("segment", request, timeout)
        return await _only_map(stream, LabelMap, on_event)

    async def generate(self, prompt: str, images: Optional[Images] = None, *,
                       bgr: bool = False, timeout: Optional[float] = None,
                       on_event: OnEvent = None,
                       **options: Unpack[GenerateOptions]) -> GeneratedImage:
        """Generates an image from text, or edits the last of `images`."""
        request = await asyncio.to_thread(requests.generate, prompt, images, bgr,
                                          options)
        stream = self._stream("generate", request, timeout)
        return await _only_map(stream, GeneratedImage, on_event)

    def converse(self, images: Optional[Images] = None, *, session_id: str = "",
                 bgr: bool = False, timeout: Optional[float] = None,
                 **options: Unpack[ReasonOptions]) -> Conversation:
        """A conversation about images; an asynchronous context manager."""
        first = first_turn(encode_all(images, bgr), session_id, options)
        return Conversation(
            lambda messages, remaining: self._methods.converse(
                messages, timeout=remaining,
                metadata=self._connection.metadata()),
            first, self._retry, self._limit(timeout))

    @overload
    def latest_frame(self, frames: AsyncIterable[Any],
                     task: Literal["depth"] = ..., *, question: str = ...,
                     bgr: bool = ..., stale_after: Optional[float] = ...,
                     timeout: Optional[float] = ...,
                     **options: Unpack[MapOptions]
                     ) -> AsyncIterator[Frame[DepthMap]]: ...
    @overload
    def latest_frame(self, frames: AsyncIterable[Any],
                     task: Literal["segment"], *, question: str = ...,
                     bgr: bool = ..., stale_after: Optional[float] = ...,
                     timeout: Optional[float] = ...,
                     **options: Unpack[MapOptions]
                     ) -> AsyncIterator[Frame[LabelMap]]: ...
    @overload
    def latest_frame(self, frames: AsyncIterable[Any],
                     task: Literal["reason"], *, question: str = ...,
                     bgr: bool = ..., stale_after: Optional[float] = ...,
                     timeout: Optional[float] = ...,
                     **options: Unpack[ReasonOptions]
                     ) -> AsyncIterator[Frame[Result]]: ...

    def latest_frame(self, frames: AsyncIterable[Any], task: str = "depth", *,
                     question: str = "", bgr: bool = False,
                     stale_after: Optional[float] = None,
                     timeout: Optional[float] = None,
                     **options: Unpack[ReasonOptions]
                     ) -> AsyncIterator[Frame[Any]]:
        """Depth, segmentation or an answer for the newest frame of an
        asynchronous stream."""
        def start(image: Any) -> EventStream:
            method, request = requests.of_task(task, image, question, bgr,
                                               options)
            return self._stream(method, request, timeout, NEVER)
        if task == "reason":
            requests.text(question, "question")
        return latest_frame(frames, start, task, stale_after, self._retry)

    async def model(self, *, timeout: Optional[float] = None) -> models.Model:
        """What is served: capabilities, limits, defaults, device."""
        tries = Tries(self._retry, self._limit(timeout))
        while True:
            try:
                return models.from_proto(await self._methods.model(
                    pb.GetModelRequest(), timeout=tries.remaining(),
                    metadata=self._connection.metadata()))
            except grpc.RpcError as error:
                typed, wait = wait_after(tries, error)
                if wait is None:
                    raise typed from None
                await asyncio.sleep(wait)

    async def close(self) -> None:
        """Ends the connection and cancels what still runs."""
        if self._channel is not None:
            await self._channel.close()

    def _limit(self, timeout: Optional[float]) -> Optional[float]:
        given = requests.timeout(timeout)
        return self._timeout if given is None else given

    def _stream(self, method: str, request: Any, timeout: Optional[float],
                retry: Optional[RetryPolicy] = None) -> EventStream:
        call = getattr(self._methods, method)
        return EventStream(
            lambda remaining: call(request, timeout=remaining,
                                   metadata=self._connection.metadata()),
            StreamState(retry or self._retry, self._limit(timeout)))

    async def __aenter__(self) -> Client:
        return self

    async def __aexit__(self, kind: Optional[type[BaseException]],
                        error: Optional[BaseException],
                        trace: Optional[TracebackType]) -> None:
        await self.close()


async def _only_map(stream: EventStream, kind: type[MapType],
                    on_event: OnEvent) -> MapType:
    async with stream:
        if on_event is not None:
            async for event in stream:
                on_event(event)
        return (await stream.result()).only_map(kind)
