"""Logits of half precision are not rounded to it, wherever a log-probability comes from."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from conftest import lora

from elenchus_runtime import logprobs, policy_outputs, wide_logits
from elenchus_runtime.adapters import Adapters
from elenchus_runtime.forward_decoder import ForwardDecoder
from elenchus_runtime.lean_decoder import LeanDecoder
from elenchus_runtime.lean_weights import read_weights
from elenchus_runtime.models import Base
from elenchus_runtime.plan import Group, Sample
from elenchus_runtime.prefill import read_prompts

CPU = torch.device('cpu')


def a_head(dtype: torch.dtype = torch.bfloat16) -> tuple[torch.Tensor, torch.Tensor]:
    """States and an output matrix with likeliest logits near 20, as those of a trained model."""
    source = torch.Generator().manual_seed(0)
    weight = (torch.randn(3000, 256, generator=source) / 16).to(dtype)
    hidden = (6 * torch.randn(40, 256, generator=source)).to(dtype)
    assert (hidden.float() @ weight.float().T).amax(1).mean() > 18
    return hidden, weight


def exact(hidden: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return hidden.double() @ weight.double().T


@pytest.mark.parametrize('dtype', [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize('slice_elements', [1 << 22, 1])
def test_products_are_those_of_double_precision(
    monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype, slice_elements: int
) -> None:
    monkeypatch.setattr(wide_logits, 'SLICE_ELEMENTS', slice_elements)
    hidden, weight = a_head(dtype)
    made = wide_logits.wide_logits(hidden, weight)
    assert made.dtype == torch.float32
    torch.testing.assert_close(made.double(), exact(hidden, weight), atol=1e-4, rtol=0)
    out = torch.empty_like(made)
    assert wide_logits.wide_logits(hidden, weight, out) is out
    assert torch.equal(out, made)


def test_a_device_that_widens_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """As CUDA, which no test here has: one product, into the memory that is there."""
    asked: list[dict[str, Any]] = []
    monkeypatch.setattr(wide_logits, 'widens', lambda device, dtype: True)
    monkeypatch.setattr(torch, 'mm', lambda a, b, **how: asked.append(how) or how['out'])
    hidden, weight = a_head()
    out = torch.empty(40, 3000)
    assert wide_logits.wide_logits(hidden, weight, out) is out
    assert asked == [{'out_dtype': torch.float32, 'out': out}]


def test_the_cpu_does_not_widen_and_says_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    wide_logits.widens.cache_clear()
    assert not wide_logits.widens(CPU, torch.bfloat16)
    assert not capfd.readouterr().err


@pytest.mark.parametrize('temperature', [1.0, 0.5])
def test_the_kernel_says_of_given_states_what_double_precision_says(temperature: float) -> None:
    hidden, weight = a_head()
    targets = exact(hidden, weight).argmax(1)
    values, entropies = logprobs.hidden_logprobs_and_entropies(hidden, weight, targets, temperature)
    every = (exact(hidden, weight) / temperature).log_softmax(1)
    torch.testing.assert_close(values.double(), every.gather(1, targets[:, None])[:, 0], atol=2e-4, rtol=0)
    torch.testing.assert_close(entropies.double(), -(every.exp() * every).sum(1), atol=2e-4, rtol=0)


@pytest.mark.parametrize('trained', [False, True])
def test_slopes_are_rounded_once(trained: bool) -> None:
    """By the state and by the matrix, within bf16's 8 bits of their size."""
    hidden, weight = (part.requires_grad_(True) for part in a_head())
    weight.requires_grad_(trained)
    targets = exact(hidden, weight).argsort(1)[:, -3].detach()
    factors = torch.linspace(-1, 2, len(hidden))
    (logprobs.hidden_logprobs(hidden, weight, targets, 1.0) * factors).sum().backward()
    assert_slopes(
        hidden, weight, lambda logits: logits.log_softmax(1).gather(1, targets[:, None])[:, 0] * factors
    )


def test_entropies_have_slopes_too() -> None:
    hidden, weight = (part.requires_grad_(True) for part in a_head())
    policy_outputs._hidden_entropies(hidden, weight, 1.0).sum().backward()
    assert_slopes(hidden, weight, lambda logits: -(logits.softmax(1) * logits.log_softmax(1)).sum(1))


def assert_slopes(hidden: torch.Tensor, weight: torch.Tensor, function: Any) -> None:
    wide = [part.detach().double().requires_grad_(True) for part in (hidden, weight)]
    function(wide[0] @ wide[1].T).sum().backward()
    for part, expected in zip((hidden, weight), wide, strict=True):
        if part.requires_grad:
            assert part.grad.dtype == part.dtype
            gap = (part.grad.double() - expected.grad).norm() / expected.grad.norm()
            assert gap < 2**-7


def states_into(head: Any, kept: list[torch.Tensor]) -> Any:
    """What the heads of the engine are given."""

    def noting(hidden: torch.Tensor, *rest: Any) -> torch.Tensor:
        kept.append(hidden.clone())
        return head(hidden, *rest)

    return noting


@pytest.mark.parametrize('path', ['lean', 'forward'])
@torch.inference_mode()
def test_the_engine_says_of_its_states_what_double_precision_says(
    base: Base, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """The first token's logits, from reading the prompt, and those of a decode step."""
    from elenchus_runtime import lean_step

    model = base.model.to(torch.bfloat16)
    weight = model.lm_head.weight
    kept: list[torch.Tensor] = []
    noting = states_into(wide_logits.wide_logits, kept)
    monkeypatch.setattr(wide_logits, 'wide_logits', noting)
    monkeypatch.setattr(lean_step, 'wide_logits', noting)
    completion: Any = None
    (reading,) = read_prompts(model, [Group([5, 6, 7], [Sample(1, completion)])], CPU)
    decoder = (
        LeanDecoder(read_weights(model), 2, 16, 0, 1) if path == 'lean' else ForwardDecoder(model, 2, 16, CPU)
    )
    decoder.start([0], reading, torch.tensor([9]))
    for logits, hidden in ((reading.logits, kept[0]), (decoder.step(1), kept[-1])):
        assert logits.dtype == torch.float32
        torch.testing.assert_close(logits.double(), exact(hidden, weight), atol=1e-4, rtol=0)


def test_an_adapter_on_the_head_answers_for_itself(base: Base, adapters: Adapters) -> None:
    adapters.create(lora('a', target_modules=['lm_head']))
    with torch.no_grad():
        for weight in adapters.train('a').values():
            weight.fill_(0.1)
    head = adapters.use('a').get_output_embeddings()
    hidden = torch.randn(3, 64)
    with torch.no_grad():
        assert torch.equal(wide_logits.head_logits(head, hidden), head(hidden))
        assert not torch.equal(head(hidden), wide_logits.wide_logits(hidden, head.weight))
