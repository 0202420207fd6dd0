"""The `generate` operation: requests in, completions out as they finish, whichever engine runs.

Knows requests, prompts and what is sent; the engines know how tokens are made.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from . import canary, engine_native, engine_transformers
from .completion import Completion, read_limits
from .decoder import decoder_path
from .errors import WorkerError
from .job import Job
from .models import Base
from .plan import Group, Plan, Sample
from .protocol import Generate


class Engine(Protocol):
    """Yields every sample's completion once, when it has ended; `tick` after each unit of work."""

    def __call__(
        self, base: Base, model: Any, plan: Plan, tick: Callable[[int], None]
    ) -> Iterator[Completion]: ...


ENGINES: dict[str, Engine] = {'native': engine_native.run, 'transformers': engine_transformers.run}


@dataclass
class Totals:
    completions: int = 0
    generated: int = 0


def generate(base: Base, model: Any, spec: Generate, job: Job) -> dict[str, Any]:
    """Runs a request; completions leave as events, the result says how much was done."""
    started = time.monotonic()
    name = _pick_engine(base, spec.engine)
    plan, refused = _plan(base, spec)
    totals = Totals()
    live = 0

    def tick(tokens: int) -> None:
        nonlocal live
        live += tokens
        job.advance()
        job.progress(totals.completions, len(spec.requests), generated_tokens=live)

    job.enter('step')
    for completion in refused:
        _emit(job, completion, spec.logprobs, totals)
    prompts = {sample.completion.key: group.prompt for group in plan.groups for sample in group.samples}
    if name == 'native':
        base.watch.note(model, spec.policy)
    for completion in ENGINES[name](base, model, plan, tick):
        if name == 'native':
            canary.check(base, model, plan, prompts[completion.key], completion, job)
        _emit(job, completion, spec.logprobs, totals)
    prompt_tokens = sum(len(group.prompt) for group in plan.groups)
    # Nothing is read after a last token.
    sampled = totals.completions - len(refused)
    read = prompt_tokens + totals.generated - sampled
    job.did('generated', totals.generated, base.sizes.flop(read, totals.generated))
    facts: dict[str, Any] = {'decoder': decoder_path(model)} if name == 'native' else {}
    return facts | {
        'completions': totals.completions,
        'generated_tokens': totals.generated,
        'prompt_tokens': prompt_tokens,
        'seconds': time.monotonic() - started,
        'engine': name,
    }


def _pick_engine(base: Base, wanted: str) -> str:
    if wanted != 'auto':
        if wanted == 'native' and (reason := engine_native.unsupported(base)):
            raise WorkerError(
                'capability_missing',
                f'The native engine cannot run this model: {reason}.',
                hint='Use engine auto.',
            )
        return wanted
    return 'transformers' if engine_native.unsupported(base) else 'native'


def _plan(base: Base, spec: Generate) -> tuple[Plan, list[Completion]]:
    """Groups the samples of equal prompts; prompts that leave no room are answered at once."""
    sampling = spec.sampling
    if sampling.temperature < 0 or not 0 < sampling.top_p <= 1 or sampling.max_new_tokens < 1:
        raise WorkerError('bad_request', 'temperature must be >= 0, top_p in (0, 1], max_new_tokens >= 1.')
    if len({request.key for request in spec.requests}) != len(spec.requests):
        raise WorkerError('bad_request', 'Two requests have the same key.')
    if spec.deterministic and (base.device.type != 'cpu' or str(base.dtype) != 'torch.float32'):
        raise WorkerError('bad_request', 'deterministic generation needs the CPU and float32.')
    limits = read_limits(spec, base.eos_ids)
    distinct = list(dict.fromkeys(request.prompt for request in spec.requests))
    ids_of = dict(zip(distinct, base.encode(distinct, special_tokens=True), strict=True))
    longest = min(spec.max_prompt_tokens or base.max_positions, base.max_positions - 1)
    groups: dict[str, Group] = {}
    refused: list[Completion] = []
    for request in spec.requests:
        prompt = ids_of[request.prompt]
        room = min(sampling.max_new_tokens, base.max_positions - len(prompt))
        completion = Completion(request.key, len(prompt), room, limits, base.texts)
        if not prompt:
            raise WorkerError('bad_request', f'The prompt of {request.key!r} has no tokens.')
        if len(prompt) > longest:
            completion.finish_reason = 'prompt_too_long'
            refused.append(completion)
        else:
            group = groups.setdefault(request.prompt, Group(prompt, []))
            group.samples.append(Sample(request.seed, completion))
    plan = Plan(
        groups=list(groups.values()),
        temperature=sampling.temperature,
        top_p=sampling.top_p,
        deterministic=spec.deterministic,
        slots=spec.slots,
    )
    return plan, refused


def _emit(job: Job, completion: Completion, logprobs: bool, totals: Totals) -> None:
    totals.completions += 1
    totals.generated += len(completion.ids)
    body: dict[str, Any] = {
        'type': 'completion',
        'key': completion.key,
        'text': completion.text,
        'finish_reason': completion.finish_reason,
        'num_tokens': len(completion.ids),
        'prompt_tokens': completion.prompt_tokens,
    }
    if completion.stop_name is not None:
        body['stop_name'] = completion.stop_name
    blobs = {'ids': np.asarray(completion.ids, dtype='<i4')}
    if logprobs:
        blobs['logprobs'] = np.asarray(completion.logprobs, dtype='<f4')
    job.emit(body, blobs)
