"""Checkpoints of a training session: whole or absent, and checked when read.

A folder with `weights.safetensors`, `optimizer.safetensors` and `state.json`, which holds the SHA-256 of
both. Nothing in it can run code. Knows tensors by name; knows nothing of models.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import load_file, save_file

from .errors import WorkerError
from .files import atomic_folder, file_sha256

FORMAT = 1
_WEIGHTS = 'weights.safetensors'
_OPTIMIZER = 'optimizer.safetensors'
_STATE = 'state.json'


class State(msgspec.Struct):
    """`seed` and `step` are the state of the random numbers: every step derives its own from them."""

    format: int
    algorithm: str
    step: int
    seed: int
    cursor: Any
    last_result: dict[str, Any] | None
    sha256: dict[str, str]


@dataclass(frozen=True)
class Checkpoint:
    state: State
    weights: Mapping[str, torch.Tensor]
    optimizer: Mapping[str, torch.Tensor]


def save(path: str, checkpoint: Checkpoint) -> int:
    """Writes it atomically; returns its size in bytes."""
    with atomic_folder(path) as folder:
        save_file(dict(checkpoint.weights), folder / _WEIGHTS)
        save_file(dict(checkpoint.optimizer), folder / _OPTIMIZER)
        hashes = {name: file_sha256(folder / name) for name in (_WEIGHTS, _OPTIMIZER)}
        state = msgspec.structs.replace(checkpoint.state, sha256=hashes)
        (folder / _STATE).write_bytes(msgspec.json.format(msgspec.json.encode(state)))
    return sum(file.stat().st_size for file in Path(path).iterdir())


def load(path: str) -> Checkpoint:
    """Raises `file_missing` if there is none and `checkpoint_corrupt` if anything in it is not as written."""
    folder = Path(path)
    if not folder.is_dir():
        raise WorkerError('file_missing', f'There is no checkpoint {folder}.')
    try:
        state = msgspec.json.decode((folder / _STATE).read_bytes(), type=State)
        if state.format != FORMAT:
            raise ValueError(f'format {state.format}, this worker reads {FORMAT}')
        for name in (_WEIGHTS, _OPTIMIZER):
            if file_sha256(folder / name) != state.sha256.get(name):
                raise ValueError(f'{name} is not what was written')
        return Checkpoint(state, load_file(folder / _WEIGHTS), load_file(folder / _OPTIMIZER))
    except (OSError, ValueError, msgspec.MsgspecError) as error:
        raise WorkerError('checkpoint_corrupt', f'{folder}: {error}', path=str(folder)) from error
