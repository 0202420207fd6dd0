"""What a policy and its critic say at given tokens: log-probability, entropy, value.

The log-probabilities are those of `logprobs`, the kernel that everything is scored and trained with. Knows
rows, models and the critic; knows no loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from .logprobs import SLICE_ELEMENTS, hidden_logprobs
from .rows import Padded
from .value_head import ValueHead


@dataclass(frozen=True)
class PolicyOutputs:
    """Each fp32 `[number of targets]`, row after row; `values` is `None` without a critic."""

    logprobs: torch.Tensor
    entropies: torch.Tensor
    values: torch.Tensor | None


def policy_outputs(
    model: Any,
    plain_head: bool,
    batch: Padded,
    temperature: float,
    head: ValueHead | None,
    *,
    freeze_trunk: bool = False,
    entropy_gradient: bool = False,
) -> PolicyOutputs:
    """The distribution at each target is that of the logits divided by `temperature`.

    `freeze_trunk`: only the critic gets gradients. The value at a target is that of the state before it.
    """
    inputs, targets = batch.ids[:, :-1], batch.targets[:, 1:]
    wanted = batch.ids[:, 1:][targets]
    with torch.set_grad_enabled(torch.is_grad_enabled() and not freeze_trunk):
        if plain_head:
            hidden = model.base_model(input_ids=inputs, use_cache=False).last_hidden_state[targets]
            weight = model.get_output_embeddings().weight
            logprobs = hidden_logprobs(hidden, weight, wanted, temperature)
            with torch.set_grad_enabled(torch.is_grad_enabled() and entropy_gradient):
                entropies = _hidden_entropies(hidden, weight, temperature)
        else:
            answer = model(input_ids=inputs, use_cache=False, output_hidden_states=True)
            hidden = answer.hidden_states[-1][targets]
            logits = answer.logits[targets].float() / temperature
            logprobs = logits.log_softmax(dim=-1).gather(1, wanted[:, None]).squeeze(1)
            entropies = _entropies(logits if entropy_gradient else logits.detach())
    return PolicyOutputs(logprobs, entropies, None if head is None else head(hidden))


def _entropies(logits: torch.Tensor) -> torch.Tensor:
    logprobs = logits.log_softmax(dim=-1)
    return -(logprobs.exp() * logprobs).sum(dim=-1)


def _hidden_entropies(hidden: torch.Tensor, weight: torch.Tensor, temperature: float) -> torch.Tensor:
    """In slices of positions; with a gradient each slice is computed again in the backward pass."""

    def of(part: torch.Tensor) -> torch.Tensor:
        return _entropies((part @ weight.T).float() / temperature)

    parts = hidden.split(max(1, SLICE_ELEMENTS // len(weight)))
    if not torch.is_grad_enabled():
        return torch.cat([of(part) for part in parts])
    return torch.cat([checkpoint(of, part, use_reentrant=False) for part in parts])  # type: ignore[misc]
