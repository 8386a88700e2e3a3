"""When a refused call is tried again. No I/O."""

from __future__ import annotations

import dataclasses
import random
import time
from typing import Any, Optional

from cooper_client.errors import CooperError


@dataclasses.dataclass(frozen=True)
class RetryPolicy:
    """A call is tried again only if nothing of its answer came, and the server
    said when to come back or there was no connection.

    attempts     Tries in all; 1: never again.
    max_wait     Longest wait in seconds between two tries. Where the server asks
                 for a longer one the error is raised.
    first_wait   Seconds before the second try where the server says nothing;
                 doubled each time.
    """

    attempts: int = 4
    max_wait: float = 30.0
    first_wait: float = 0.2

    def __post_init__(self) -> None:
        if isinstance(self.attempts, bool) or not isinstance(self.attempts, int):
            raise TypeError(f"attempts: must be an integer, is {self.attempts!r}")
        if self.attempts < 1:
            raise ValueError(f"attempts: must be at least 1, is {self.attempts}")
        for name in ("max_wait", "first_wait"):
            value = getattr(self, name)
            if not isinstance(value, (int, float)) or not value >= 0:
                raise ValueError(f"{name}: must be at least 0 s, is {value!r}")


def checked(policy: Any) -> RetryPolicy:
    """The argument `retry` of a client."""
    if not isinstance(policy, RetryPolicy):
        raise TypeError(f"retry: must be a RetryPolicy, is {policy!r}")
    return policy


#: One try.
NEVER = RetryPolicy(attempts=1)


class Tries:
    """The tries of one call, which share one deadline."""

    def __init__(self, policy: RetryPolicy, timeout: Optional[float]) -> None:
        self._policy = policy
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._made = 0

    def remaining(self) -> Optional[float]:
        """Seconds until the deadline, or None; for the next try."""
        if self._deadline is None:
            return None
        return max(0.001, self._deadline - time.monotonic())

    def wait_after(self, error: CooperError) -> Optional[float]:
        """Seconds to wait before the next try; None: raise the error."""
        self._made += 1
        if self._made >= self._policy.attempts:
            return None
        if error.retry_delay is not None:
            # Not all clients at once; never earlier than told.
            wait = error.retry_delay * random.uniform(1.0, 1.2)
        elif error.code == "UNAVAILABLE":
            wait = self._policy.first_wait * 2 ** (self._made - 1)
            wait = min(wait * random.uniform(0.8, 1.2), self._policy.max_wait)
        else:
            return None
        if wait > max(self._policy.max_wait, 0) * 1.2:
            return None
        if self._deadline is not None and \
                time.monotonic() + wait >= self._deadline:
            return None
        return wait
