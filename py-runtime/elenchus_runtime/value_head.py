"""The critic: one linear layer in fp32 on the last hidden state.

Knows hidden states and its own file. Starts at zero, so that a critic that has learned nothing says 0 and
the first advantages are those of plain REINFORCE.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from .errors import WorkerError

FILE = 'value_head.safetensors'
PREFIX = 'value_head.'


class ValueHead(torch.nn.Module):
    """`v(s) = w . h(s) + b`; hidden states `[n, H]` of any dtype to values fp32 `[n]`."""

    def __init__(self, hidden_size: int, device: torch.device) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(hidden_size, device=device))
        self.bias = torch.nn.Parameter(torch.zeros(1, device=device))

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden.float() @ self.weight + self.bias

    def named(self) -> dict[str, torch.nn.Parameter]:
        """Its parameters under names that no model has."""
        return {f'{PREFIX}{name}': parameter for name, parameter in self.named_parameters()}


def save_value_head(folder: Path, head: ValueHead) -> None:
    weights = {name: value.detach().to('cpu', copy=True) for name, value in head.named_parameters()}
    save_file(weights, folder / FILE, metadata={'format': 'pt'})


@torch.no_grad()
def load_value_head(folder: Path, head: ValueHead) -> None:
    """Puts back what `save_value_head` wrote; a folder without one leaves the head as it is.

    Raises `model_load_failed` if the file is of another model.
    """
    if not (folder / FILE).is_file():
        return
    stored: Mapping[str, torch.Tensor] = load_file(folder / FILE)
    for name, parameter in head.named_parameters():
        if name not in stored or stored[name].shape != parameter.shape:
            raise WorkerError('model_load_failed', f'{folder / FILE} does not fit the loaded base.')
        parameter.copy_(stored[name])
