"""Decode steps replayed as CUDA graphs: one capture per shape, and no Python between the kernels.

On other devices the step simply runs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import torch

EAGER_RUNS = 2
"""A shape runs this often before it is captured: rare shapes are not worth it, and libraries warm up."""


class StepGraphs:
    """`step` must be a function of buffers that stay where they are, the same for the same `shape`."""

    def __init__(self, device: torch.device, most: int) -> None:
        """`most`: rows that a result may have."""
        self._most = most
        self._results: torch.Tensor | None = None
        """Of all graphs: one each, of 500 x 150,000 logits, would take gigabytes."""
        self._capturing = device.type == 'cuda'
        self._runs: Counter[Hashable] = Counter()
        self._graphs: dict[Hashable, tuple[Any, torch.Tensor]] = {}
        self._pool: Any = None

    def __call__(self, shape: Hashable, step: Callable[[], torch.Tensor]) -> torch.Tensor:
        """The result is valid until the next call."""
        self._runs[shape] += 1
        if not self._capturing or self._runs[shape] <= EAGER_RUNS:
            return step()
        if shape not in self._graphs:
            self._graphs[shape] = self._capture(step)
        graph, result = self._graphs[shape]
        graph.replay()
        return result

    def _capture(self, step: Callable[[], torch.Tensor]) -> tuple[Any, torch.Tensor]:
        if self._results is None:
            self._results = self._make_results(step())
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool):
            made = step()
            result = self._results[: len(made)]
            result.copy_(made)
        # Graphs never run at the same time, so they may share their memory.
        self._pool = graph.pool()
        return graph, result

    def _make_results(self, example: torch.Tensor) -> torch.Tensor:
        return example.new_empty(self._most, *example.shape[1:])
