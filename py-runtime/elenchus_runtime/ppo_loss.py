"""The loss of proximal policy optimisation (Schulman et al. 2017, arXiv:1707.06347) per token. Pure.

Everything arrives per token and leaves per token: the mean over the batch is taken by whoever knows how
many tokens the batch has, so that micro-batching changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from .policy_outputs import PolicyOutputs
from .protocol import PpoBatch


@dataclass(frozen=True)
class PpoTargets:
    """Each fp32 `[number of targets]`. `returns` and `old_values` come with a critic only."""

    old_logprobs: torch.Tensor
    advantages: torch.Tensor
    returns: torch.Tensor | None
    old_values: torch.Tensor | None
    reference_logprobs: torch.Tensor | None


def ppo_loss(
    now: PolicyOutputs, targets: PpoTargets, batch: PpoBatch
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """fp64 loss per token, and per-token metrics (their means over the batch are what is reported)."""
    log_ratio = now.logprobs.double() - targets.old_logprobs.double()
    ratio = log_ratio.exp()
    advantages = targets.advantages.double()
    clipped = ratio.clamp(1 - batch.clip_low, 1 + batch.clip_high)
    policy = -torch.minimum(ratio * advantages, clipped * advantages)
    metrics = {
        'policy_loss': policy,
        'entropy': now.entropies.double(),
        'clip_fraction': (clipped * advantages < ratio * advantages).double(),
        # Schulman's unbiased, non-negative estimate of KL(old || new), tokens drawn from the old policy.
        'approx_kl': ratio - 1 - log_ratio,
        'mean_log_ratio': log_ratio,
        'mean_abs_log_ratio': log_ratio.abs(),
    }
    loss = torch.zeros_like(policy) if batch.value_only else policy
    if batch.entropy_coef > 0 and not batch.value_only:
        loss = loss - batch.entropy_coef * now.entropies.double()
    if targets.reference_logprobs is not None and not batch.value_only:
        # The same estimate for KL(policy || reference) (Shao et al. 2024, arXiv:2402.03300, eq. 4).
        behind = targets.reference_logprobs.double() - now.logprobs.double()
        kl = behind.exp() - behind - 1
        metrics['reference_kl'] = kl
        loss = loss + batch.kl_coef * kl
    if now.values is not None and targets.returns is not None and targets.old_values is not None:
        value, clip_fraction = _value_loss(
            now.values.double(), targets.old_values.double(), targets.returns.double(), batch.value_clip
        )
        metrics |= {'value_loss': value, 'value_clip_fraction': clip_fraction}
        loss = loss + batch.value_coef * value
    return loss, {name: metric.detach() for name, metric in metrics.items()}


def _value_loss(
    values: torch.Tensor, old: torch.Tensor, returns: torch.Tensor, clip: float | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Half the squared error; with `clip`, the worse of it and that of the value held near the old one."""
    plain = (values - returns).square()
    if clip is None:
        return plain / 2, torch.zeros_like(plain)
    held = (old + (values - old).clamp(-clip, clip) - returns).square()
    return torch.maximum(plain, held) / 2, (held > plain).double()
