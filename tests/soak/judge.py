"""What must hold of the events and of the end of one call."""

import collections
import hashlib
import re

import grpc

from harness import details, pb

CODE = grpc.StatusCode
# Reasons of errors that a server without a fault may give, and their codes
# (proto/cooper/v1/spatial_reasoning.proto). INTERNAL is none of them.
REASONS = {
    "INVALID_ARGUMENT": CODE.INVALID_ARGUMENT,
    "INVALID_IMAGE": CODE.INVALID_ARGUMENT,
    "MODEL_NOT_FOUND": CODE.NOT_FOUND,
    "SESSION_NOT_FOUND": CODE.NOT_FOUND,
    "UNSUPPORTED": CODE.FAILED_PRECONDITION,
    "SESSION_BUSY": CODE.FAILED_PRECONDITION,
    "QUEUE_FULL": CODE.RESOURCE_EXHAUSTED,
    "CLIENT_LIMIT": CODE.RESOURCE_EXHAUSTED,
    "QUEUE_TIMEOUT": CODE.RESOURCE_EXHAUSTED,
    "MEMORY_PRESSURE": CODE.RESOURCE_EXHAUSTED,
    "MESSAGE_TOO_LARGE": CODE.RESOURCE_EXHAUSTED,
    "LOADING": CODE.UNAVAILABLE,
    "DRAINING": CODE.UNAVAILABLE,
    "DEADLINE": CODE.DEADLINE_EXCEEDED,
    "DEADLINE_TOO_SHORT": CODE.DEADLINE_EXCEEDED,
    "CANCELLED": CODE.CANCELLED,
    "SLOW_READER": CODE.CANCELLED,
    "UNAUTHENTICATED": CODE.UNAUTHENTICATED,
    "PERMISSION_DENIED": CODE.PERMISSION_DENIED,
    "UNIMPLEMENTED": CODE.UNIMPLEMENTED,
}
# Those with a time to retry.
RETRIED = {"QUEUE_FULL", "CLIENT_LIMIT", "QUEUE_TIMEOUT", "MEMORY_PRESSURE",
           "LOADING", "DRAINING"}
TAGS = re.compile(r"</?(think|answer|depth-estimation|segmentation)>|\s")


def letters(text):
    """The text without tags and white space."""
    return TAGS.sub("", text)


class Answer:
    """The events of one turn, in order. `broken`: what is wrong with them."""

    def __init__(self, roles=()):
        self.kinds = collections.Counter()
        self.broken = []
        self.finished = None
        self._roles = set(roles) or {pb.MAP_ROLE_VALUES, pb.MAP_ROLE_DISPLAY}
        self._texts = collections.defaultdict(str)  # by turn and channel
        self._last_turn = ""  # its letters
        self._turn = -1
        self._maps = {}    # map_started by id
        self._steps = {}   # the last step by id
        self._bytes = {}   # by map and role
        self._totals = {}  # likewise
        self._regions = 0

    def take(self, event):
        kind = event.WhichOneof("event")
        if self.finished is not None:
            self.broken.append(f"{kind} after finished")
        if (kind == "started") != (not self.kinds):
            self.broken.append(f"{kind} as event {sum(self.kinds.values())}")
        self.kinds[kind] += 1
        take = getattr(self, f"_take_{kind}", None)
        if take:
            take(getattr(event, kind))

    def _take_text_delta(self, delta):
        if delta.turn not in (self._turn, self._turn + 1):
            self.broken.append(f"text of turn {delta.turn} after {self._turn}")
        if delta.turn != self._turn:
            self._turn, self._last_turn = delta.turn, ""
        self._texts[delta.turn, delta.channel] += delta.text
        self._last_turn += delta.text

    def _take_map_started(self, started):
        if started.map_id != len(self._maps):
            self.broken.append(f"map {started.map_id} as number {len(self._maps)}")
        self._maps[started.map_id] = started

    def _take_map_progress(self, progress):
        before = self._steps.get(progress.map_id, 0)
        if progress.step <= before and not progress.HasField("preview"):
            self.broken.append(f"step {progress.step} after {before}")
        self._steps[progress.map_id] = max(before, progress.step)

    def _take_map(self, part):
        key = part.map_id, part.role
        data = self._bytes.setdefault(key, bytearray())
        if part.offset_bytes != len(data) or part.map_id not in self._maps:
            self.broken.append(f"map {key} at {part.offset_bytes}")
        data += part.data
        self._totals[key] = part.total_bytes
        self._regions += len(part.regions)

    def _take_finished(self, finished):
        self.finished = finished
        if letters(self._last_turn) != letters(finished.answer):
            self.broken.append("the pieces of the last text are not the answer")
        if finished.usage.maps != len(self._maps):
            self.broken.append(f"{len(self._maps)} maps of {finished.usage.maps}")
        for number, started in self._maps.items():
            if self._steps.get(number) != started.num_steps:
                self.broken.append(f"map {number} without its last step")
            expected = set(self._roles)
            if (started.kind != pb.MAP_KIND_DEPTH and
                    pb.MAP_ROLE_VALUES in expected):
                expected.discard(pb.MAP_ROLE_DISPLAY)
            came = {role for of, role in self._bytes if of == number}
            if came != expected:
                self.broken.append(f"map {number} came as {came}")
        for key, data in self._bytes.items():
            if len(data) != self._totals[key]:
                self.broken.append(f"map {key}: {len(data)} bytes")

    def digest(self):
        """Of all that does not depend on time, load or how text was cut."""
        hashed = hashlib.sha256()
        parts = [sorted(self._texts.items()), self._regions,
                 [(m.map_id, m.kind, m.width, m.height, m.num_steps,
                   m.request_text) for m in self._maps.values()],
                 sorted((key, hashlib.sha256(data).hexdigest())
                        for key, data in self._bytes.items())]
        done = self.finished
        parts.append((done.reason, done.answer, done.boxed, done.answer_text,
                      done.usage.input_tokens, done.usage.output_tokens,
                      done.usage.denoise_steps))
        hashed.update(repr(parts).encode())
        return hashed.hexdigest()


def end_of(call):
    """The end of a call that ended, as one word: OK, the reason that the server
    gave, or the code where it came from this side (`local:CODE`)."""
    if call.code() == CODE.OK:
        return "OK"
    reason = details(call).reason
    return reason or f"local:{call.code().name}"


def what_is_wrong(call, allowed_here):
    """None, or why the error of a call is not one that was promised.
    `allowed_here`: codes that may come from this side of the wire."""
    code, told = call.code(), details(call)
    said = f"{code.name} {told.reason} {call.details()!r}"
    if told.reason is None:
        return None if code in allowed_here else f"untyped: {said}"
    if REASONS.get(told.reason) != code:
        return f"not one of a healthy server: {said}"
    if told.reason in RETRIED and told.retry is None:
        return f"no time to retry: {said}"
    return None
