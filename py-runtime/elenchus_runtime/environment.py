"""What this worker runs on: device, library versions, and warnings about them."""

from __future__ import annotations

import os
import platform
import re
import sys
from importlib import metadata
from typing import Any

import torch

from .connection import Connection
from .errors import WorkerError
from .protocol import PROTOCOL

CAPABILITIES = ['generate', 'score', 'train.sft', 'train.dpo', 'adapters', 'tokenizer.train', 'model.create']

TESTED = {
    'torch': '2.13.0',
    'transformers': '5.18.0',
    'peft': '0.21.0',
    'tokenizers': '0.23.1',
    'safetensors': '0.8.0',
    'pyzmq': '27.2.0',
    'msgspec': '0.21.0',
}
"""The versions of requirements.txt; `tests/test_environment.py` holds them together."""

LEAST = {
    'torch': (2, 9),
    'transformers': (5, 10),
    'peft': (0, 19),
    'tokenizers': (0, 22),
    'safetensors': (0, 6),
    'pyzmq': (27,),
    'msgspec': (0, 19),
}
"""The oldest that can work, as in pyproject.toml; `tests/test_environment.py` holds them together."""

CREDITS_CPU = 1024
CREDITS_ACCELERATOR = 4096
"""The guide's 500 x 8 rollouts are one request: each has an end at which slots run empty."""


def pick_device(local_rank: int) -> torch.device:
    """The accelerator of this rank, or the CPU. Visibility is the launcher's matter."""
    if torch.cuda.is_available():
        return torch.device('cuda', local_rank % torch.cuda.device_count())
    return torch.device('cpu')


def device_name(device: torch.device) -> str:
    """The product, as its driver calls it; `cpu` for the CPU."""
    return torch.cuda.get_device_name(device) if device.type == 'cuda' else device.type


def versions() -> dict[str, str]:
    """Installed versions, read from package metadata: importing them would take seconds."""
    found = {'python': platform.python_version()}
    for name in TESTED:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = 'absent'
    return found


def version_warnings(found: dict[str, str]) -> list[str]:
    return [
        f'{name} {found[name]} is outside the tested set ({tested}).'
        for name, tested in TESTED.items()
        if found[name].split('+')[0] != tested
    ]


def refuse_unsupported(found: dict[str, str]) -> None:
    """Raises `environment` for what would fail later, somewhere in a library."""
    reasons = [
        f'{name} {found[name]} (at least {".".join(map(str, least))})'
        for name, least in LEAST.items()
        if _release(found[name]) < least
    ]
    if reasons:
        raise WorkerError(
            'environment',
            f'{sys.executable} has libraries that are too old or absent: {", ".join(reasons)}. '
            'Run `elenchus setup`, or install newer ones there.',
        )


def _release(version: str) -> tuple[int, ...]:
    """(2, 13, 0) of `2.13.0+cu130`, (5, 10) of `5.10.dev0`; empty for `absent`, older than everything."""
    numbers = re.match(r'\d+(?:\.\d+)*', version)
    return tuple(int(part) for part in numbers[0].split('.')) if numbers else ()


def greeting(connection: Connection, device: torch.device) -> dict[str, Any]:
    """Body of `hello`."""
    found = versions()
    return {
        'token': connection.token,
        'protocol': PROTOCOL,
        'rank': connection.rank,
        'world_size': connection.world_size,
        'local_rank': connection.local_rank,
        'device': str(device),
        'pid': os.getpid(),
        'epoch': connection.epoch,
        'capabilities': CAPABILITIES,
        'versions': found,
        'warnings': version_warnings(found),
        'credits': CREDITS_CPU if device.type == 'cpu' else CREDITS_ACCELERATOR,
    }


def resident_bytes() -> int:
    """Resident memory of this process; 0 where the system does not tell."""
    if sys.platform != 'linux':
        return 0
    with open('/proc/self/statm') as file:
        return int(file.read().split()[1]) * os.sysconf('SC_PAGE_SIZE')
