"""Run-time guards: a wrong training state is an error with a reason, never a number in a log."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch

from .errors import WorkerError
from .rows import Row

Checksums = dict[str, tuple[float, float]]


def something_trains(parameters: Mapping[str, torch.nn.Parameter]) -> None:
    if sum(parameter.numel() for parameter in parameters.values()) == 0:
        raise WorkerError('guard_failed', 'There is no trainable parameter.')
    coarse = next((name for name, parameter in parameters.items() if parameter.dtype != torch.float32), None)
    if coarse is not None:
        raise WorkerError(
            'guard_failed',
            f'{coarse} is {parameters[coarse].dtype}: small updates would be rounded away.',
            hint='Load the model in float32 to train all its weights, or train an adapter.',
        )


def finite(name: str, value: float, step: int) -> None:
    """Called before the optimiser touches the weights."""
    if not math.isfinite(value):
        raise WorkerError(
            'non_finite', f'{name} is {value} in step {step}; the weights were not changed.', step=step
        )


@torch.no_grad()
def checksums(parameters: Mapping[str, torch.nn.Parameter]) -> Checksums:
    """Sum and sum of squares of each parameter in fp64."""

    def of(weight: torch.Tensor) -> torch.Tensor:
        wide = weight.detach().double()
        return torch.stack([wide.sum(), (wide * wide).sum()])

    sums = torch.stack([of(parameter) for parameter in parameters.values()]).tolist()
    return {name: (total, squares) for name, (total, squares) in zip(parameters, sums, strict=True)}


def weights_changed(before: Checksums, parameters: Mapping[str, torch.nn.Parameter]) -> None:
    """After the first step with a learning rate above zero, something must have moved."""
    if checksums(parameters) == before:
        raise WorkerError('guard_failed', 'The first training step changed no weight.')


def ends_are_targets(rows: Sequence[Row], whole: Sequence[bool], end_ids: frozenset[int]) -> None:
    """In SFT every completion that was not cut ends with an end-of-sequence token that is a target."""
    for row, is_whole in zip(rows, whole, strict=True):
        if is_whole and not (row.targets[-1] and int(row.ids[-1]) in end_ids):
            raise WorkerError(
                'guard_failed', 'The end of a completion is not a target: the model would never stop.'
            )
