"""Policies on one base: what is trained is exactly what was meant, and the base is never touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from conftest import lora
from peft import PeftModel
from training import assert_same, begin, sft_batch, take
from transformers import AutoModelForCausalLM, AutoTokenizer

from elenchus_runtime.adapters import WEIGHTS, Adapters
from elenchus_runtime.errors import WorkerError
from elenchus_runtime.files import file_sha256
from elenchus_runtime.models import Base, merged_weights, plain_weights, write_model

IDS = torch.tensor([[5, 80, 33, 260, 7]])


def answers(base: Base, adapters: Adapters, name: str | None) -> torch.Tensor:
    with torch.no_grad():
        return adapters.use(name)(IDS).logits


def shake(adapters: Adapters, name: str, seed: int = 1) -> None:
    """Gives an adapter weights that change something."""
    with torch.no_grad():
        for parameter in adapters.train(name).values():
            parameter.normal_(std=0.1, generator=torch.Generator().manual_seed(seed))


def test_a_new_adapter_changes_nothing(base: Base, adapters: Adapters) -> None:
    before = answers(base, adapters, None)
    adapters.create(lora('p'))
    assert torch.equal(answers(base, adapters, 'p'), before)
    assert torch.equal(answers(base, adapters, None), before)


def test_its_seed_makes_it(base: Base, adapters: Adapters) -> None:
    state = torch.get_rng_state()
    for name, seed in [('a', 1), ('b', 1), ('c', 2)]:
        adapters.create(lora(name, seed=seed))
    a, b, c = (adapters.weights(name) for name in 'abc')
    assert_same(a, b, atol=0, rtol=0)
    assert any(not torch.equal(tensor, c[name]) for name, tensor in a.items())
    assert torch.equal(torch.get_rng_state(), state)


def test_all_linear_layers_are_adapted_and_counted(base: Base, adapters: Adapters) -> None:
    count = adapters.create(lora('p', rank=4))
    # Per layer: four square projections of 64 and three of 64 x 128.
    assert count == 2 * 4 * (4 * (64 + 64) + 3 * (64 + 128))
    assert not any('lm_head' in name or 'embed' in name for name in adapters.weights('p'))
    adapters.create(lora('few', target_modules=['q_proj']))
    assert {name.split('.')[-3] for name in adapters.weights('few')} == {'q_proj'}


def test_training_one_leaves_the_others_and_the_base(base: Base, adapters: Adapters) -> None:
    for name in ('a', 'b'):
        adapters.create(lora(name))
    untouched = {name: tensor.clone() for name, tensor in plain_weights(base.model).items()}
    other, own = adapters.weights('b'), adapters.weights('a')
    session = begin(base, adapters, 'a')
    for step in (1, 2):
        take(session, step, sft_batch(), rate=0.01)
    session.end()
    assert_same(plain_weights(base.model), untouched, atol=0, rtol=0)
    assert_same(adapters.weights('b'), other, atol=0, rtol=0)
    assert all(not torch.equal(tensor, own[name]) for name, tensor in adapters.weights('a').items())
    assert not base.trained


@pytest.mark.parametrize('name', ['a', None])
def test_exactly_the_policy_is_trainable_whatever_was_used_before(
    base: Base, adapters: Adapters, name: str | None
) -> None:
    for other in ('a', 'aa', 'b'):
        adapters.create(lora(other))
    for used in ('b', None, 'aa'):
        adapters.use(used)
        assert not any(parameter.requires_grad for parameter in base.model.parameters())
        trained = adapters.train(name)
        assert set(trained) == {key for key, p in base.model.named_parameters() if p.requires_grad}
        if name is None:
            assert not any('lora' in key for key in trained)
            assert len(trained) == len(list(plain_weights(base.model))) - 1  # tied output weights
        else:
            assert all('.a.' in key for key in trained)
            assert len(trained) == 2 * 7 * 2


def test_a_step_after_a_step_finds_the_same_policy_whatever_peft_did_meanwhile(
    base: Base, adapters: Adapters, tmp_path: Path
) -> None:
    adapters.create(lora('a'))
    folder = str(tmp_path / 'a')
    adapters.save('a', folder)
    trained = adapters.train('a')
    assert adapters.train('a') is trained
    for between in (
        lambda: adapters.create(lora('c')),
        lambda: adapters.load('d', folder, trainable=True),
        lambda: adapters.drop('c'),
        lambda: adapters.train(None),
        lambda: adapters.evaluate('d'),
    ):
        between()
        assert set(adapters.train('a')) == set(trained)
        assert set(trained) == {key for key, p in base.model.named_parameters() if p.requires_grad}
        assert base.model.training
    adapters.freeze('a')
    with pytest.raises(WorkerError, match='frozen'):
        adapters.train('a')


def test_folders_are_pefts(base: Base, adapters: Adapters, tmp_path: Path, tiny_folder: Path) -> None:
    """What is saved is read by PEFT itself, and answers the same."""
    adapters.create(lora('p'))
    shake(adapters, 'p')
    fingerprint = adapters.save('p', str(tmp_path / 'p'))
    assert fingerprint == file_sha256(tmp_path / 'p' / WEIGHTS)
    model = PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(tiny_folder), str(tmp_path / 'p'))
    with torch.no_grad():
        torch.testing.assert_close(model(IDS).logits, answers(base, adapters, 'p'))
    assert len(AutoTokenizer.from_pretrained(tmp_path / 'p')) == base.vocab_size


def test_a_loaded_adapter_is_the_saved_one(base: Base, adapters: Adapters, tmp_path: Path) -> None:
    adapters.create(lora('p'))
    shake(adapters, 'p')
    saved = adapters.save('p', str(tmp_path / 'p'))
    assert adapters.load('again', str(tmp_path / 'p'), trainable=True) == saved
    assert torch.equal(answers(base, adapters, 'again'), answers(base, adapters, 'p'))
    assert adapters.save('again', str(tmp_path / 'q')) == saved
    shake(adapters, 'again', seed=2)
    assert adapters.save('again', str(tmp_path / 'q')) != saved


def test_frozen_adapters_answer_and_are_not_trained(base: Base, adapters: Adapters, tmp_path: Path) -> None:
    adapters.create(lora('p'))
    adapters.save('p', str(tmp_path / 'p'))
    adapters.load('reference', str(tmp_path / 'p'), trainable=False)
    adapters.freeze('p')
    for name in ('p', 'reference'):
        answers(base, adapters, name)
        with pytest.raises(WorkerError, match='frozen'):
            adapters.train(name)
    adapters.drop('p')
    adapters.load('p', str(tmp_path / 'p'), trainable=True)
    assert adapters.train('p')


def test_dropping_the_last_one_leaves_the_plain_base(base: Base, adapters: Adapters) -> None:
    before = answers(base, adapters, None)
    for name in ('a', 'b'):
        adapters.create(lora(name))
        shake(adapters, name)
    adapters.drop('a')
    assert adapters.names == ['b']
    assert not torch.equal(answers(base, adapters, 'b'), before)
    adapters.drop('b')
    assert adapters.names == []
    assert torch.equal(answers(base, adapters, None), before)
    assert not any('lora' in name for name, _ in base.model.named_parameters())
    adapters.create(lora('c'))
    assert torch.equal(answers(base, adapters, 'c'), before)


@pytest.mark.parametrize('name', ['', 'a.b', 'a/b', 'training', 'keys', 'forward'])
def test_names_that_would_collide_are_refused(adapters: Adapters, name: str) -> None:
    with pytest.raises(WorkerError) as caught:
        adapters.create(lora(name))
    assert caught.value.code == 'bad_request'
    assert adapters.names == []


def test_absent_and_double_names_are_refused(adapters: Adapters, tmp_path: Path) -> None:
    adapters.create(lora('p'))
    with pytest.raises(WorkerError, match='already'):
        adapters.create(lora('p'))
    for action in (
        lambda: adapters.use('q'),
        lambda: adapters.drop('q'),
        lambda: adapters.freeze('q'),
        lambda: adapters.save('q', str(tmp_path / 'q')),
    ):
        with pytest.raises(WorkerError, match='loaded: p') as caught:
            action()
        assert caught.value.code == 'adapter_missing'


def test_targets_that_do_not_exist_are_refused(adapters: Adapters) -> None:
    with pytest.raises(WorkerError) as caught:
        adapters.create(lora('p', target_modules=['no_such_proj']))
    assert caught.value.code == 'bad_request'
    assert adapters.names == []
    assert adapters.create(lora('p')) > 0


@pytest.mark.parametrize('damage', ['absent', 'missing weight', 'extra weight', 'other shape'])
def test_an_adapter_never_loads_in_part(base: Base, adapters: Adapters, tmp_path: Path, damage: str) -> None:
    from safetensors.torch import load_file, save_file

    adapters.create(lora('p'))
    adapters.save('p', str(tmp_path / 'p'))
    file = tmp_path / 'p' / WEIGHTS
    weights = load_file(file)
    key = next(iter(weights))
    if damage == 'absent':
        file.unlink()
    elif damage == 'missing weight':
        del weights[key]
    elif damage == 'extra weight':
        weights[key.replace('layers.0', 'layers.9')] = weights[key].clone()
    else:
        weights[key] = weights[key][:, :-1].contiguous()
    if damage != 'absent':
        save_file(weights, file)
    with pytest.raises(WorkerError) as caught:
        adapters.load('q', str(tmp_path / 'p'), trainable=True)
    assert caught.value.code == 'model_load_failed'
    assert adapters.names == ['p']


def test_merging_exports_what_the_adapter_answers_and_touches_nothing(
    base: Base, adapters: Adapters, tmp_path: Path
) -> None:
    adapters.create(lora('a'))
    adapters.create(lora('p'))
    shake(adapters, 'a', seed=5)
    shake(adapters, 'p')
    before = {name: tensor.clone() for name, tensor in base.model.state_dict().items()}
    write_model(base, merged_weights(base.model, 'p'), str(tmp_path / 'merged'))
    merged = AutoModelForCausalLM.from_pretrained(tmp_path / 'merged')
    with torch.no_grad():
        torch.testing.assert_close(merged(IDS).logits, answers(base, adapters, 'p'), atol=1e-4, rtol=1e-4)
    assert_same(base.model.state_dict(), before, atol=0, rtol=0)


def test_the_saved_configuration_is_the_same_in_every_process(adapters: Adapters, tmp_path: Path) -> None:
    adapters.create(lora('p'))
    adapters.save('p', str(tmp_path / 'p'))
    modules = json.loads((tmp_path / 'p' / 'adapter_config.json').read_text())['target_modules']
    assert len(modules) > 1
    assert modules == sorted(modules)
    # Saving leaves PEFT's own idea of it alone.
    adapters.save('p', str(tmp_path / 'again'))
