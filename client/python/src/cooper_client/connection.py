"""Where the server is and how to reach it; shared by both clients."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from typing import Any, Optional, Union

import grpc

from cooper_client._proto import spatial_reasoning_pb2 as pb

SERVICE = "/cooper.v1.SpatialReasoningService/"

#: A path of a PEM file, or its bytes.
Pem = Union[str, "os.PathLike[str]", bytes]

# A dead peer is noticed within 80 s. Pings start only while a call runs, so that
# a server with gRPC's own limits never takes them for abuse.
_OPTIONS: tuple[tuple[str, Any], ...] = (
    ("grpc.keepalive_time_ms", 60_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.max_send_message_length", -1),
    ("grpc.primary_user_agent", "cooper-client-python"),
)


def _read(path: Any, name: str) -> bytes:
    if not isinstance(path, (str, os.PathLike)):
        raise TypeError(f"{name}: must be a path, is {type(path).__name__}")
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise type(error)(error.errno, f"{name}: cannot read the file: "
                          f"{error.strerror}", os.fspath(path)) from None
    if not data.strip():
        raise ValueError(f"{name}: {os.fspath(path)} is empty")
    return data


def _pem(value: Optional[Pem], name: str) -> Optional[bytes]:
    if value is None:
        return None
    data = value if isinstance(value, bytes) else _read(value, name)
    if b"-----BEGIN " not in data:
        raise ValueError(f"{name}: holds no PEM block (-----BEGIN ...)")
    return data


def _check_target(target: Any) -> str:
    if not isinstance(target, str):
        raise TypeError(f"target: must be a string such as 'localhost:8001', is "
                        f"{target!r}")
    if "://" in target[:8]:
        raise ValueError(f"target: is a gRPC target such as 'localhost:8001', "
                         f"not a URL: {target!r}")
    has_scheme = target.startswith(("dns:", "unix:", "unix-abstract:", "ipv4:",
                                    "ipv6:", "xds:", "vsock:"))
    port = target.rpartition(":")[2]
    if not has_scheme and (":" not in target or not port.isdigit()):
        raise ValueError(f"target: must be 'host:port', is {target!r}")
    if not has_scheme and int(port) > 65535:
        raise ValueError(f"target: there is no port {port}")
    return target


def _stays_here(target: str) -> bool:
    return target.startswith(("localhost:", "127.", "[::1]:", "unix"))


class Connection:
    """What both clients make their channel and the metadata of calls from.
    ValueError, TypeError and OSError name the argument that is wrong."""

    def __init__(self, target: str, *, tls: bool, tls_ca: Optional[Pem],
                 tls_cert: Optional[Pem], tls_key: Optional[Pem],
                 tls_server_name: Optional[str], token: Optional[str],
                 auth_token_file: Optional[Union[str, os.PathLike[str]]],
                 channel_options: Sequence[tuple[str, Any]]) -> None:
        self.target = _check_target(target)
        self._token_file = auth_token_file
        if token is not None and auth_token_file is not None:
            raise ValueError("token: give either token or auth_token_file")
        if (tls_cert is None) != (tls_key is None):
            raise ValueError("tls_cert: tls_cert and tls_key come together, one "
                             "is not set")
        self._token = None if token is None else self._checked(token, "token")
        if auth_token_file is not None:
            self._read_token()
        self.credentials: Optional[grpc.ChannelCredentials] = None
        if tls or tls_ca is not None or tls_cert is not None:
            self.credentials = grpc.ssl_channel_credentials(
                _pem(tls_ca, "tls_ca"), _pem(tls_key, "tls_key"),
                _pem(tls_cert, "tls_cert"))
        elif tls_server_name is not None:
            raise ValueError("tls_server_name: needs tls or tls_ca")
        if (self.credentials is None and not _stays_here(self.target)
                and (token is not None or auth_token_file is not None)):
            warnings.warn("token: goes over an unencrypted connection; see tls",
                          stacklevel=3)
        self.options = [*_OPTIONS, *channel_options]
        if tls_server_name is not None:
            self.options.append(
                ("grpc.ssl_target_name_override", tls_server_name))

    @staticmethod
    def _checked(given: Any, name: str) -> str:
        if not isinstance(given, str):
            raise TypeError(f"{name}: must be a string, is "
                            f"{type(given).__name__}")
        token = given.strip()
        if not token or not all(33 <= ord(c) <= 126 for c in token):
            raise ValueError(f"{name}: must be one token of printable ASCII "
                             "characters")
        return token

    def _read_token(self) -> str:
        data = _read(self._token_file, "auth_token_file")
        return self._checked(data.decode("utf-8", "replace"), "auth_token_file")

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Of one call. A token file is read for each, so it may be renewed."""
        token = self._token
        if self._token_file is not None:
            token = self._read_token()
        if token is None:
            return ()
        return (("authorization", f"Bearer {token}"),)

    def open(self, library: Any) -> Any:
        """A channel of `library`: grpc or grpc.aio."""
        if self.credentials is None:
            return library.insecure_channel(self.target, options=self.options)
        return library.secure_channel(self.target, self.credentials,
                                      options=self.options)


class Methods:
    """The RPCs of a channel. Not made by protoc, whose stubs need the version of
    grpcio that they were made for."""

    def __init__(self, channel: Any) -> None:
        def streaming(name: str, request: Any) -> Any:
            return channel.unary_stream(
                SERVICE + name, request_serializer=request.SerializeToString,
                response_deserializer=pb.Event.FromString)
        self.reason = streaming("Reason", pb.ReasonRequest)
        self.depth = streaming("EstimateDepth", pb.EstimateDepthRequest)
        self.segment = streaming("Segment", pb.SegmentRequest)
        self.generate = streaming("GenerateImage", pb.GenerateImageRequest)
        self.converse = channel.stream_stream(
            SERVICE + "Converse",
            request_serializer=pb.ConverseRequest.SerializeToString,
            response_deserializer=pb.Event.FromString)
        self.model = channel.unary_unary(
            SERVICE + "GetModel",
            request_serializer=pb.GetModelRequest.SerializeToString,
            response_deserializer=pb.GetModelResponse.FromString)
