"""What is sampled is what is reported, and random numbers depend on seed and position only."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from elenchus_runtime.sampling import choose, sampling_logprobs, uniforms

LOGITS = torch.tensor([[2.0, 1.0, 0.0, -1.0, -9.0]])


def test_uniforms_never_change() -> None:
    """Golden numbers: a recorded seed must give the same text in every later version."""
    np.testing.assert_array_equal(uniforms(0, 2), uniforms(0, 5)[:2])
    assert uniforms(7, 3).tolist() == [0.8720734548204871, 0.29536538151378355, 0.4200976785072421]
    assert uniforms(0xFFFF_FFFF, 1)[0] != uniforms(0, 1)[0]


def test_uniforms_fill_the_unit_interval_evenly() -> None:
    numbers = np.concatenate([uniforms(seed, 100) for seed in range(200)])
    assert numbers.min() >= 0
    assert numbers.max() < 1
    counts, _ = np.histogram(numbers, bins=20, range=(0, 1))
    # Chi-square with 19 degrees of freedom: 43.8 is the 99.9 % point.
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8


def test_frequencies_are_the_probabilities() -> None:
    logprobs = sampling_logprobs(LOGITS, temperature=1.5, top_p=1.0)
    numbers = torch.from_numpy(np.concatenate([uniforms(seed, 50) for seed in range(1000)]))
    tokens = choose(logprobs.expand(len(numbers), -1), 1.5, numbers)
    found = torch.bincount(tokens, minlength=5) / len(numbers)
    torch.testing.assert_close(found, logprobs.exp()[0], atol=0.006, rtol=0)


def test_temperature_divides_logits() -> None:
    torch.testing.assert_close(sampling_logprobs(LOGITS, 2.0, 1.0), (LOGITS / 2).log_softmax(-1))


@pytest.mark.parametrize(
    ('top_p', 'kept'), [(0.01, 1), (0.64, 1), (0.65, 2), (0.8, 2), (0.9, 3), (0.99999, 5)]
)
def test_top_p_keeps_the_smallest_set_that_reaches_it(top_p: float, kept: int) -> None:
    logprobs = sampling_logprobs(LOGITS, 1.0, top_p)
    assert int(logprobs.isfinite().sum()) == kept
    torch.testing.assert_close(logprobs[:, :kept], LOGITS[:, :kept].log_softmax(-1))
    assert logprobs.exp().sum().item() == pytest.approx(1)


def test_impossible_tokens_are_never_chosen() -> None:
    logprobs = torch.tensor([[-torch.inf, 0.0, -torch.inf, -torch.inf]])
    edges = torch.tensor([0.0, 2.0**-52, 0.5, 1 - 2.0**-52], dtype=torch.float64)
    assert choose(logprobs.expand(4, -1), 1.0, edges).tolist() == [1, 1, 1, 1]


def test_greedy_takes_the_likeliest_and_reports_the_models_distribution() -> None:
    logprobs = sampling_logprobs(LOGITS, 0.0, 0.5)
    assert choose(logprobs, 0.0, torch.zeros(1, dtype=torch.float64)).tolist() == [0]
    torch.testing.assert_close(logprobs, LOGITS.log_softmax(-1))


def test_half_precision_logits_become_single_precision_logprobs() -> None:
    assert sampling_logprobs(LOGITS.bfloat16(), 1.0, 1.0).dtype == torch.float32
