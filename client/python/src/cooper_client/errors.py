"""Errors of calls. Wrong arguments raise TypeError, ValueError or OSError, each
with a message that begins with the name of the argument."""

from __future__ import annotations

import dataclasses
from typing import Any, Optional

import grpc

from cooper_client._proto import error_details_pb2, status_pb2

DOMAIN = "cooper.v1"


@dataclasses.dataclass(frozen=True)
class FieldViolation:
    """A field of the request that the server refused."""

    #: As in the protocol, for example "flow.num_timesteps".
    field: str
    description: str


class CooperError(Exception):
    """A call that failed. Base of all errors of this package.

    message     What went wrong, in words.
    code        gRPC's name of the status, for example "RESOURCE_EXHAUSTED".
    reason      Stable word for programs, for example "QUEUE_FULL"; empty where
                the error did not arise in the server.
    retry_delay Seconds after which a new try makes sense, as the server says;
                None: it says nothing, or that there is no point in it.
    violations  Fields that the server refused.
    metadata    Further facts about `reason`.
    """

    code = "UNKNOWN"

    def __init__(self, message: str, *, code: Optional[str] = None,
                 reason: str = "", retry_delay: Optional[float] = None,
                 violations: tuple[FieldViolation, ...] = (),
                 metadata: Optional[dict[str, str]] = None) -> None:
        super().__init__(message)
        self.message = message
        if code is not None:
            self.code = code
        self.reason = reason
        self.retry_delay = retry_delay
        self.violations = violations
        self.metadata = metadata or {}

    def __str__(self) -> str:
        name = f"{self.code} ({self.reason})" if self.reason else self.code
        text = f"{name}: {self.message}"
        if self.retry_delay is not None:
            text += f" (try again after {self.retry_delay:g} s)"
        return text


class InvalidArgument(CooperError):
    """The request is wrong; `violations` names the fields. Never retry."""

    code = "INVALID_ARGUMENT"


class NotFound(CooperError):
    """MODEL_NOT_FOUND or SESSION_NOT_FOUND."""

    code = "NOT_FOUND"


class FailedPrecondition(CooperError):
    """UNSUPPORTED: the checkpoint or the server's options cannot do it.
    SESSION_BUSY: a turn of the session is under way."""

    code = "FAILED_PRECONDITION"


class ResourceExhausted(CooperError):
    """The server, or this client's share of it, is full: QUEUE_FULL,
    CLIENT_LIMIT, QUEUE_TIMEOUT, MEMORY_PRESSURE, ..."""

    code = "RESOURCE_EXHAUSTED"


class Unavailable(CooperError):
    """No connection, or the server is LOADING or DRAINING or its engine failed
    (ENGINE_FAILED)."""

    code = "UNAVAILABLE"


class DeadlineExceeded(CooperError):
    """`timeout` passed (DEADLINE), or could not be met (DEADLINE_TOO_SHORT)."""

    code = "DEADLINE_EXCEEDED"


class Cancelled(CooperError):
    """The call was cancelled, or its events were not read (SLOW_READER)."""

    code = "CANCELLED"


class InternalError(CooperError):
    """A fault in the server: ENGINE, NUMERIC, ENCODE."""

    code = "INTERNAL"


class Unauthenticated(CooperError):
    """No token, or a wrong one."""

    code = "UNAUTHENTICATED"


class PermissionDenied(CooperError):
    """This client may not call the method."""

    code = "PERMISSION_DENIED"


class Unimplemented(CooperError):
    """The server does not have this method."""

    code = "UNIMPLEMENTED"


class DataLoss(CooperError):
    """The server broke the protocol: a map or an answer is not whole."""

    code = "DATA_LOSS"


_BY_CODE: dict[str, type[CooperError]] = {
    kind.code: kind for kind in CooperError.__subclasses__()}


def make_error(code: str, message: str, **facts: Any) -> CooperError:
    """The error of the class that `code` has."""
    return _BY_CODE.get(code, CooperError)(message, code=code, **facts)


def _details(packed: bytes) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    status = status_pb2.Status()
    try:
        status.ParseFromString(packed)
        for detail in status.details:
            name = detail.type_url.rpartition("/")[2]
            if name == "google.rpc.ErrorInfo":
                info = error_details_pb2.ErrorInfo.FromString(detail.value)
                facts["reason"] = info.reason
                facts["metadata"] = dict(info.metadata)
            elif name == "google.rpc.BadRequest":
                bad = error_details_pb2.BadRequest.FromString(detail.value)
                facts["violations"] = tuple(
                    FieldViolation(v.field, v.description)
                    for v in bad.field_violations)
            elif name == "google.rpc.RetryInfo":
                retry = error_details_pb2.RetryInfo.FromString(detail.value)
                delay = retry.retry_delay
                facts["retry_delay"] = max(
                    0.0, delay.seconds + delay.nanos / 1e9)
    except Exception:  # pylint: disable=broad-except
        # Details that do not parse are no details: code and message still hold.
        return {}
    return facts


def from_rpc_error(error: grpc.RpcError) -> CooperError:
    """The typed error of gRPC's, with what its trailers tell."""
    call: Any = error
    trailers = {key: value for key, value in call.trailing_metadata() or ()}
    facts = _details(trailers.get("grpc-status-details-bin", b""))
    pushback = trailers.get("grpc-retry-pushback-ms")
    if pushback is not None:
        try:
            milliseconds = int(pushback)
        except ValueError:
            milliseconds = -1
        # Negative: do not retry.
        if milliseconds < 0:
            facts["retry_delay"] = None
        else:
            facts.setdefault("retry_delay", milliseconds / 1000)
    code = call.code()
    name = code.name if code is not None else "UNKNOWN"
    return make_error(name, call.details() or name, **facts)
