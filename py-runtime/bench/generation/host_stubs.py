"""A device that takes no time: what the engine calls for arithmetic is replaced, its bookkeeping is not."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import numpy.typing as npt
import torch

from elenchus_runtime import decoder, engine_native, lean_decoder
from elenchus_runtime.lean_decoder import LeanDecoder
from elenchus_runtime.plan import Group
from elenchus_runtime.prefill import Reading

HEAD_DIM = 2
MOST_SLOTS = 4096


def make_host_base() -> Any:
    """The parts of a base that the engine itself looks at; one layer, of nearly no size."""
    config = SimpleNamespace(num_hidden_layers=1, num_key_value_heads=1, head_dim=HEAD_DIM)
    return SimpleNamespace(
        model=SimpleNamespace(config=config), device=torch.device('cpu'), dtype=torch.float32
    )


def script_of(scripts: list[list[int]], seed: int, length: int) -> npt.NDArray[np.float64]:
    """A sequence's ids, one per position."""
    return np.resize(np.asarray(scripts[seed % len(scripts)], dtype=np.float64), length)


def replaced(
    stack: ExitStack,
    scripts: list[list[int]],
    length: int,
    step: Callable[[Any, LeanDecoder, int], torch.Tensor],
    accelerator: bool,
) -> Counter[Any]:
    """Until the stack is closed, the random numbers of a sequence are the ids of its text. Returns how often
    which shape has run.
    """
    angles = torch.zeros(1, 1, HEAD_DIM)
    weights = SimpleNamespace(
        embedding=torch.zeros(1),
        layers=[None],
        kv_heads=1,
        head_dim=HEAD_DIM,
        rotary=lambda like, places: (angles.expand(1, places.shape[1], -1),) * 2,
    )
    numbers = [script_of(scripts, seed, length) for seed in range(len(scripts))]
    logits = torch.zeros(MOST_SLOTS, 1)
    real = LeanDecoder.step
    shapes: Counter[Any] = Counter()

    def run_step(shape: Any, run: Callable[[], torch.Tensor]) -> torch.Tensor:
        shapes[shape] += 1
        return run()

    put: list[tuple[Any, str, Any]] = [
        (engine_native, 'read_prompts', _read),
        (engine_native, 'draw', _draw),
        (engine_native, 'uniforms', lambda seed, count: numbers[seed % len(numbers)][:count]),
        (engine_native, 'LAPPED', frozenset({'cpu'} if accelerator else ())),
        (lean_decoder, 'StepGraphs', lambda device, most: run_step),
        (decoder, 'read_weights', lambda model: weights),
        (decoder, 'unknown', lambda model: None),
        (LeanDecoder, '_run', lambda self, slots, *_: logits[:slots]),
        (LeanDecoder, 'step', lambda self, used: step(real, self, used)),
    ]
    if accelerator:
        real_init = LeanDecoder.__init__

        def init(self: LeanDecoder, weights: Any, slots: int, *given: Any, **named: Any) -> None:
            width = given[2]
            grain = lean_decoder.accelerator_grain(slots, lean_decoder.row_count(slots, width))
            real_init(self, weights, slots, *given, grain=grain, **named)

        put.append((LeanDecoder, '__init__', init))
    for owner, name, value in put:
        stack.enter_context(mock.patch.object(owner, name, value))
    return shapes


def _read(model: Any, groups: list[Group], device: torch.device) -> list[Reading]:
    return [
        Reading(deque(group.samples), torch.zeros(2, 1, 1, len(group.prompt), HEAD_DIM), torch.zeros(1, 1))
        for group in groups
    ]


def _draw(
    logits: torch.Tensor, temperature: float, top_p: float, numbers: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    return numbers.long(), torch.zeros(len(numbers))
