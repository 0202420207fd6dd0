"""What every contender is given: prompts, and for every sequence the number of tokens it must write.

Lengths are drawn once from a seed and imposed on all contenders alike; a contender that schedules by
length would cheat, and none is told before a sequence has ended.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Work:
    """`lengths[i]` tokens are wanted of sequence i, which continues `prompts[i // samples]`."""

    prompts: list[list[int]]
    samples: int
    lengths: list[int]

    @property
    def tokens(self) -> int:
        return sum(self.lengths)

    @property
    def sequences(self) -> list[tuple[list[int], int]]:
        return [(self.prompts[place // self.samples], length) for place, length in enumerate(self.lengths)]


def draw_work(
    sequences: int, samples: int, prompt_tokens: int, vocabulary: int, mean: int, most: int, seed: int
) -> Work:
    """Prompts of random ids, all of one length; output lengths geometric with `mean`, at most `most`."""
    source = np.random.default_rng(seed)
    prompts = source.integers(vocabulary // 2, vocabulary, (-(-sequences // samples), prompt_tokens))
    lengths = source.geometric(1 / mean, sequences).clip(max=most)
    return Work(prompts.tolist(), samples, lengths.tolist())


def fixed_work(sequences: int, samples: int, prompt_tokens: int, vocabulary: int, outputs: int) -> Work:
    """The same with outputs of one length."""
    work = draw_work(sequences, samples, prompt_tokens, vocabulary, outputs, outputs, seed=0)
    return Work(work.prompts, samples, [outputs] * sequences)
