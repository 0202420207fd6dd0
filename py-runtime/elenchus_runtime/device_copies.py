"""Copies between host and device that let both go on.

A copy from or to ordinary memory makes the host wait for everything that the device has been given before.
From and to pinned memory it only takes its place in the queue.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch


def to_device(numbers: list[int] | npt.NDArray[Any] | torch.Tensor, device: torch.device) -> torch.Tensor:
    host = numbers if isinstance(numbers, torch.Tensor) else torch.from_numpy(np.asarray(numbers))
    # Torch keeps the pinned block until the copy has been made.
    return host if device.type == 'cpu' else host.pin_memory().to(device, non_blocking=True)


class ToHost:
    """A tensor on its way to the host."""

    def __init__(self, tensor: torch.Tensor) -> None:
        self._arrived: torch.cuda.Event | None = None
        self._host = tensor
        if tensor.is_cuda:
            self._host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
            self._host.copy_(tensor, non_blocking=True)
            self._arrived = torch.cuda.Event()
            self._arrived.record()

    def wait(self) -> torch.Tensor:
        """Waits for this copy alone, not for what the device was given after it."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return self._host
