"""Both engines: the same text, true log-probabilities, and nothing that depends on what runs beside it."""

from __future__ import annotations

import random
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import TEXTS, lora, make_tokenizer
from families import NATIVE, OTHERS, write_family
from jobs import RecordingJob

from elenchus_runtime import engine_native
from elenchus_runtime.adapters import Adapters
from elenchus_runtime.errors import WorkerError
from elenchus_runtime.generate import _plan as make_plan
from elenchus_runtime.generate import generate
from elenchus_runtime.lean_decoder import LeanDecoder
from elenchus_runtime.models import Base, load_base
from elenchus_runtime.protocol import Generate, GenerateItem, ModelLoad, Sampling, SegmentRule, StopRule
from elenchus_runtime.rows import completion_row
from elenchus_runtime.score import score_rows

PROMPTS = [TEXTS[0], 'Max', 'Every wumpus is a yumpus. [0]\n' * 4, TEXTS[2]]
Completions = dict[str, tuple[dict[str, Any], dict[str, np.ndarray]]]


def request(
    keys: range | list[int], temperature: float = 1.0, top_p: float = 1.0, **changes: Any
) -> Generate:
    """Request k has prompt k // 3 mod 4 and seed k."""
    fields: dict[str, Any] = {
        'policy': None,
        'requests': [GenerateItem(key=str(k), prompt=PROMPTS[k // 3 % len(PROMPTS)], seed=k) for k in keys],
        'sampling': Sampling(temperature=temperature, top_p=top_p, max_new_tokens=changes.pop('limit', 30)),
    }
    return Generate(**(fields | changes))


def run(base: Base, spec: Generate, adapters: Adapters | None = None) -> Completions:
    job = RecordingJob()
    model = adapters.use(spec.policy) if adapters is not None else base.model
    result = generate(base, model, spec, job)
    found = job.completions()
    assert result['completions'] == len(found) == len(spec.requests)
    assert result['generated_tokens'] == sum(len(blobs['ids']) for _, blobs in found.values())
    return found


def texts(found: Completions) -> dict[str, tuple[str, str]]:
    return {key: (body['text'], body['finish_reason']) for key, (body, _) in found.items()}


def scored(base: Base, spec: Generate, found: Completions, temperature: float = 1.0) -> list[np.ndarray]:
    """Log-probabilities of the same ids by the training kernel, one forward pass each."""
    rows = []
    for item in spec.requests:
        (prompt,) = base.encode([item.prompt], special_tokens=True)
        rows.append(completion_row(prompt, found[item.key][1]['ids']))
    return score_rows(base, base.model, rows, temperature, 1000, RecordingJob())


@pytest.fixture(scope='module')
def families(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Base]:
    folder = tmp_path_factory.mktemp('families')
    tokenizer = make_tokenizer(folder)
    paths = {name: write_family(name, tokenizer, folder) for name in NATIVE | OTHERS}
    return {name: load_base(ModelLoad(model=str(path)), torch.device('cpu')) for name, path in paths.items()}


@pytest.mark.parametrize('family', NATIVE)
@pytest.mark.parametrize(('temperature', 'top_p'), [(0.0, 1.0), (1.0, 1.0), (0.7, 0.9)])
def test_the_native_engine_writes_what_transformers_writes(
    families: dict[str, Base], family: str, temperature: float, top_p: float
) -> None:
    base = families[family]
    native = run(base, request(range(24), temperature, top_p, engine='native', slots=5))
    reference = run(base, request(range(24), temperature, top_p, engine='transformers'))
    assert texts(native) == texts(reference)
    for key, (_, blobs) in native.items():
        np.testing.assert_array_equal(blobs['ids'], reference[key][1]['ids'])
        np.testing.assert_allclose(blobs['logprobs'], reference[key][1]['logprobs'], atol=1e-4)


@pytest.mark.parametrize('family', NATIVE)
def test_logprobs_are_those_of_the_training_kernel(families: dict[str, Base], family: str) -> None:
    base = families[family]
    spec = request(range(24), temperature=0.8, slots=7)
    found = run(base, spec)
    for item, expected in zip(spec.requests, scored(base, spec, found, temperature=0.8), strict=True):
        np.testing.assert_allclose(found[item.key][1]['logprobs'], expected, atol=1e-4)


@pytest.mark.parametrize('family', OTHERS)
def test_models_of_another_structure_fall_back_to_transformers(
    families: dict[str, Base], family: str
) -> None:
    base = families[family]
    job = RecordingJob()
    spec = request(range(4))
    assert generate(base, base.model, spec, job)['engine'] == 'transformers'
    for item, expected in zip(spec.requests, scored(base, spec, job.completions()), strict=True):
        np.testing.assert_allclose(job.completions()[item.key][1]['logprobs'], expected, atol=1e-4)
    with pytest.raises(WorkerError) as caught:
        run(base, request(range(4), engine='native'))
    assert caught.value.code == 'capability_missing'


def test_a_window_limits_positions_and_is_gone_below_it(families: dict[str, Base]) -> None:
    base = families['mistral']
    assert base.max_positions == 200
    assert base.model.config.sliding_window is None
    assert base.config.sliding_window == 200


@pytest.mark.parametrize('engine', ['native', 'transformers'])
def test_adapters_answer_as_themselves_in_one_model(base: Base, adapters: Adapters, engine: str) -> None:
    for name in ('a', 'b'):
        adapters.create(lora(name, seed=ord(name)))
        for parameter in adapters.train(name).values():
            torch.nn.init.normal_(parameter, std=0.1, generator=torch.Generator().manual_seed(ord(name)))
    alone = {
        policy: run(base, request(range(6), policy=policy, engine=engine), adapters)
        for policy in (None, 'a', 'b')
    }
    assert len({texts(found)['0'] for found in alone.values()}) == 3
    again = run(base, request(range(6), policy='a', engine=engine), adapters)
    assert texts(again) == texts(alone['a'])
    adapters.use('a')
    spec = request(range(6), policy='a', engine=engine)
    for item, expected in zip(spec.requests, scored(base, spec, again), strict=True):
        np.testing.assert_allclose(again[item.key][1]['logprobs'], expected, atol=1e-4)


@pytest.mark.parametrize('with_adapter', [False, True])
def test_deterministic_arithmetic_does_not_depend_on_the_batch(
    base: Base, adapters: Adapters, with_adapter: bool
) -> None:
    """Not only the same text: the same bits of every log-probability."""
    policy = None
    if with_adapter:
        adapters.create(lora('a'))
        policy = 'a'
    source = random.Random(0)

    def bits(keys: list[int]) -> dict[str, tuple[bytes, bytes]]:
        found = run(base, request(keys, deterministic=True, policy=policy, limit=90), adapters)
        return {k: (blobs['ids'].tobytes(), blobs['logprobs'].tobytes()) for k, (_, blobs) in found.items()}

    everything = bits(list(range(150)))
    for size in (1, 2, 40, 90):
        some = source.sample(range(150), size)
        assert bits(some) == {str(key): everything[str(key)] for key in some}


def test_without_determinism_the_text_is_still_the_seeds(base: Base) -> None:
    everything = texts(run(base, request(range(100))))
    some = texts(run(base, request([5, 17, 60], slots=2)))
    assert some == {key: everything[key] for key in some}


def test_seeds_make_samples_differ_and_greedy_ones_do_not(base: Base) -> None:
    sampled = texts(run(base, request(range(3))))
    assert len(set(sampled.values())) == 3
    greedy = texts(run(base, request(range(3), temperature=0.0)))
    assert len(set(greedy.values())) == 1


@pytest.mark.parametrize('engine', ['native', 'transformers'])
def test_stops_end_completions_and_are_named(base: Base, engine: str) -> None:
    free = texts(run(base, request(range(12), engine=engine, limit=60)))
    character = free['0'][0][10]
    pattern = '\\' + character if not character.isalnum() else character
    spec = request(
        range(12), engine=engine, limit=60, stops=[StopRule(name='second', pattern=pattern, count=2)]
    )
    for key, (body, blobs) in run(base, spec).items():
        text, reason = free[key]
        if body['finish_reason'] == 'stop':
            assert body['stop_name'] == 'second'
            assert body['text'].count(character) >= 2
            assert text.startswith(body['text'])
            (ids,) = base.encode([body['text']], special_tokens=False)
            assert len(blobs['ids']) <= len(ids) + 60
        else:
            assert (body['text'], body['finish_reason']) == (text, reason)
            assert 'stop_name' not in body


def record_steps(
    base: Base, spec: Generate, monkeypatch: pytest.MonkeyPatch
) -> tuple[list[int], list[tuple[int, str]]]:
    """Slots that every decode step ran, and after how many steps each completion was there."""
    steps: list[int] = []
    step = LeanDecoder.step

    def counted(self: LeanDecoder, used: int) -> torch.Tensor:
        steps.append(used)
        return step(self, used)

    monkeypatch.setattr(LeanDecoder, 'step', counted)
    plan, _ = make_plan(base, spec)
    ticks: list[int] = []
    ended = [(len(steps), done.key) for done in engine_native.run(base, base.model, plan, ticks.append)]
    assert sum(ticks) == sum(len(s.completion.ids) for group in plan.groups for s in group.samples)
    return steps, ended


@pytest.mark.parametrize('samples', [1, 3])
def test_nothing_is_computed_past_a_stop(base: Base, samples: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted: every decode step is for tokens that are in the completions, save the first, the prompt's."""
    character = texts(run(base, request(range(12), limit=60)))['0'][0][10]
    pattern = re.escape(character)
    keys = range(12) if samples == 3 else range(0, 12, 3)
    spec = request(keys, limit=60, stops=[StopRule(name='s', pattern=pattern, count=2)], engine='native')
    found = run(base, spec)
    assert any(body['finish_reason'] == 'stop' for body, _ in found.values())
    for body, blobs in found.values():
        if body['finish_reason'] == 'stop':
            # The last token completed the stop: without it there were too few.
            before = base.tokenizer.decode(blobs['ids'][:-1].tolist(), skip_special_tokens=False)
            assert len(re.findall(pattern, body['text'])) >= 2 > len(re.findall(pattern, before))
    steps, ended = record_steps(base, spec, monkeypatch)
    assert len(ended) == len(keys)
    assert sum(steps) == sum(len(blobs['ids']) - 1 for _, blobs in found.values())


def test_completions_leave_while_others_are_being_written(
    base: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = request(range(24), limit=60, slots=8, engine='native')
    steps, ended = record_steps(base, spec, monkeypatch)
    after = [step for step, _ in ended]
    assert after == sorted(after)
    # By steps, not by the clock: the first slots' worth is there before half of the steps are done.
    assert after[7] < len(steps) / 2


def test_segments_are_limited(base: Base) -> None:
    spec = request(range(12), limit=60, segment=SegmentRule(boundary='\\Z.', max_tokens=9))
    for body, blobs in run(base, spec).values():
        assert (len(blobs['ids']), body['finish_reason']) == (9, 'segment_length') or body[
            'finish_reason'
        ] == 'eos'


@pytest.mark.parametrize('engine', ['native', 'transformers'])
def test_prompts_without_room_are_answered_at_once(base: Base, engine: str) -> None:
    long = 'x' * (base.max_positions - 1)
    fits = 'x' * (base.max_positions - 11)
    spec = request([0], engine=engine)
    spec.requests += [
        GenerateItem(key='long', prompt=long, seed=1),
        GenerateItem(key='fits', prompt=fits, seed=1),
    ]
    found = run(base, spec)
    body, blobs = found['long']
    assert (body['finish_reason'], body['num_tokens'], len(blobs['ids'])) == ('prompt_too_long', 0, 0)
    assert body['prompt_tokens'] == base.max_positions
    body, blobs = found['fits']
    assert body['finish_reason'] == 'eos' or (body['finish_reason'], len(blobs['ids'])) == ('length', 10)
    spec.max_prompt_tokens = 5
    assert {body['finish_reason'] for body, _ in run(base, spec).values()} == {'prompt_too_long'}


def test_every_slot_count_and_shape_of_work_ends_whole(base: Base) -> None:
    expected = texts(run(base, request(range(40), slots=40)))
    for slots in (1, 2, 3, 7, 39):
        assert texts(run(base, request(range(40), slots=slots))) == expected


def test_logprobs_may_be_left_out(base: Base) -> None:
    assert set(run(base, request([0], logprobs=False))['0'][1]) == {'ids'}


def test_cancel_ends_between_two_steps(base: Base) -> None:
    job = RecordingJob()
    job.pulse.advance = lambda: setattr(job, 'cancelled', True)  # type: ignore[method-assign]
    with pytest.raises(WorkerError) as caught:
        generate(base, base.model, request(range(40)), job)
    assert caught.value.code == 'cancelled'
    assert len(job.completions()) < 40


@pytest.mark.parametrize(
    'changes',
    [
        {'sampling': Sampling(temperature=-1, top_p=1, max_new_tokens=1)},
        {'sampling': Sampling(temperature=1, top_p=0, max_new_tokens=1)},
        {'sampling': Sampling(temperature=1, top_p=1, max_new_tokens=0)},
        {'requests': [GenerateItem(key='a', prompt='x', seed=1)] * 2},
    ],
    ids=['temperature', 'top_p', 'max_new_tokens', 'keys'],
)
def test_requests_that_mean_nothing_are_refused(base: Base, changes: dict[str, Any]) -> None:
    with pytest.raises(WorkerError) as caught:
        run(base, request([0], **changes))
    assert caught.value.code == 'bad_request'


def test_deterministic_generation_needs_single_precision(tiny_folder: Path) -> None:
    base = load_base(ModelLoad(model=str(tiny_folder), dtype='bfloat16'), torch.device('cpu'))
    with pytest.raises(WorkerError, match='float32'):
        run(base, request([0], deterministic=True))
