"""What a policy and its critic say at given tokens: log-probability, entropy, value.

The log-probabilities are those of `logprobs`, the kernel that everything is scored and trained with. Knows
layouts, models and the critic; knows no loss.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.utils.checkpoint import checkpoint

from .layout import Layout
from .logprobs import hidden_logprobs, hidden_logprobs_and_entropies, slice_positions, target_states
from .value_head import ValueHead
from .wide_logits import differentiable_logits


@dataclass(frozen=True)
class PolicyOutputs:
    """Each fp32 `[number of targets]`, row after row; `values` is `None` without a critic."""

    logprobs: torch.Tensor
    entropies: torch.Tensor
    values: torch.Tensor | None


def policy_outputs(
    model: Any,
    plain_head: bool,
    layout: Layout,
    temperature: float,
    head: ValueHead | None,
    *,
    freeze_trunk: bool = False,
    entropy_gradient: bool = False,
) -> PolicyOutputs:
    """The distribution at each target is that of the logits divided by `temperature`.

    `freeze_trunk`: only the critic gets gradients. The value at a target is that of the state before it.
    """
    with torch.set_grad_enabled(torch.is_grad_enabled() and not freeze_trunk):
        if plain_head:
            hidden = target_states(model, layout)
            weight = model.get_output_embeddings().weight
            if entropy_gradient and torch.is_grad_enabled():
                logprobs = hidden_logprobs(hidden, weight, layout.wanted, temperature)
                entropies = _hidden_entropies(hidden, weight, temperature)
            else:
                logprobs, entropies = hidden_logprobs_and_entropies(
                    hidden, weight, layout.wanted, temperature
                )
        else:
            answer = model(**layout.inputs, use_cache=False, output_hidden_states=True)
            hidden = answer.hidden_states[-1].flatten(0, 1)[layout.predictors]
            logits = answer.logits.flatten(0, 1)[layout.predictors].float() / temperature
            logprobs = logits.log_softmax(dim=-1).gather(1, layout.wanted[:, None]).squeeze(1)
            entropies = _entropies(logits if entropy_gradient else logits.detach())
    return PolicyOutputs(logprobs, entropies, None if head is None else head(hidden))


def _entropies(logits: torch.Tensor) -> torch.Tensor:
    logprobs = logits.log_softmax(dim=-1)
    return -(logprobs.exp() * logprobs).sum(dim=-1)


def _hidden_entropies(hidden: torch.Tensor, weight: torch.Tensor, temperature: float) -> torch.Tensor:
    """With a gradient: in slices of positions, each computed again in the backward pass."""

    def of(part: torch.Tensor) -> torch.Tensor:
        return _entropies(differentiable_logits(part, weight) / temperature)

    parts = hidden.split(slice_positions(len(weight), hidden.device))
    return torch.cat([checkpoint(of, part, use_reentrant=False) for part in parts])  # type: ignore[misc]
