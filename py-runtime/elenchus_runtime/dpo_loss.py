"""The preference losses, as functions of one log-probability per trajectory.

With m = (s_chosen - s_rejected) - (r_chosen - r_rejected), s of the policy and r of the reference:

- sigmoid: -log sigma(beta m); with label smoothing e: (1-e) * that - e * log sigma(-beta m)
  (Rafailov et al. 2023, arXiv:2305.18290; conservative variant in Mitchell's note on cDPO)
- robust: ((1-e) * -log sigma(beta m) + e * log sigma(-beta m)) / (1 - 2e)
  (Chowdhury et al. 2024, arXiv:2403.00409)
- hinge: max(0, 1 - beta m)   (SLiC, Zhao et al. 2023, arXiv:2305.10425)
- ipo: (m - 1/(2 beta))^2   (Azar et al. 2023, arXiv:2310.12036)

`nll_coef` adds minus the chosen side's log-probability per token, counted once per pair
(Pang et al. 2024, arXiv:2404.19733). `length_normalised` divides s and r by the completion's length.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from .protocol import DpoBatch


@dataclass(frozen=True)
class PairSet:
    """P pairs over T trajectories: `chosen`, `rejected` int64 `[P]` are indices, `weights` fp64 `[P]`.

    `reference` fp64 `[T]` are sums of log-probabilities, `lengths` fp64 `[T]` completion tokens. All are on
    one device, and what is computed from them stays there.
    """

    chosen: torch.Tensor
    rejected: torch.Tensor
    weights: torch.Tensor
    reference: torch.Tensor
    lengths: torch.Tensor


def preference_loss(
    sums: torch.Tensor, pairs: PairSet, batch: DpoBatch
) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Mean over pairs of weight times loss, and metrics, from the policy's `sums`, fp64 `[T]`."""
    per = pairs.lengths if batch.length_normalised else torch.ones_like(pairs.lengths)
    ratio = sums / per - pairs.reference / per
    chosen, rejected = ratio[pairs.chosen], ratio[pairs.rejected]
    losses = _pair_losses(chosen - rejected, batch)
    nll = -(sums / pairs.lengths)[pairs.chosen]
    if batch.nll_coef:
        losses = losses + batch.nll_coef * nll
    loss = (pairs.weights * losses).mean()
    margin = batch.beta * (chosen - rejected)
    gap = (sums - pairs.reference).abs() / pairs.lengths
    metrics = {
        'accuracy': (margin > 0).double().mean(),
        'margin': margin.mean(),
        'chosen_reward': batch.beta * chosen.mean(),
        'rejected_reward': batch.beta * rejected.mean(),
        'chosen_logp': sums[pairs.chosen].mean(),
        'rejected_logp': sums[pairs.rejected].mean(),
        'nll': nll.mean(),
        'reference_gap': (sums - pairs.reference).abs().max(),
        'reference_gap_per_token': (gap[pairs.chosen] + gap[pairs.rejected]).mean() / 2,
    }
    return loss, {name: value.detach() for name, value in metrics.items()}


def _pair_losses(margin: torch.Tensor, batch: DpoBatch) -> torch.Tensor:
    scaled, smoothing = batch.beta * margin, batch.label_smoothing
    match batch.loss:
        case 'sigmoid':
            return -F.logsigmoid(scaled) * (1 - smoothing) - F.logsigmoid(-scaled) * smoothing
        case 'robust':
            straight = -F.logsigmoid(scaled) * (1 - smoothing) + F.logsigmoid(-scaled) * smoothing
            return straight / (1 - 2 * smoothing)
        case 'hinge':
            return torch.relu(1 - scaled)
        case 'ipo':
            return (margin - 1 / (2 * batch.beta)) ** 2
