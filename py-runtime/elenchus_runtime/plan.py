"""What a generation engine is asked to do, in ids: no request, no wire, no model."""

from __future__ import annotations

from dataclasses import dataclass

from .completion import Completion


@dataclass(frozen=True)
class Sample:
    """One completion to be written; `seed` fixes its random numbers."""

    seed: int
    completion: Completion


@dataclass(frozen=True)
class Group:
    """A prompt (ids) and the samples that share it."""

    prompt: list[int]
    samples: list[Sample]


@dataclass(frozen=True)
class Plan:
    """`slots`: how many sequences at once, `None` to let the engine choose.

    `deterministic`: a sample's text must not depend on what else is in the plan.
    """

    groups: list[Group]
    temperature: float
    top_p: float
    deterministic: bool
    slots: int | None
