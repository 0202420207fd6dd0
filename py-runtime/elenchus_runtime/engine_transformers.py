"""transformers' own `generate`, as the reference for the native engine and the fallback for other models.

The random numbers are the same: a logits processor makes the draw and leaves `generate` no other choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from transformers import LogitsProcessor, StoppingCriteria

from .completion import Completion
from .models import Base
from .plan import Plan, Sample
from .sampling import draw, uniforms

ROWS = 32


@torch.inference_mode()
def run(base: Base, model: Any, plan: Plan, tick: Callable[[int], None]) -> Iterator[Completion]:
    """Yields each sample's completion, batch by batch. `tick(tokens)` is called after every decode step."""
    waiting = [(group.prompt, sample) for group in plan.groups for sample in group.samples]
    # Alone in its batch, a sample has nothing beside it that could change its arithmetic.
    rows = 1 if plan.deterministic else plan.slots or ROWS
    for start in range(0, len(waiting), rows):
        batch = waiting[start : start + rows]
        _generate(base, model, plan, batch, tick)
        yield from (sample.completion for _, sample in batch)


def _generate(
    base: Base, model: Any, plan: Plan, batch: list[tuple[list[int], Sample]], tick: Callable[[int], None]
) -> None:
    width = max(len(prompt) for prompt, _ in batch)
    ids = torch.zeros(len(batch), width, dtype=torch.int64)
    mask = torch.zeros_like(ids)
    for row, (prompt, _) in enumerate(batch):
        ids[row, width - len(prompt) :] = torch.tensor(prompt)
        mask[row, width - len(prompt) :] = 1
    completions = [sample.completion for _, sample in batch]
    draw = _Draw(plan, [sample for _, sample in batch])
    model.generate(
        input_ids=ids.to(base.device),
        attention_mask=mask.to(base.device),
        do_sample=False,
        max_new_tokens=max(completion.max_tokens for completion in completions),
        logits_processor=[draw],
        stopping_criteria=[_Record(completions, draw, tick)],
        # Ends are the completions' matter; whatever comes after one is not looked at.
        eos_token_id=None,
        pad_token_id=base.tokenizer.pad_token_id if base.tokenizer.pad_token_id is not None else 0,
    )


class _Draw(LogitsProcessor):
    """Chooses every row's token and makes it the only possible one."""

    def __init__(self, plan: Plan, samples: list[Sample]) -> None:
        self._plan = plan
        self._step = 0
        longest = max(sample.completion.max_tokens for sample in samples)
        self._numbers = torch.stack([torch.from_numpy(uniforms(sample.seed, longest)) for sample in samples])
        self.picked: list[float] = []

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        numbers = self._numbers[:, self._step].to(scores.device)
        tokens, picked = draw(scores, self._plan.temperature, self._plan.top_p, numbers)
        self.picked = picked.tolist()
        self._step += 1
        return torch.full_like(scores, -torch.inf).scatter_(1, tokens[:, None], 0.0)


class _Record(StoppingCriteria):
    """Feeds the completions and says which rows are done."""

    def __init__(self, completions: list[Completion], draw: _Draw, tick: Callable[[int], None]) -> None:
        self._completions = completions
        self._draw = draw
        self._tick = tick

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        live = 0
        for completion, id, logprob in zip(
            self._completions, input_ids[:, -1].tolist(), self._draw.picked, strict=True
        ):
            if completion.finish_reason is None:
                live += 1
                completion.push(id, logprob)
        self._tick(live)
        done = [completion.finish_reason is not None for completion in self._completions]
        return torch.tensor(done, device=input_ids.device)
