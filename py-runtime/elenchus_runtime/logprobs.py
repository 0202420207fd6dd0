"""Log-probabilities of given tokens: the one kernel that scores references and trains policies.

Only target positions reach the vocabulary, a few at a time: memory does not grow with positions times
vocabulary. Logits, softmax and sums are fp32 or better whatever the model's dtype; a head that is more than
a matrix rounds its logits itself. Knows layouts and models; knows nothing of losses.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Any
from weakref import ReferenceType, ref

import torch

from .branch_attention import kept_packed
from .layout import Layout
from .wide_logits import wide_logits

CPU_SLICE_ELEMENTS = 1 << 24
"""Logits held at once: 64 MiB in fp32. Fewer positions per slice read the output matrix too often."""
ACCELERATOR_SLICE_ELEMENTS = 1 << 27


class _Logprobs(torch.autograd.Function):
    """`log softmax(hidden @ weight.T / temperature)[target]` and the entropy of that distribution.

    The slope of a token's log-probability by its own hidden state needs nothing from the loss, so it is
    taken while the logits are there, and only scaled in the backward pass. A trained output matrix needs
    the logits twice: its gradient depends on the loss. The last slice, which may be the only one, is kept.
    """

    @staticmethod
    def forward(
        ctx: Any,
        hidden: torch.Tensor,
        weight: torch.Tensor,
        targets: torch.Tensor,
        temperature: float,
        with_entropies: bool,
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        trained = ctx.needs_input_grad[1]
        slopes = torch.empty_like(hidden) if ctx.needs_input_grad[0] and not trained else None
        picked = torch.empty(len(targets), device=hidden.device)
        log_total = torch.empty_like(picked)
        entropies = torch.empty_like(picked) if with_entropies else None
        powers = torch.empty(0, device=hidden.device)
        kept: tuple[slice, torch.Tensor, torch.Tensor] | None = None
        for part, logits in _logits(hidden, weight, temperature):
            wanted = targets[part, None]
            picked[part] = logits.gather(1, wanted).squeeze(1)
            largest = logits.amax(dim=1, keepdim=True)
            logits.sub_(largest)
            if entropies is None:
                weights = logits.exp_()
            else:
                powers = powers if len(powers) >= len(logits) else torch.empty_like(logits)
                weights = torch.exp(logits, out=powers[: len(logits)])
            total = weights.sum(dim=1, keepdim=True)
            log_total[part] = (largest + total.log()).squeeze(1)
            if entropies is not None:
                # -sum p log p, with log p = shifted - log total
                mean = torch.bmm(weights[:, None, :], logits[:, :, None])[:, 0] / total
                entropies[part] = (total.log() - mean).squeeze(1)
            if slopes is not None:
                # d log p[target] / d logits = onehot - p
                probabilities = weights.div_(total)
                probabilities.scatter_add_(1, wanted, torch.full_like(total, -1.0))
                slopes[part] = (probabilities.to(weight.dtype) @ weight).div_(-temperature)
            if trained:
                kept = part, weights, total
        if slopes is not None:
            ctx.save_for_backward(slopes)
        else:
            ctx.save_for_backward(hidden, weight, targets, log_total)
            ctx.kept = _KeptSlice(kept)
        ctx.temperature = temperature
        if entropies is not None:
            ctx.mark_non_differentiable(entropies)
        return picked - log_total, entropies

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        grad = grads[0]
        if len(ctx.saved_tensors) == 1:
            (slopes,) = ctx.saved_tensors
            return (slopes * grad[:, None]).to(slopes.dtype), None, None, None, None
        hidden, weight, targets, log_total = ctx.saved_tensors
        grad_hidden = torch.empty_like(hidden)
        grad_weight = torch.zeros_like(weight)
        for part, probabilities in _probabilities(
            hidden, weight, log_total, ctx.temperature, ctx.kept.take()
        ):
            probabilities.scatter_add_(1, targets[part, None], torch.full_like(grad[part, None], -1.0))
            slope = probabilities.mul_(grad[part, None] / -ctx.temperature).to(weight.dtype)
            torch.mm(slope, weight, out=grad_hidden[part])
            grad_weight.addmm_(slope.T, hidden[part])
        return grad_hidden if ctx.needs_input_grad[0] else None, grad_weight, None, None, None


class _KeptSlice:
    """Exponentials of a slice and their sums, for the next backward pass; of one forward pass at a time."""

    _latest: ReferenceType[_KeptSlice] | None = None

    def __init__(self, content: tuple[slice, torch.Tensor, torch.Tensor] | None) -> None:
        before = _KeptSlice._latest and _KeptSlice._latest()
        if before is not None:
            before.take()
        self._content = content
        _KeptSlice._latest = ref(self)

    def take(self) -> tuple[slice, torch.Tensor, torch.Tensor] | None:
        content, self._content = self._content, None
        return content


def _probabilities(
    hidden: torch.Tensor,
    weight: torch.Tensor,
    log_total: torch.Tensor,
    temperature: float,
    kept: tuple[slice, torch.Tensor, torch.Tensor] | None,
) -> Iterator[tuple[slice, torch.Tensor]]:
    rest = len(hidden)
    memory = None
    if kept is not None:
        part, memory, total = kept
        rest = part.start
        yield part, memory.div_(total)
    for part, logits in _logits(hidden[:rest], weight, temperature, memory):
        yield part, logits.sub_(log_total[part, None]).exp_()


def slice_positions(vocabulary: int, device: torch.device) -> int:
    """How many positions have their logits in memory at once."""
    elements = CPU_SLICE_ELEMENTS if device.type == 'cpu' else ACCELERATOR_SLICE_ELEMENTS
    return max(1, elements // vocabulary)


def _logits(
    hidden: torch.Tensor, weight: torch.Tensor, temperature: float, memory: torch.Tensor | None = None
) -> Iterator[tuple[slice, torch.Tensor]]:
    """fp32 logits of some positions after the other, in memory that each slice uses again."""
    number = -(-len(hidden) // slice_positions(len(weight), hidden.device))
    # All alike, so that the last one, which is kept, is no remnant.
    width = -(-len(hidden) // max(1, number))
    if memory is None or len(memory) < width:
        memory = torch.empty(width, len(weight), dtype=torch.float32, device=hidden.device)
    for start in range(0, len(hidden), max(1, width)):
        part = slice(start, min(start + width, len(hidden)))
        logits = wide_logits(hidden[part], weight, out=memory[: part.stop - start])
        yield part, logits if temperature == 1 else logits.div_(temperature)


def target_logprobs(model: Any, plain_head: bool, layout: Layout, temperature: float = 1.0) -> torch.Tensor:
    """fp32 `[number of targets]`, row after row. Differentiable when the model is."""
    if plain_head:
        hidden = target_states(model, layout)
        weight = model.get_output_embeddings().weight
        return hidden_logprobs(hidden, weight, layout.wanted, temperature)
    logits = model(**layout.inputs, use_cache=False).logits.flatten(0, 1)[layout.predictors]
    logprobs = (logits.float() / temperature).log_softmax(dim=-1)
    return logprobs.gather(1, layout.wanted[:, None]).squeeze(1)


def target_states(model: Any, layout: Layout) -> torch.Tensor:
    """The hidden state that predicts each target, `[n, H]`."""
    with half_precision(model), kept_packed(not model.is_gradient_checkpointing):
        hidden = model.base_model(**layout.inputs, use_cache=False).last_hidden_state
    return hidden.flatten(0, 1).index_select(0, layout.predictors)


def half_precision(model: Any) -> AbstractContextManager[Any]:
    """For a base in bf16: its adapters, whose weights are fp32, are multiplied in bf16 as well.

    Otherwise every adapted layer would copy its input to fp32, and keep the copy for the backward pass.
    """
    if model.dtype == torch.float32:
        return nullcontext()
    return torch.autocast(model.device.type, dtype=model.dtype)


def hidden_logprobs(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, temperature: float
) -> torch.Tensor:
    """fp32 `[n]` from hidden states `[n, H]`, for a head that is a plain matrix `[V, H]`."""
    answer: Any = _Logprobs.apply(hidden, weight, targets, temperature, False)
    return answer[0]


def hidden_logprobs_and_entropies(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, temperature: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The same, and the entropies, which have no gradient: both for one product with the output matrix."""
    answer: Any = _Logprobs.apply(hidden, weight, targets, temperature, True)
    return answer


def row_sums(logprobs: torch.Tensor, layout: Layout) -> torch.Tensor:
    """fp64 `[rows]`: sum over each row's targets."""
    sums = torch.zeros(layout.num_rows, dtype=torch.float64, device=logprobs.device)
    return sums.index_add(0, layout.owners, logprobs.double())


@torch.no_grad()
def has_plain_head(model: Any) -> bool:
    """Whether logits are exactly `hidden @ weight.T`: no bias, scale or cap. Tried out, not assumed."""
    head = model.get_output_embeddings()
    if not isinstance(head, torch.nn.Linear) or head.bias is not None:
        return False
    ids = torch.arange(4, device=model.device)[None] % model.config.vocab_size
    hidden = model.base_model(input_ids=ids, use_cache=False).last_hidden_state
    return torch.allclose(
        hidden @ head.weight.T, model(input_ids=ids, use_cache=False).logits, atol=1e-4, rtol=1e-3
    )
