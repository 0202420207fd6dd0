"""Loading, saving and recognising models; folders that are whole or absent."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import threading
from pathlib import Path

import pytest
import torch
from conftest import lora
from training import assert_same, begin, sft_batch, take
from transformers import AutoModelForCausalLM

from elenchus_runtime import files, models
from elenchus_runtime.adapters import Adapters
from elenchus_runtime.errors import WorkerError
from elenchus_runtime.files import atomic_folder, file_sha256, weights_fingerprint
from elenchus_runtime.models import Base, is_current, load_base, plain_weights, write_model
from elenchus_runtime.protocol import ModelLoad

CPU = torch.device('cpu')


def test_facts_are_those_of_the_model(base: Base, tiny_folder: Path) -> None:
    facts = base.facts()
    model = AutoModelForCausalLM.from_pretrained(tiny_folder)
    assert facts['num_parameters'] == sum(p.numel() for p in model.parameters())
    assert facts['fingerprint'] == file_sha256(tiny_folder / 'model.safetensors')
    assert (facts['dtype'], facts['device'], facts['max_positions']) == ('float32', 'cpu', 512)
    assert facts['eos_token_id'] == base.tokenizer.eos_token_id


def test_adapters_do_not_count_as_parameters_of_the_base(base: Base, adapters: Adapters) -> None:
    before = base.facts()['num_parameters']
    adapters.create(lora('p'))
    assert base.facts()['num_parameters'] == before


def test_the_loaded_model_is_recognised_until_anything_changes(base: Base, tiny_folder: Path) -> None:
    same = ModelLoad(model=str(tiny_folder), threads=1)
    assert is_current(base, same)
    assert is_current(base, ModelLoad(model=os.path.relpath(tiny_folder)))
    assert not is_current(base, ModelLoad(model=str(tiny_folder), dtype='bfloat16'))
    base.trained = True
    assert not is_current(base, same)


def test_a_folder_that_was_written_anew_is_loaded_anew(tiny_folder: Path, tmp_path: Path) -> None:
    folder = tmp_path / 'model'
    shutil.copytree(tiny_folder, folder)
    base = load_base(ModelLoad(model=str(folder)), CPU)
    os.utime(folder / 'model.safetensors', ns=(1, 1))
    assert not is_current(base, ModelLoad(model=str(folder)))


def test_trained_weights_become_a_model_of_their_own(base: Base, adapters: Adapters, tmp_path: Path) -> None:
    """Saved with adapters around, so that PEFT's layers have to be taken out of the names."""
    adapters.create(lora('p'))
    session = begin(base, adapters)
    take(session, 1, sft_batch())
    session.end()
    folder = tmp_path / 'trained'
    old = base.fingerprint
    base.adopt(str(folder), write_model(base, plain_weights(base.model), str(folder)))
    assert base.fingerprint not in (old, '')
    assert not base.trained
    assert is_current(base, ModelLoad(model=str(folder)))
    again = load_base(ModelLoad(model=str(folder)), CPU)
    assert again.fingerprint == base.fingerprint
    assert_same(dict(again.model.state_dict()), plain_weights(base.model), atol=0, rtol=0)


def test_bfloat16_stays_bfloat16_on_disk(tiny_folder: Path, tmp_path: Path) -> None:
    base = load_base(ModelLoad(model=str(tiny_folder), dtype='bfloat16'), CPU)
    write_model(base, plain_weights(base.model), str(tmp_path / 'half'))
    assert AutoModelForCausalLM.from_pretrained(tmp_path / 'half').dtype == torch.bfloat16


@pytest.mark.parametrize(
    'model', ['/no/such/folder', './no-folder', 'a/b/c', 'no-folder', 'no-owner/no-model']
)
def test_models_that_are_not_there_are_named(model: str) -> None:
    with pytest.raises(WorkerError, match=model) as caught:
        load_base(ModelLoad(model=model), CPU)
    assert caught.value.code == 'model_load_failed'


@pytest.mark.parametrize('file', ['model.safetensors', 'config.json', 'tokenizer.json'])
@pytest.mark.parametrize('damage', ['absent', 'garbage'])
def test_damaged_folders_are_refused(tiny_folder: Path, tmp_path: Path, file: str, damage: str) -> None:
    folder = tmp_path / 'model'
    shutil.copytree(tiny_folder, folder)
    (folder / file).unlink()
    if damage == 'garbage':
        (folder / file).write_bytes(b'\x00garbage')
    with pytest.raises(WorkerError) as caught:
        load_base(ModelLoad(model=str(folder)), CPU)
    assert caught.value.code == 'model_load_failed'


def test_fingerprints_are_of_contents_and_names(tmp_path: Path) -> None:
    for name in ('a', 'b'):
        (tmp_path / f'{name}.safetensors').write_bytes(name.encode())
    (tmp_path / 'consolidated.safetensors').write_bytes(b'a second copy')
    two = weights_fingerprint(tmp_path)
    (tmp_path / 'consolidated.safetensors').write_bytes(b'changed')
    assert weights_fingerprint(tmp_path) == two
    (tmp_path / 'b.safetensors').write_bytes(b'c')
    assert weights_fingerprint(tmp_path) != two
    (tmp_path / 'b.safetensors').unlink()
    assert weights_fingerprint(tmp_path) == file_sha256(tmp_path / 'a.safetensors')


def test_hub_blobs_are_known_by_their_names(tmp_path: Path) -> None:
    name = 'f' * 64
    (tmp_path / 'blobs').mkdir()
    (tmp_path / 'blobs' / name).write_bytes(b'weights')
    (tmp_path / 'model.safetensors').symlink_to(tmp_path / 'blobs' / name)
    assert file_sha256(tmp_path / 'model.safetensors') == name


def test_a_folder_is_whole_or_absent(tmp_path: Path) -> None:
    target = tmp_path / 'deep' / 'folder'

    def die_half_way() -> None:
        with atomic_folder(target) as folder:
            (folder / 'file').write_text('half')
            assert not target.exists()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        die_half_way()
    assert list(target.parent.iterdir()) == []


def test_a_folder_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / 'folder'
    for content, name in [('old', 'a'), ('new', 'b')]:
        with atomic_folder(target) as folder:
            (folder / name).write_text(content)
    assert [file.name for file in target.iterdir()] == ['b']
    assert list(tmp_path.iterdir()) == [target]


def test_what_a_killed_process_left_of_writing_a_folder_goes_with_the_next_attempt(tmp_path: Path) -> None:
    gone = subprocess.Popen(['true'])
    gone.wait()
    for name in (
        f'.c.writing-{gone.pid}',
        f'.c.replaced-{gone.pid}',
        f'.c.writing-{os.getppid()}',
        '.cc.writing-1',
    ):
        (tmp_path / name).mkdir()
        (tmp_path / name / 'part').touch()
    with atomic_folder(tmp_path / 'c') as folder:
        (folder / 'whole').touch()
    # Another that still writes, and another folder's, are not touched.
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ['c', f'.c.writing-{os.getppid()}', '.cc.writing-1']
    )


def test_a_disk_that_refuses_is_an_error_of_its_own(tmp_path: Path) -> None:
    (tmp_path / 'file').write_text('in the way')
    with pytest.raises(WorkerError) as caught, atomic_folder(tmp_path / 'file' / 'folder'):
        pass
    assert caught.value.code == 'io_failed'


def test_a_model_goes_straight_to_an_accelerator(
    base: Base, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is loaded that way is a plain model, without anything of accelerate's around it."""
    gpu = torch.device('cuda', 1)
    assert models._placement(gpu) == {'': gpu}
    assert models._placement(CPU) is None
    given: list[object] = []
    true = AutoModelForCausalLM.from_pretrained

    def noting(*args: object, **settings: object) -> object:
        given.append(settings['device_map'])
        return true(*args, **settings)

    monkeypatch.setattr(models.AutoModelForCausalLM, 'from_pretrained', noting)
    monkeypatch.setattr(models, '_placement', lambda device: {'': device})
    placed = load_base(ModelLoad(model=str(tiny_folder)), CPU)
    assert given == [{'': CPU}]
    assert_same(dict(placed.model.state_dict()), dict(base.model.state_dict()), atol=0, rtol=0)
    assert placed.num_parameters == base.num_parameters
    assert not any(hasattr(part, '_hf_hook') for part in placed.model.modules())
    assert placed.model.lm_head.weight is placed.model.model.embed_tokens.weight


def test_files_are_hashed_beside_each_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each waits until another is being hashed too; the listing stays in order."""
    for name in 'abcd':
        (tmp_path / f'{name}.safetensors').write_text(name)
    plain = weights_fingerprint(tmp_path)
    together = threading.Barrier(4, timeout=20)

    def meeting(path: Path) -> str:
        together.wait()
        return file_sha256(path)

    monkeypatch.setattr(files, 'file_sha256', meeting)
    assert weights_fingerprint(tmp_path) == plain
    listing = ''.join(f'{path.name} {file_sha256(path)}\n' for path in sorted(tmp_path.glob('*.safetensors')))
    assert plain == hashlib.sha256(listing.encode()).hexdigest()
