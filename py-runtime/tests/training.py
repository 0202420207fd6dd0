"""Parts that the training tests share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jobs import RecordingJob

from elenchus_runtime.adapters import Adapters
from elenchus_runtime.blobs import pack_ragged
from elenchus_runtime.collective import Collective
from elenchus_runtime.models import Base
from elenchus_runtime.protocol import Batch, DpoBatch, OptimizerSettings, SftBatch, TrainBegin, TrainStep
from elenchus_runtime.session import Session

PROMPTS = ['Query: Max is a yumpus.\nProof:\n', 'Every wumpus is a yumpus. [0]\n']
COMPLETIONS = ['Thought: So Max is a yumpus.\n', 'Action: nothing\n', 'x', 'TRUE. Every yumpus [1]']
ROWS = [0, 0, 1, 1]
PAIRS = [(0, 1), (0, 2), (2, 3), (3, 1)]


def begin(
    base: Base,
    adapters: Adapters,
    policy: str | None = None,
    collective: Collective | None = None,
    **changes: Any,
) -> Session:
    fields: dict[str, Any] = {
        'session': 's',
        'algorithm': 'sft',
        'policy': policy,
        'optimizer': OptimizerSettings(betas=(0.9, 0.99), eps=1e-8, weight_decay=0.0, max_grad_norm=1e9),
        'micro_batch_tokens': 10_000,
        'seed': 5,
    }
    return Session(TrainBegin(**(fields | changes)), base, adapters, collective)


def take(
    session: Session, step: int, batch: Batch, blobs: dict[str, np.ndarray] | None = None, rate: float = 1e-3
) -> dict[str, Any]:
    spec = TrainStep(session='s', step=step, learning_rate=rate, batch=batch)
    return session.step(spec, blobs or {}, RecordingJob(blobs))


def sft_batch(**changes: Any) -> SftBatch:
    fields: dict[str, Any] = {
        'prompts': [PROMPTS[row] for row in ROWS],
        'completions': COMPLETIONS,
        'max_length': 400,
    }
    return SftBatch(**(fields | changes))


def dpo_batch(**changes: Any) -> DpoBatch:
    fields: dict[str, Any] = {
        'prompts': PROMPTS,
        'rows': ROWS,
        'pairs': PAIRS,
        'beta': 0.3,
        'max_length': 400,
    }
    return DpoBatch(**(fields | changes))


def dpo_blobs(base: Base, reference: list[float] | None = None) -> dict[str, np.ndarray]:
    """Completions as ids; a reference that is not the policy, so that every term of the loss counts."""
    blobs = pack_ragged('ids', base.encode_arrays(COMPLETIONS, special_tokens=False), 'i32')
    return blobs | {'reference_sums': np.asarray(reference or [-170.0, -95.0, -8.0, -80.0], dtype='<f8')}


def weights_of(base: Base) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in base.model.named_parameters()}


def gradients_of(base: Base) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in base.model.named_parameters() if p.grad is not None}


def assert_same(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor], **tolerance: float) -> None:
    assert set(first) == set(second)
    for name, tensor in first.items():
        torch.testing.assert_close(tensor, second[name], msg=name, **tolerance)
