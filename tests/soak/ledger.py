"""What happened in a soak: ends of calls, events, failures; and its tables."""

import collections
import threading
import time

MIB = 1 << 20
# Latencies that are kept of a kind of call; from then on every other one.
KEPT = 4000
# Failures of one check that are printed.
SHOWN = 5


class Ledger:
    """Thread-safe."""

    def __init__(self):
        self.started = time.monotonic()
        self._lock = threading.Lock()
        self._ends = collections.defaultdict(collections.Counter)
        self._seconds = collections.defaultdict(list)
        self._events = collections.Counter()
        self._failures = collections.defaultdict(list)

    def ended(self, kind, end, seconds=None):
        """A call of this kind ended so; `seconds`: of calls that ended well."""
        with self._lock:
            self._ends[kind][end] += 1
            if seconds is not None:
                kept = self._seconds[kind]
                kept.append(seconds)
                if len(kept) > KEPT:
                    del kept[::2]

    def happened(self, event, count=1):
        with self._lock:
            self._events[event] += count

    def fail(self, check, text):
        """A check failed: the soak ends with 1."""
        with self._lock:
            found = self._failures[check]
            found.append(text)
            first = len(found) <= SHOWN
        if first:
            elapsed = time.monotonic() - self.started
            print(f"[{elapsed:6.1f} s] FAILED {check}: {text}", flush=True)

    def failures(self):
        """Number of failures by check."""
        with self._lock:
            return {check: len(found) for check, found in self._failures.items()}

    def calls(self):
        """Number of calls, and of those that ended well."""
        with self._lock:
            return (sum(sum(ends.values()) for ends in self._ends.values()),
                    sum(ends["OK"] for ends in self._ends.values()))

    def progress(self):
        calls, well = self.calls()
        return (f"[{time.monotonic() - self.started:6.1f} s] {calls} calls, "
                f"{well} OK, {sum(self.failures().values())} failures")

    def table(self):
        """Calls by kind and by end, in Markdown, and what else happened."""
        with self._lock:
            lines = ["| call | in all | ended well | p50, p99 | ended otherwise |",
                     "|---|---|---|---|---|"]
            for kind in sorted(self._ends):
                ends = self._ends[kind]
                others = ", ".join(
                    f"{end} {count}" for end, count in sorted(ends.items())
                    if end != "OK") or "none"
                lines.append(f"| {kind} | {sum(ends.values())} | {ends['OK']} | "
                             f"{percentiles(self._seconds[kind])} | {others} |")
            lines += ["", "| event | number |", "|---|---|"]
            lines += [f"| {event} | {count} |"
                      for event, count in sorted(self._events.items())]
            return "\n".join(lines)

    def events(self):
        with self._lock:
            return dict(self._events)


def percentiles(seconds):
    if not seconds:
        return "-"
    ordered = sorted(seconds)
    half, most = (ordered[int(share * (len(ordered) - 1))]
                  for share in (0.5, 0.99))
    return f"{half:.2f}, {most:.2f} s"


def slope(points):
    """The median of the slopes between any two points (Theil and Sen), which
    one odd point does not move; 0 for fewer than two."""
    slopes = sorted((b[1] - a[1]) / (b[0] - a[0])
                    for i, a in enumerate(points) for b in points[i + 1:]
                    if b[0] > a[0])
    return slopes[len(slopes) // 2] if slopes else 0.0
