"""The state of one streaming call, shared by both clients. No I/O."""

from __future__ import annotations

from typing import Any, Optional

import grpc

from cooper_client.answer import Answer
from cooper_client.errors import Cancelled, CooperError, from_rpc_error
from cooper_client.events import Event
from cooper_client.results import Result
from cooper_client.retries import RetryPolicy, Tries


def wait_after(tries: Tries, error: BaseException) -> tuple[CooperError,
                                                           Optional[float]]:
    """The typed error, and the seconds to wait before the next try or None."""
    assert isinstance(error, grpc.RpcError)
    typed = from_rpc_error(error)
    return typed, tries.wait_after(typed)


class StreamState:
    """What has come of a call, and what is to be done when it ends."""

    def __init__(self, policy: RetryPolicy, timeout: Optional[float]) -> None:
        self.tries = Tries(policy, timeout)
        self.answer = Answer()
        self.handed = False
        self.cancelled = False
        self.error: Optional[CooperError] = None

    @property
    def over(self) -> bool:
        """All events were given; raises the error if there was one."""
        if self.error is not None:
            raise self.error
        return self.answer.ended

    def accept(self, message: Any) -> Optional[Event]:
        """The event for the user, if there is one."""
        try:
            return self.answer.accept(message)
        except CooperError as error:
            self.error = error
            raise

    def on_end(self) -> None:
        """The server ended the call with OK."""
        try:
            self.answer.end_of_call()
        except CooperError as error:
            self.error = error
            raise

    def on_error(self, error: grpc.RpcError) -> float:
        """Seconds to wait before a new try; raises the typed error if there is
        to be none."""
        if self.cancelled:
            self.cancel_error()
        typed, wait = wait_after(self.tries, error)
        if wait is None or self.handed or self.answer.begun:
            self.error = typed
            raise typed from None
        self.answer = Answer()
        return wait

    def cancel_error(self) -> None:
        """Raises Cancelled: this side cancelled the call."""
        self.error = Cancelled("cancelled by this client")
        raise self.error

    def result(self) -> Result:
        return self.answer.result()
