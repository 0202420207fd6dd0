"""The forward passes that training and scoring put in place of some layers' own, and take away again.

Same arithmetic, less kept and fewer passes over memory. What they do not know for certain they leave to the
layer's own forward. Generation uses the stock model, so that there is always something to compare with.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MethodType
from typing import Any

from . import gated_mlp
from .projection import LoraLayer, adapted_linear

_FORWARDS: Mapping[type, Callable[..., Any]] = {
    LoraLayer: adapted_linear,
    **dict.fromkeys(gated_mlp.KINDS, gated_mlp.forward),
}


def install(model: Any) -> None:
    for module in model.modules():
        forward = _FORWARDS.get(type(module))
        if forward is not None:
            module.forward = MethodType(forward, module)


def remove(model: Any) -> None:
    for module in model.modules():
        if type(module) in _FORWARDS:
            vars(module).pop('forward', None)


@contextmanager
def installed(model: Any) -> Iterator[None]:
    """For a score amid a generation, whose prompts are read by the stock model."""
    install(model)
    try:
        yield
    finally:
        remove(model)
