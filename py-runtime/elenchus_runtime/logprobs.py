"""Log-probabilities of given tokens: the one kernel that scores references and trains policies.

Only target positions reach the vocabulary, which is visited in slices: memory does not grow with
positions times vocabulary. Softmax and sums are fp32 or better whatever the model's dtype. Knows rows
and models; knows nothing of losses.
"""

from __future__ import annotations

from typing import Any

import torch

from .rows import Padded

SLICE_ELEMENTS = 1 << 24
"""Logits held at once: 64 MiB in fp32."""


class _SlicedLogprobs(torch.autograd.Function):
    """`log softmax(hidden @ weight.T / temperature)[target]`, recomputing each slice in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any, hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, temperature: float
    ) -> torch.Tensor:
        picked = torch.empty(len(targets), device=hidden.device)
        log_total = torch.full_like(picked, -torch.inf)
        for start, stop in _slices(len(targets), len(weight)):
            logits = (hidden @ weight[start:stop].T).float() / temperature
            log_total = torch.logaddexp(log_total, logits.logsumexp(dim=-1))
            inside = ((targets >= start) & (targets < stop)).nonzero().squeeze(-1)
            picked[inside] = logits[inside, targets[inside] - start]
        ctx.save_for_backward(hidden, weight, targets, log_total)
        ctx.temperature = temperature
        return picked - log_total

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, weight, targets, log_total = ctx.saved_tensors
        (grad,) = grads
        grad_hidden = torch.zeros_like(hidden, dtype=torch.float32)
        grad_weight = torch.zeros_like(weight) if ctx.needs_input_grad[1] else None
        for start, stop in _slices(len(targets), len(weight)):
            part = weight[start:stop]
            logits = (hidden @ part.T).float() / ctx.temperature
            # d logp[target] / d logits = onehot(target) - softmax
            slope = (logits - log_total[:, None]).exp_().mul_(-grad[:, None])
            inside = ((targets >= start) & (targets < stop)).nonzero().squeeze(-1)
            slope[inside, targets[inside] - start] += grad[inside]
            slope = (slope / ctx.temperature).to(hidden.dtype)
            grad_hidden += slope @ part
            if grad_weight is not None:
                grad_weight[start:stop] = slope.T @ hidden
        return grad_hidden.to(hidden.dtype), grad_weight, None, None


def _slices(positions: int, vocabulary: int) -> list[tuple[int, int]]:
    width = min(vocabulary, max(256, SLICE_ELEMENTS // max(1, positions)))
    return [(start, min(start + width, vocabulary)) for start in range(0, vocabulary, width)]


def target_logprobs(model: Any, plain_head: bool, batch: Padded, temperature: float = 1.0) -> torch.Tensor:
    """fp32 `[number of targets]`, row after row. Differentiable when the model is.

    Rows are padded on the right, so causal attention alone keeps padding out: no position looks at
    what comes after it.
    """
    inputs, targets = batch.ids[:, :-1], batch.targets[:, 1:]
    wanted = batch.ids[:, 1:][targets]
    if plain_head:
        hidden = model.base_model(input_ids=inputs, use_cache=False).last_hidden_state
        weight = model.get_output_embeddings().weight
        return hidden_logprobs(hidden[targets], weight, wanted, temperature)
    logits = model(input_ids=inputs, use_cache=False).logits[targets].float() / temperature
    return logits.log_softmax(dim=-1).gather(1, wanted[:, None]).squeeze(1)


def hidden_logprobs(
    hidden: torch.Tensor, weight: torch.Tensor, targets: torch.Tensor, temperature: float
) -> torch.Tensor:
    """fp32 `[n]` from hidden states `[n, H]`, for a head that is a plain matrix `[V, H]`."""
    return _SlicedLogprobs.apply(hidden, weight, targets, temperature)  # type: ignore[return-value]


def row_sums(logprobs: torch.Tensor, batch: Padded) -> torch.Tensor:
    """fp64 `[B]`: sum over each row's targets."""
    sums = torch.zeros(batch.num_rows, dtype=torch.float64, device=logprobs.device)
    return sums.index_add(0, batch.owners, logprobs.double())


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
