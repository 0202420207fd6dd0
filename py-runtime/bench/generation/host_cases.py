"""What `bench/engine_host.py` has written: texts, and what ends them, as both pipelines ask for it."""

from __future__ import annotations

import random
from dataclasses import dataclass

from elenchus_runtime.completion import Completion, read_limits
from elenchus_runtime.detokenise import Detokeniser
from elenchus_runtime.plan import Sample
from elenchus_runtime.protocol import Generate, Sampling, SegmentRule, StopRule

from .host_texts import abel_text, oak_text

TEXTS = 64
UNEVEN_CHARACTERS = 240
OAK_STOPS = [
    StopRule(name='conclude', pattern=r'Action:[^\n]*CONCLUDE[^\n]*\n', count=1),
    StopRule(name='max_steps', pattern=r'Action:[^\n]*\n', count=15),
]
OAK_SEGMENT = SegmentRule(boundary='Action:|/>\n', max_tokens=120)
ABEL_STOPS = [StopRule(name='next_question', pattern=r'\nQuestion:', count=1)]


@dataclass(frozen=True)
class Case:
    texts: list[str]
    """Sequences write one of them each, over and over."""
    stops: list[StopRule]
    segment: SegmentRule | None
    tokens: int
    """At most, of a sequence."""


def cases(source: random.Random, tokens: int) -> dict[str, Case]:
    oak = [oak_text(source, source.randint(2, 8)) for _ in range(TEXTS)]
    abel = [abel_text(source, source.randint(4, 14)) for _ in range(TEXTS)]
    endless = [text.split('The answer')[0] for text in abel]
    return {
        'oak': Case(oak, OAK_STOPS, OAK_SEGMENT, tokens),
        'abel': Case(abel, ABEL_STOPS, None, tokens),
        'unstopped': Case(endless, ABEL_STOPS, None, tokens),
        'uneven': Case([_cut(source, text) for text in endless], ABEL_STOPS, None, tokens),
    }


def _cut(source: random.Random, text: str) -> str:
    """A text that ends after any character with the same chance: lengths are geometric."""
    length = 1 + int(source.expovariate(1 / UNEVEN_CHARACTERS))
    return (text * (1 + length // len(text)))[:length] + '\nQuestion:'


def completions(case: Case, texts: Detokeniser, sequences: int) -> list[Sample]:
    spec = Generate(
        policy=None,
        requests=[],
        sampling=Sampling(temperature=1, top_p=1, max_new_tokens=case.tokens),
        stops=case.stops,
        segment=case.segment,
    )
    limits = read_limits(spec, frozenset())
    return [Sample(seed, Completion(str(seed), 150, case.tokens, limits, texts)) for seed in range(sequences)]
