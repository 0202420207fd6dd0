"""The whole worker over a real socket: one pass through every operation."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import PATTERNS, TEXTS
from orchestrator import Orchestrator

OPTIMIZER = {'betas': [0.9, 0.999], 'eps': 1e-8, 'weight_decay': 0.0, 'max_grad_norm': 1.0}
PROMPT = TEXTS[0]


@pytest.fixture(scope='module')
def worker() -> Iterator[Orchestrator]:
    with Orchestrator() as orchestrator:
        yield orchestrator.connect()


def begin(session: str, algorithm: str, policy: str | None) -> dict[str, Any]:
    return {
        'session': session,
        'algorithm': algorithm,
        'policy': policy,
        'optimizer': OPTIMIZER,
        'micro_batch_tokens': 4096,
        'gradient_checkpointing': False,
        'seed': 7,
        'deterministic': True,
    }


def generation(policy: str | None, count: int, **changes: Any) -> dict[str, Any]:
    return {
        'policy': policy,
        'engine': 'auto',
        'requests': [{'key': f'k{i}', 'prompt': PROMPT, 'seed': i} for i in range(count)],
        'sampling': {'temperature': 1.0, 'top_p': 1.0, 'max_new_tokens': 20},
        'stops': [],
        'logprobs': True,
        'deterministic': False,
    } | changes


def test_a_run_from_nothing_to_a_trained_policy(worker: Orchestrator, tmp_path: Path) -> None:
    texts = tmp_path / 'texts.jsonl'
    texts.write_text(''.join(json.dumps(text) + '\n' for text in TEXTS))
    tokenizer, model = str(tmp_path / 'tokenizer'), str(tmp_path / 'model')
    special = {'bos': '<bos>', 'eos': '<eos>', 'pad': '<pad>'}
    vocab = worker.call(
        'tokenizer.train',
        {'path': tokenizer, 'texts_path': str(texts), 'phrase_patterns': PATTERNS, 'special_tokens': special},
    ).body['vocab_size']
    architecture = {
        'hidden_size': 32,
        'num_layers': 1,
        'num_heads': 2,
        'intermediate_size': 64,
        'max_positions': 256,
        'rope_theta': 100.0,
        'tie_embeddings': True,
        'attention_bias': True,
        'initializer_range': 0.02,
        'look_back_heads': [1, 2],
    }
    created = worker.call(
        'model.create', {'path': model, 'tokenizer_path': tokenizer, 'architecture': architecture, 'seed': 1}
    ).body
    load = {'model': model, 'dtype': 'auto', 'trust_remote_code': False, 'deterministic': True, 'threads': 1}
    loaded = worker.call('model.load', load).body
    assert loaded['fingerprint'] == created['fingerprint']
    assert (loaded['vocab_size'], loaded['num_parameters']) == (vocab, created['num_parameters'])

    # Supervised training of every weight, then the result becomes the base.
    worker.call('train.begin', begin('sft', 'sft', None))
    sft = {
        'type': 'sft',
        'prompts': [PROMPT] * 2,
        'completions': TEXTS[1:],
        'append_eos': True,
        'max_length': 200,
    }
    losses = [
        worker.call('train.step', {'session': 'sft', 'step': n, 'learning_rate': 1e-2, 'batch': sft}).body[
            'loss'
        ]
        for n in range(1, 21)
    ]
    assert losses[-1] < losses[0] / 4
    worker.call('train.end', {'session': 'sft'})
    saved = worker.call('model.save', {'path': str(tmp_path / 'sft')}).body['fingerprint']
    assert saved != created['fingerprint']
    reloaded = worker.call('model.load', load | {'model': str(tmp_path / 'sft')}).body
    assert reloaded['fingerprint'] == saved

    # A policy on it, generating and trained by preference.
    lora = {
        'name': 'policy',
        'rank': 4,
        'alpha': 8,
        'dropout': 0.0,
        'target_modules': 'all-linear',
        'seed': 1,
    }
    worker.call('adapter.create', lora)
    generated = worker.call('generate', generation('policy', 6))
    assert generated.body['completions'] == len(generated.completions()) == 6
    sampled = [message.blobs['ids'] for message in generated.completions().values()]
    blobs = {
        'ids': np.concatenate(sampled),
        'ids_lengths': np.asarray([len(ids) for ids in sampled], dtype='<i4'),
    }
    scored = worker.call(
        'score',
        {
            'policy': 'policy',
            'prompts': [PROMPT],
            'rows': [0] * 6,
            'temperature': 1.0,
            'micro_batch_tokens': 999,
        },
        blobs,
    ).blobs
    sent = np.concatenate([message.blobs['logprobs'] for message in generated.completions().values()])
    np.testing.assert_allclose(scored['logprobs'], sent, atol=1e-4)

    worker.call('train.begin', begin('dpo', 'dpo', 'policy'))
    dpo = {
        'type': 'dpo',
        'prompts': [PROMPT],
        'rows': [0] * 6,
        'pairs': [[0, 1], [0, 2], [3, 4]],
        'loss': 'sigmoid',
        'beta': 0.1,
        'label_smoothing': 0.0,
        'nll_coef': 0.0,
        'length_normalised': False,
        'max_length': 200,
    }
    steps = [
        worker.call(
            'train.step',
            {'session': 'dpo', 'step': n, 'learning_rate': 1e-2, 'batch': dpo},
            blobs | {'reference_sums': scored['sums']},
        ).body
        for n in range(1, 6)
    ]
    assert steps[0]['loss'] == pytest.approx(np.log(2), abs=1e-6)
    assert steps[0]['metrics']['reference_gap'] < 1e-3
    assert steps[-1]['loss'] < 0.6
    path = str(tmp_path / 'checkpoint')
    assert (
        worker.call('checkpoint.save', {'session': 'dpo', 'path': path, 'cursor': {'epoch': 1}}).body['bytes']
        > 0
    )
    assert worker.call('checkpoint.load', {'session': 'dpo', 'path': path}).body == {
        'step': 5,
        'cursor': {'epoch': 1},
    }
    worker.call('train.end', {'session': 'dpo'})
    fingerprint = worker.call('adapter.save', {'name': 'policy', 'path': str(tmp_path / 'adapter')}).body
    again = worker.call(
        'adapter.load', {'name': 'reference', 'path': str(tmp_path / 'adapter'), 'trainable': False}
    ).body
    assert again == fingerprint
    worker.call('model.merge', {'policy': 'policy', 'path': str(tmp_path / 'merged')})
    stats = worker.call('stats', {}).body
    assert stats['adapters'] == ['policy', 'reference']
    assert stats['rss_bytes'] > 1 << 20


def test_a_worker_with_old_libraries_says_which_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Metadata that is found before the real one.
    info = tmp_path / 'transformers-4.40.0.dist-info'
    info.mkdir()
    (info / 'METADATA').write_text('Metadata-Version: 2.1\nName: transformers\nVersion: 4.40.0\n')
    monkeypatch.setenv('PYTHONPATH', os.pathsep.join([str(tmp_path), *sys.path]))
    with Orchestrator() as orchestrator:
        assert orchestrator.start().wait(timeout=60) == 3
        assert 'environment: ' in orchestrator.log()
        assert 'transformers 4.40.0 (at least 5.10)' in orchestrator.log()
