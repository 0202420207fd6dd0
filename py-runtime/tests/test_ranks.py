"""Training on several ranks: the same as on one, and all or none."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import lora
from jobs import RecordingJob
from ranks import on_ranks
from training import COMPLETIONS, PROMPTS, ROWS, begin, dpo_batch, sft_batch, take

from elenchus_runtime.adapters import Adapters
from elenchus_runtime.agreement import ShardReport
from elenchus_runtime.blobs import pack_ragged
from elenchus_runtime.collective import Collective
from elenchus_runtime.errors import WorkerError
from elenchus_runtime.models import Base, load_base
from elenchus_runtime.outcome import Outcome
from elenchus_runtime.protocol import Batch, ModelLoad, PpoBatch, TrainStep
from elenchus_runtime.session import Session

STEPS = 20
RATE = 1e-3
REFERENCE = [-170.0, -95.0, -8.0, -80.0]


@dataclass(frozen=True)
class Case:
    """A global batch; `shard` gives the part of some trajectories."""

    algorithm: str
    shard: Callable[[Base, list[int]], tuple[Batch, dict[str, np.ndarray]]]
    shards: tuple[list[int], list[int]]


def texts(rows: list[int]) -> tuple[list[str], list[int]]:
    """The distinct prompts of some trajectories, and each one's place among them."""
    used = sorted({ROWS[row] for row in rows})
    return [PROMPTS[prompt] for prompt in used], [used.index(ROWS[row]) for row in rows]


def ids_of(base: Base, rows: list[int]) -> dict[str, np.ndarray]:
    all_ids = base.encode_arrays(COMPLETIONS, special_tokens=False)
    return pack_ragged('ids', [all_ids[row] for row in rows], 'i32')


def sft(base: Base, rows: list[int]) -> tuple[Batch, dict[str, np.ndarray]]:
    prompts = [PROMPTS[ROWS[row]] for row in rows]
    return sft_batch(prompts=prompts, completions=[COMPLETIONS[row] for row in rows]), {}


def dpo(base: Base, rows: list[int]) -> tuple[Batch, dict[str, np.ndarray]]:
    """Pairs within the prompts: one of the first, three of the second question's trajectories."""
    pairs = [pair for pair in [(0, 1), (2, 3), (3, 2), (2, 3)] if pair[0] in rows]
    prompts, places = texts(rows)
    local = [(rows.index(chosen), rows.index(rejected)) for chosen, rejected in pairs]
    batch = dpo_batch(prompts=prompts, rows=places, pairs=local, nll_coef=0.1)
    sums = np.asarray([REFERENCE[row] for row in rows], dtype='<f8')
    return batch, ids_of(base, rows) | {'reference_sums': sums}


def ppo(base: Base, rows: list[int], **changes: Any) -> tuple[Batch, dict[str, np.ndarray]]:
    prompts, places = texts(rows)
    fields: dict[str, Any] = {
        'prompts': prompts,
        'rows': places,
        'max_length': 400,
        'temperature': 1.0,
        'clip_low': 0.2,
        'clip_high': 0.3,
        'value_coef': 0.5,
        'value_learning_rate': RATE,
        'entropy_coef': 0.01,
    }
    blobs = ids_of(base, rows)
    random = np.random.default_rng(1)
    ends = np.cumsum([0, *(len(ids) for ids in base.encode_arrays(COMPLETIONS, special_tokens=False))])
    columns = {name: random.standard_normal(ends[-1]) for name in ('advantages', 'returns')}
    columns['old_logprobs'] = -3.0 + 0.1 * random.standard_normal(ends[-1])
    columns['old_values'] = 0.1 * random.standard_normal(ends[-1])
    for name, values in columns.items():
        parts = [values[ends[row] : ends[row + 1]] for row in rows]
        blobs[name] = np.concatenate([np.empty(0), *parts]).astype('<f4')
    return PpoBatch(**(fields | changes)), blobs


CASES = {
    'sft': Case('sft', sft, ([0, 1, 2], [3])),
    'dpo': Case('dpo', dpo, ([0, 1], [2, 3])),
    'ppo': Case('ppo', ppo, ([3], [0, 1, 2])),
    'one empty': Case('sft', sft, ([], [0, 1, 2, 3])),
}


def open_session(
    base: Base, case: Case, collective: Collective | None, full: bool, **changes: Any
) -> Session:
    adapters = Adapters(base)
    if not full:
        adapters.create(lora('a'))
    return begin(
        base,
        adapters,
        None if full else 'a',
        collective,
        algorithm=case.algorithm,
        value_head=case.algorithm == 'ppo',
        **changes,
    )


def first_gradient(session: Session, batch: Batch, blobs: dict[str, np.ndarray]) -> torch.Tensor:
    spec = TrainStep(session='s', step=1, learning_rate=RATE, batch=batch)
    session._whole_batch(spec, blobs, RecordingJob(blobs))
    parts = [weight.grad for weight in session._parameters.values()]
    gradients = [
        part.full_tensor() if hasattr(part, 'full_tensor') else part  # type: ignore[union-attr]
        for part in parts
    ]
    flat = torch.cat([part.reshape(-1) for part in gradients if part is not None]).clone()
    session._clear()
    return flat


def run(
    folder: Path, case: Case, collective: Collective | None, full: bool = False, sharding: str = 'none'
) -> dict[str, Any]:
    """Gradient of the first step, results of twenty, and weights after them."""
    base = load_base(ModelLoad(model=str(folder)), torch.device('cpu'))
    session = open_session(base, case, collective, full, sharding=sharding)
    shards = (list(range(len(ROWS))),) if collective is None else case.shards
    batch, blobs = case.shard(base, shards[0 if collective is None else collective.rank])
    gradient = first_gradient(session, batch, blobs)
    steps = [take(session, step, batch, blobs, RATE) for step in range(1, STEPS + 1)]
    return {
        'gradient': gradient,
        'steps': steps,
        'weights': torch.cat([weight.reshape(-1) for weight in session._weights().values()]),
        'fingerprint': session.weights_fingerprint(),
    }


def relative(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).norm() / expected.norm())


def assert_as_on_one(ranks: list[dict[str, Any]], one: dict[str, Any]) -> None:
    first, second = ranks
    assert first['fingerprint'] == second['fingerprint']
    assert first['steps'] == second['steps']
    assert relative(first['gradient'], one['gradient']) < 1e-5
    assert relative(first['weights'], one['weights']) < 1e-3
    # Losses part ways as weights do; the first is of the same weights.
    assert first['steps'][0]['loss'] == pytest.approx(one['steps'][0]['loss'], rel=1e-5)
    assert first['steps'][0]['grad_norm'] == pytest.approx(one['steps'][0]['grad_norm'], rel=1e-5)
    assert set(first['steps'][0]['metrics']) == set(one['steps'][0]['metrics'])
    for name, value in one['steps'][0]['metrics'].items():
        assert first['steps'][0]['metrics'][name] == pytest.approx(value, rel=1e-5, abs=1e-6), name
    for mine, its in zip(first['steps'], one['steps'], strict=True):
        assert mine['loss'] == pytest.approx(its['loss'], rel=1e-3, abs=1e-4)
        assert (mine['tokens'], mine['truncated']) == (its['tokens'], its['truncated'])


@pytest.mark.parametrize('name', CASES)
def test_two_ranks_train_an_adapter_as_one_does(tiny_folder: Path, tmp_path: Path, name: str) -> None:
    case = CASES[name]
    ranks = on_ranks(tmp_path, lambda collective: run(tiny_folder, case, collective))
    assert_as_on_one(ranks, run(tiny_folder, case, None))


@pytest.mark.parametrize(
    ('name', 'sharding'),
    [('sft', 'none'), ('sft', 'fsdp2'), ('dpo', 'fsdp2'), ('ppo', 'none'), ('ppo', 'fsdp2')],
)
def test_two_ranks_train_all_weights_as_one_does(
    tiny_folder: Path, tmp_path: Path, name: str, sharding: str
) -> None:
    case = CASES[name]
    ranks = on_ranks(tmp_path, lambda collective: run(tiny_folder, case, collective, True, sharding))
    assert_as_on_one(ranks, run(tiny_folder, case, None, True))


def test_the_optimiser_is_dealt_to_the_ranks(tiny_folder: Path, tmp_path: Path) -> None:
    def moments(collective: Collective, sharding: str) -> int:
        base = load_base(ModelLoad(model=str(tiny_folder)), torch.device('cpu'))
        case = CASES['sft']
        session = open_session(base, case, collective, True, sharding=sharding)
        batch, blobs = case.shard(base, case.shards[collective.rank])
        take(session, 1, batch, blobs, RATE)
        tensors = [value for state in session._optimiser._adam.state.values() for value in state.values()]
        local = [value.to_local() if hasattr(value, 'to_local') else value for value in tensors]
        return sum(value.numel() for value in local)

    def both(collective: Collective) -> tuple[int, int]:
        return moments(collective, 'none'), moments(collective, 'fsdp2')

    for whole, dealt in on_ranks(tmp_path, both):
        # What plan.md says: half of it on each of two, up to rows that cannot be halved.
        assert dealt / whole == pytest.approx(0.5, abs=0.05)


def failing(folder: Path, collective: Collective) -> dict[str, Any]:
    """What the ranks say when one runs out of memory, cannot go on, or sees no finite loss."""
    base = load_base(ModelLoad(model=str(folder)), torch.device('cpu'))
    case = CASES['sft']
    session = open_session(base, case, collective, False)
    batch, blobs = case.shard(base, case.shards[collective.rank])
    first = take(session, 1, batch, blobs, RATE)
    before = session.weights_fingerprint()
    codes = []
    real = session._prepare

    def fails(kind: Exception, times: int, on: int = 1) -> None:
        left = [times if collective.rank == on else 0]

        def prepare(*arguments: Any) -> Any:
            prepared = real(*arguments)
            inner = prepared.accumulate

            def accumulate(budget: int, before: Any) -> Outcome:
                outcome = inner(budget, before)
                if left[0] > 0:
                    left[0] -= 1
                    raise kind
                return outcome

            return dataclasses.replace(prepared, accumulate=accumulate)

        session._prepare = prepare  # type: ignore[method-assign]

    for failure in (WorkerError('cancelled', 'stop'), RuntimeError('a bug')):
        fails(failure, 1)
        with pytest.raises((WorkerError, RuntimeError)) as caught:
            take(session, 2, batch, blobs, RATE)
        codes.append(getattr(caught.value, 'code', str(caught.value)))
    assert session.weights_fingerprint() == before
    fails(torch.OutOfMemoryError('full'), 1, on=0)
    second = take(session, 2, batch, blobs, RATE)
    return {'first': first, 'second': second, 'codes': codes, 'fingerprint': session.weights_fingerprint()}


def test_a_step_is_taken_by_all_ranks_or_by_none(tiny_folder: Path, tmp_path: Path) -> None:
    first, second = on_ranks(tmp_path, lambda collective: failing(tiny_folder, collective))
    assert first['codes'] == ['peer_failed', 'peer_failed']
    assert second['codes'] == ['cancelled', 'a bug']
    # Out of memory on one rank: it halves for itself, and all take the step.
    assert first['second'] == second['second']
    assert first['fingerprint'] == second['fingerprint']
    assert first['second']['metrics']['micro_batch_tokens'] < first['first']['metrics']['micro_batch_tokens']


def test_a_rank_whose_peer_is_gone_says_so(tmp_path: Path) -> None:
    def part(collective: Collective) -> str:
        assert [each.loss for each in collective.exchange(ShardReport(loss=collective.rank))] == [0, 1]
        if collective.rank == 1:
            return 'left'
        with pytest.raises(WorkerError) as caught:
            collective.exchange(ShardReport())
        return caught.value.code

    assert on_ranks(tmp_path, part) == ['peer_failed', 'left']
