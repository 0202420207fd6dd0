"""Decode steps replayed as CUDA graphs: one capture per shape, and no Python between the kernels.

On other devices the step simply runs, and so it does once a capture has failed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from functools import cache
from typing import Any

import torch

from .log import warn

EAGER_RUNS = 2
"""A shape runs this often before it is captured: libraries warm up, and rare shapes are not worth it."""


class StepGraphs:
    """`step` must be a function of buffers that stay where they are, the same for the same `shape`."""

    def __init__(self, device: torch.device, most: int) -> None:
        """`most`: rows that a result may have."""
        self._device = device
        self._most = most
        self._results: torch.Tensor | None = None
        """Of all graphs: one each, of 500 x 150,000 logits, would take gigabytes."""
        self._capturing = device.type == 'cuda'
        self._runs: Counter[Hashable] = Counter()
        self._graphs: dict[Hashable, tuple[Any, torch.Tensor]] = {}
        self._pool: tuple[Any, ...] = ()

    def __call__(self, shape: Hashable, step: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The result is valid until the next call."""
        self._runs[shape] += 1
        if shape not in self._graphs and self._capturing and self._runs[shape] > EAGER_RUNS:
            self._try_capture(shape, step)
        if shape not in self._graphs:
            return step()
        graph, result = self._graphs[shape]
        graph.replay()
        return result

    def _try_capture(self, shape: Hashable, step: Callable[[], torch.Tensor]) -> None:
        """A capture that fails costs speed and nothing else; graphs that are there go on."""
        try:
            self._graphs[shape] = self._capture(step)
        except RuntimeError as error:
            # Out of memory is one of them.
            self._capturing = False
            warn(f'further decode steps are not captured: {error}')

    def _capture(self, step: Callable[[], torch.Tensor]) -> tuple[Any, torch.Tensor]:
        if self._results is None:
            self._results = self._make_results(step())
        graph = torch.cuda.CUDAGraph()
        torch.cuda.synchronize(self._device)
        # A capture can take memory from the driver only, never from what torch keeps for others.
        torch.cuda.empty_cache()
        # As `torch.cuda.graph` does; but that leaves its stream in use when a capture fails.
        with torch.cuda.stream(_capture_stream(self._device)):
            # Of this thread: NCCL's watchdog asks for its events whenever it likes.
            graph.capture_begin(*self._pool, capture_error_mode='thread_local')
            try:
                made = step()
                result = self._results[: len(made)]
                result.copy_(made)
            finally:
                graph.capture_end()
        # Graphs never run at the same time, so they may share their memory.
        self._pool = (graph.pool(),)
        return graph, result

    def _make_results(self, example: torch.Tensor) -> torch.Tensor:
        return example.new_empty(self._most, *example.shape[1:])


@cache
def _capture_stream(device: torch.device) -> torch.cuda.Stream:
    """One for good: cuBLAS keeps a workspace for every stream that it has seen."""
    return torch.cuda.Stream(device)
