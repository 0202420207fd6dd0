"""The lean decode step: the model's own arithmetic, and an honest no where it does not know the model."""

from __future__ import annotations

from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from conftest import lora, make_tokenizer
from families import NATIVE, write_family
from jobs import RecordingJob
from test_generate import request, run, scored, texts
from training import begin, dpo_batch, dpo_blobs, sft_batch, take

from elenchus_runtime import canary, decode_graphs, decoder, lean_decoder, lean_weights, watch
from elenchus_runtime.adapters import Adapters
from elenchus_runtime.decode_graphs import EAGER_RUNS, StepGraphs
from elenchus_runtime.errors import WorkerError
from elenchus_runtime.generate import _plan as make_plan
from elenchus_runtime.generate import generate
from elenchus_runtime.models import Base, load_base
from elenchus_runtime.projection import LoraLayer
from elenchus_runtime.protocol import ModelLoad


@pytest.fixture(scope='module')
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp('lean')
    tokenizer = make_tokenizer(folder)
    return {name: write_family(name, tokenizer, folder) for name in NATIVE}


@pytest.fixture(params=NATIVE)
def family(request: pytest.FixtureRequest, folders: dict[str, Path]) -> Base:
    return load_base(ModelLoad(model=str(folders[request.param])), torch.device('cpu'))


def trained(adapters: Adapters, name: str, **changes: object) -> str:
    """An adapter that changes what the model says."""
    adapters.create(lora(name, **changes))
    # One for all of them: with one each, layers of the same shape would have the same adapter.
    source = torch.Generator().manual_seed(ord(name))
    for parameter in adapters.train(name).values():
        torch.nn.init.normal_(parameter, std=0.1, generator=source)
    return name


def assert_true(base: Base, adapters: Adapters, **changes: Any) -> None:
    """What native writes is what transformers writes, with the log-probabilities of the training kernel."""
    spec = request(range(40), **changes)
    native = run(base, spec, adapters)
    reference = run(base, request(range(40), **(changes | {'engine': 'transformers'})), adapters)
    assert texts(native) == texts(reference)
    adapters.use(spec.policy)
    for item, expected in zip(spec.requests, scored(base, spec, native), strict=True):
        np.testing.assert_allclose(native[item.key][1]['logprobs'], expected, atol=2e-4)


@pytest.mark.parametrize('packed', [True, False])
@pytest.mark.parametrize('policy', [None, 'a'])
@pytest.mark.parametrize('temperature', [0.0, 1.0])
def test_every_family_with_and_without_adapter_packed_or_not(
    family: Base, packed: bool, policy: str | None, temperature: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lean_weights, 'PACKED_BYTES', (1 << 30) * packed)
    adapters = Adapters(family)
    if policy is not None:
        trained(adapters, policy)
    assert_true(family, adapters, policy=policy, temperature=temperature, engine='native', slots=17)


@pytest.mark.parametrize(
    'target', ['all-linear', ['q_proj', 'v_proj', 'up_proj'], ['k_proj'], ['o_proj', 'down_proj']], ids=str
)
def test_adapters_on_some_of_the_layers_that_share_an_input(
    base: Base, target: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lean_weights, 'PACKED_BYTES', 0)
    adapters = Adapters(base)
    trained(adapters, 'a', target_modules=target)
    assert_true(base, adapters, policy='a', engine='native', slots=17)


def test_nothing_is_copied_from_a_model_that_is_not_packed(
    family: Base, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lean_weights, 'PACKED_BYTES', 0)
    weights = lean_weights.read_weights(family.model)
    own = {weight.data_ptr() for weight in family.model.parameters()}
    linears = [part for layer in weights.layers for part in (layer.qkv, layer.out, layer.gate_up, layer.down)]
    assert {part.weight.data_ptr() for linear in linears for part in linear._parts} <= own


def test_weights_of_the_model_are_untouched_by_packing(base: Base, adapters: Adapters) -> None:
    trained(adapters, 'a')
    model = adapters.use('a')
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    run(base, request(range(6), policy='a'), adapters)
    for name, weight in model.named_parameters():
        assert torch.equal(weight, before[name]), name


@pytest.mark.parametrize('width', [1, 2, 8])
def test_the_shapes_of_an_accelerator_change_nothing(
    base: Base, adapters: Adapters, width: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rounded up slots, prompts and spans, as they are captured on a GPU, over rows that come and go."""
    monkeypatch.setattr(lean_decoder, 'CPU_GRAIN', lean_decoder.Grain(5, 2, 16, all_prompt=True))
    monkeypatch.setattr(lean_decoder, 'WIDTH', width)
    monkeypatch.setattr(decoder, 'WIDTH', width)
    for slots in (1, 3, 11, 40):
        assert_true(base, adapters, engine='native', slots=slots)


def test_a_prompt_with_more_samples_than_its_row_has_places(base: Base) -> None:
    """Groups of 1, 3 and 29 samples beside each other."""
    spec = request(range(33), limit=40)
    for place, item in enumerate(spec.requests):
        item.prompt = 'Max is a yumpus.' if place < 29 else f'Every wumpus is a {"x" * (place // 31)}'
    reference = spec.__class__(**{name: getattr(spec, name) for name in spec.__struct_fields__})
    reference.engine = 'transformers'
    for slots in (2, 9, 33):
        spec.slots = slots
        assert texts(run(base, spec)) == texts(run(base, reference))


class FakeGraphs(StepGraphs):
    """Captures as on a GPU: a shape's step is recorded once and from then on only replayed."""

    made: list[FakeGraphs] = []  # noqa: RUF012

    def __init__(self, device: torch.device, most: int) -> None:
        super().__init__(device, most)
        self._capturing = True
        self.captured = 0
        self.made.append(self)

    def _capture(self, step: Any) -> tuple[Any, torch.Tensor]:
        self.captured += 1
        if self._results is None:
            self._results = self._make_results(step())
        results = self._results

        class Replay:
            @staticmethod
            def replay() -> None:
                made = step()
                results[: len(made)].copy_(made)

        return Replay, results[: len(step())]


def test_replayed_steps_read_their_buffers_only(
    base: Base, adapters: Adapters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One step of a shape is replayed for all later ones, so nothing may be fixed in it but the shape."""
    monkeypatch.setattr(lean_decoder, 'CPU_GRAIN', lean_decoder.Grain(8, 2, 16, all_prompt=True))
    monkeypatch.setattr(lean_decoder, 'StepGraphs', FakeGraphs)
    FakeGraphs.made.clear()
    assert_true(base, adapters, engine='native', slots=16)
    (graphs,) = FakeGraphs.made
    assert graphs.captured > 1
    assert sum(graphs._runs.values()) > graphs.captured + EAGER_RUNS * len(graphs._runs)


def test_steps_are_captured_on_cuda_only() -> None:
    assert not StepGraphs(torch.device('cpu'), 1)._capturing
    assert decode_graphs.StepGraphs(torch.device('cuda'), 1)._capturing


def test_what_torch_holds_unused_counts_as_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """Within a PPO session nothing is given back to the driver between a step and the next sampling."""
    monkeypatch.setattr(torch.cuda, 'mem_get_info', lambda device: (4 << 30, 80 << 30))
    monkeypatch.setattr(torch.cuda, 'memory_reserved', lambda device: 70 << 30)
    monkeypatch.setattr(torch.cuda, 'memory_allocated', lambda device: 20 << 30)
    assert decoder._free_bytes(torch.device('cuda')) == 54 << 30


# What it does not know


def test_a_known_model_says_lean(base: Base) -> None:
    job = RecordingJob()
    assert generate(base, base.model, request(range(2)), job)['decoder'] == 'lean'


class _Scaled(transformers.LlamaForCausalLM):
    """A Llama that is none."""


def test_an_unknown_class_runs_its_own_forward_and_says_so(
    base: Base, adapters: Adapters, capfd: pytest.CaptureFixture[str]
) -> None:
    base.model.__class__ = _Scaled
    job = RecordingJob()
    assert generate(base, base.model, request(range(2)), job)['decoder'] == 'forward'
    assert 'not the lean step: _Scaled is not one of' in capfd.readouterr().err
    for slots in (3, 40):
        assert_true(base, adapters, engine='native', slots=slots)


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        (lambda model: model.model.layers[1].add_module('extra', torch.nn.Identity()), 'its layer has extra'),
        (lambda model: setattr(model.model.layers[0].mlp, 'up_proj', torch.nn.Identity()), 'Identity'),
        (lambda model: model.config.rope_parameters.update(rope_type='dynamic'), 'rotary'),
        (lambda model: setattr(model, 'lm_head', torch.nn.Identity()), 'embeddings'),
    ],
)
def test_every_change_of_structure_is_noticed(base: Base, change: Any, reason: str) -> None:
    assert lean_weights.unknown(base.model) is None
    change(base.model)
    assert reason in (lean_weights.unknown(base.model) or '')


def test_adapters_beyond_plain_lora_are_noticed(base: Base) -> None:
    import peft

    config = peft.LoraConfig(r=2, target_modules='all-linear', use_dora=True, task_type='CAUSAL_LM')
    peft.PeftModel(base.model, config, adapter_name='d')
    assert 'more than plain LoRA' in (lean_weights.unknown(base.model) or '')


# The canary


def test_the_canary_passes_over_switches_and_training(base: Base, adapters: Adapters) -> None:
    for name in ('a', 'b'):
        trained(adapters, name)
    for policy in (None, 'a', 'b', 'a'):
        for top_p in (1.0, 0.8):
            run(base, request(range(6), policy=policy, top_p=top_p), adapters)
            assert base.watch.due <= 0


def test_the_canary_is_due_after_every_change_and_only_then(base: Base, adapters: Adapters) -> None:
    trained(adapters, 'a')
    run(base, request(range(6), policy='a'), adapters)
    base.watch.note(adapters.use('a'), 'a')
    assert base.watch.due <= 0
    base.watch.note(adapters.use(None), None)
    assert base.watch.due > 0


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[type]:
    """One entry per completion that the canary scores: the kind of forward of the adapted layers."""
    found: list[type] = []
    true = canary.score_rows

    def noting(base: Base, model: Any, *rest: Any) -> Any:
        (layer, *_) = (part for part in model.modules() if isinstance(part, LoraLayer))
        found.append(type(vars(layer).get('forward')))
        return true(base, model, *rest)

    monkeypatch.setattr(canary, 'score_rows', noting)
    return found


@pytest.mark.parametrize('algorithm', ['sft', 'dpo'])
def test_the_canary_looks_after_every_optimiser_step(
    base: Base, adapters: Adapters, algorithm: str, looks: list[type], tmp_path: Path
) -> None:
    """With the session's own optimiser, which is fused: it leaves no trace in a tensor's version."""
    adapters.create(lora('a'))
    session = begin(base, adapters, 'a', algorithm=algorithm)
    batch, blobs = (sft_batch(), {}) if algorithm == 'sft' else (dpo_batch(), dpo_blobs(base))
    run(base, request(range(6), policy='a'), adapters)
    for step in (1, 2, 3):
        looks.clear()
        take(session, step, batch, blobs)
        for expected in (True, False):
            looks.clear()
            run(base, request(range(6), policy='a'), adapters)
            assert bool(looks) == expected
    session.save(str(tmp_path / 'c'), None)
    session.load(str(tmp_path / 'c'))
    run(base, request(range(6), policy='a'), adapters)
    assert looks


def test_the_canary_looks_at_an_adapter_that_came_in_place_of_another(
    base: Base, adapters: Adapters, looks: list[type], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under the same name, in the same memory."""
    monkeypatch.setattr(watch, '_versions', lambda model: ())
    adapters.create(lora('a'))
    adapters.save('a', str(tmp_path / 'a'))
    run(base, request(range(6), policy='a'), adapters)
    adapters.drop('a')
    adapters.load('a', str(tmp_path / 'a'), trainable=True)
    looks.clear()
    run(base, request(range(6), policy='a'), adapters)
    assert looks


def test_the_canary_scores_with_the_forward_that_trains_and_takes_it_away_again(
    base: Base, adapters: Adapters, looks: list[type]
) -> None:
    trained(adapters, 'a')
    run(base, request(range(6), policy='a'), adapters)
    assert looks
    assert set(looks) == {MethodType}
    assert not any('forward' in vars(part) for part in base.model.modules())


@pytest.mark.parametrize('off', [0.5, float('nan')])
def test_one_wrong_token_does_not_drown_in_the_mean(
    base: Base, off: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = canary._score

    def nearly(*given: Any) -> np.ndarray:
        scores = true(*given).copy()
        scores[len(scores) // 2] += off
        return scores

    monkeypatch.setattr(canary, '_score', nearly)
    # The first completion is short: half a nat in one token has to be within what its mean may be off.
    monkeypatch.setitem(canary.TOLERANCE, torch.float32, 0.06)
    monkeypatch.setattr(canary, 'WORST', 5)
    job = RecordingJob()
    with pytest.raises(WorkerError) as caught:
        generate(base, base.model, request(range(6), limit=60), job)
    assert caught.value.code == 'guard_failed'
    if off == off:
        assert caught.value.details['gap'] <= 0.06
        assert caught.value.details['worst'] == pytest.approx(off, abs=1e-3)
    # Found before anything of it was sent, and looked for again next time.
    assert not job.completions()
    monkeypatch.undo()
    assert len(run(base, request(range(6)))) == 6


@pytest.mark.parametrize('temperature', [0.0, 0.7])
@pytest.mark.parametrize('top_p', [1.0, 0.9])
def test_an_engine_that_kept_another_adapter_is_caught(
    base: Base, adapters: Adapters, temperature: float, top_p: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ('a', 'b'):
        trained(adapters, name)
    stale = lean_weights.read_weights(adapters.use('a'))
    run(base, request(range(6), policy='a'), adapters)
    monkeypatch.setattr(decoder, 'read_weights', lambda model: stale)
    job = RecordingJob()
    for _ in range(2):
        spec = request(range(6), temperature, top_p, policy='b')
        with pytest.raises(WorkerError) as caught:
            generate(base, adapters.use('b'), spec, job)
        assert caught.value.code == 'guard_failed'
    assert not job.completions()


# How large its tables are


@pytest.mark.parametrize(
    ('slots', 'width', 'rows'), [(512, 8, 192), (512, 2, 512), (100, 8, 39), (3, 8, 3), (1, 1, 1)]
)
def test_prompts_have_three_times_the_rows_that_full_ones_need(slots: int, width: int, rows: int) -> None:
    assert lean_decoder.row_count(slots, width) == rows


@pytest.mark.parametrize('limit', [33, 64, 65])
@pytest.mark.parametrize('samples', [1, 2, 8])
@pytest.mark.parametrize('forward', [False, True])
def test_slots_are_as_many_as_have_room_as_their_caches_are_made(
    base: Base, limit: int, samples: int, forward: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """33 new tokens take 64 places on the CPU."""
    if forward:
        monkeypatch.setattr(decoder, 'unknown', lambda model: 'no reason')
    spec = request(range(96), limit=limit, logprobs=True)
    for place, item in enumerate(spec.requests):
        item.prompt = f'Every wumpus is a yumpus. [{place // samples}]'
    plan, _ = make_plan(base, spec)
    monkeypatch.setattr(decoder, 'CPU_CACHE_BYTES', 5 << 20)
    slots = decoder.slot_count(base, base.model, plan)
    assert 1 < slots < 96

    def taken(count: int) -> int:
        made = decoder.make_decoder(base, base.model, plan, count)
        tables = [made._cache._states] if forward else [made._own_states, made._prompt_states]
        return sum(table.nbytes for table in tables)

    # One row of prompts more than their share, where the last is not full.
    row = taken(1) - taken(0) if not forward else 0
    assert taken(slots) <= (5 << 20) + 3 * row
    assert taken(slots + 1 + 3 * samples) > 5 << 20
