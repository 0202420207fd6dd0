"""One completion while it is being written: its ids, its text, and when it ends.

Both engines feed it token by token. Knows stop rules, which are counted patterns in the text; knows
nothing of models and nothing of what the patterns mean.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from .detokenise import Detokeniser
from .errors import WorkerError
from .pattern_reach import Reach, reach_of
from .protocol import Generate

FinishReason = Literal['stop', 'eos', 'length', 'segment_length', 'prompt_too_long']


Stop = tuple[re.Pattern[str], Reach]


@dataclass(frozen=True)
class Limits:
    """What ends a completion besides its length."""

    stops: Sequence[tuple[str, Stop, int]]
    boundary: Stop | None
    segment_tokens: int
    eos_ids: frozenset[int]


def read_limits(spec: Generate, eos_ids: frozenset[int]) -> Limits:
    """Raises `bad_request` for a pattern that is none or a count below 1."""
    try:
        stops = [(stop.name, _read_stop(stop.pattern), stop.count) for stop in spec.stops]
        boundary = _read_stop(spec.segment.boundary) if spec.segment else None
    except re.error as error:
        raise WorkerError('bad_request', f'A stop pattern is no regular expression: {error}') from error
    if any(count < 1 for _, _, count in stops) or (spec.segment is not None and spec.segment.max_tokens < 1):
        raise WorkerError('bad_request', 'A stop count and a segment limit must be at least 1.')
    return Limits(stops, boundary, spec.segment.max_tokens if spec.segment else 0, eos_ids)


def _read_stop(text: str) -> Stop:
    pattern = re.compile(text)
    return pattern, reach_of(pattern)


class Counter:
    """Counts matches as text grows: a match counts once it is there, and the search goes on behind it."""

    def __init__(self, pattern: re.Pattern[str], reach: Reach) -> None:
        self._search = pattern.search
        self._width = reach.width
        self._last = reach.last
        self._from = 0
        self.count = 0

    def update(self, text: str, added: str) -> bool:
        """Whether there were new matches. `added` is what `text` has grown by at its end."""
        if self._last is not None and self._last.isdisjoint(added):
            return False
        start = self._from
        if self._width is not None:
            start = max(start, len(text) - len(added) + 1 - self._width)
        before = self.count
        while start <= len(text) and (match := self._search(text, start)) is not None:
            self.count += 1
            # An empty match would be found again at the same place.
            start = self._from = max(match.end(), match.start() + 1)
        return self.count > before


class Completion:
    """Grows by `push` until that returns why it ended. `logprobs` is one number per id."""

    def __init__(
        self, key: str, prompt_tokens: int, max_tokens: int, limits: Limits, texts: Detokeniser
    ) -> None:
        self.key = key
        self.prompt_tokens = prompt_tokens
        self.max_tokens = max_tokens
        self._limits = limits
        self._texts = texts
        self.restart()

    def restart(self) -> None:
        """Forgets what has been written."""
        limits = self._limits
        self.ids: list[int] = []
        self.logprobs: list[float] = []
        self.finish_reason: FinishReason | None = None
        self.stop_name: str | None = None
        self._growth = self._texts.growth()
        self._grown = ''
        self._stops = [Counter(*stop) for _, stop, _ in limits.stops]
        self._boundary = Counter(*limits.boundary) if limits.boundary is not None else None
        self._segment_tokens = 0

    @property
    def text(self) -> str:
        return self._texts.text(self.ids)

    def push(self, id: int, logprob: float) -> bool:
        """Adds a token; whether the completion has ended with it.

        Raises `non_finite` for a log-probability that is no number: neither it nor its token means anything.
        """
        if not math.isfinite(logprob):
            place = len(self.ids) + 1
            raise WorkerError(
                'non_finite',
                f'Token {place} of completion {self.key!r} has the log-probability {logprob}: '
                'the model computes numbers that are not finite.',
                hint='Sample from an earlier checkpoint, or load a model in half precision as float32.',
                key=self.key,
                token=place,
            )
        self.ids.append(id)
        self.logprobs.append(logprob)
        self.finish_reason = self._ended_by(id)
        return self.finish_reason is not None

    def _ended_by(self, id: int) -> FinishReason | None:
        if id in self._limits.eos_ids:
            return 'eos'
        self._segment_tokens += 1
        added = self._growth.add(id)
        if added:
            self._grown += added
            for counter, (name, _, count) in zip(self._stops, self._limits.stops, strict=True):
                if counter.update(self._grown, added) and counter.count >= count:
                    self.stop_name = name
                    return 'stop'
            if self._boundary is not None and self._boundary.update(self._grown, added):
                self._segment_tokens = 0
        if self._boundary is not None and self._segment_tokens >= self._limits.segment_tokens:
            return 'segment_length'
        return 'length' if len(self.ids) >= self.max_tokens else None
