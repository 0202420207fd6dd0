"""Shared parts: one tiny model made the way a run makes it, and a loaded base on it."""

from __future__ import annotations

import json
import os
from pathlib import Path

os.environ.setdefault('OMP_NUM_THREADS', '1')
os.environ.setdefault('HF_HUB_OFFLINE', '1')

import pytest
import torch

from elenchus_runtime.adapters import Adapters
from elenchus_runtime.models import Base, load_base
from elenchus_runtime.protocol import (
    AdapterCreate,
    Architecture,
    ModelCreate,
    ModelLoad,
    SpecialTokens,
    TokenizerTrain,
)
from elenchus_runtime.tiny import create_model, train_tokenizer

TEXTS = [
    'Premises:\nEvery wumpus is a yumpus. [0]\nMax is a wumpus. [1]\nQuery: Max is a yumpus.\nProof:\n',
    'Thought: Max is a wumpus. [1] Every wumpus is a yumpus. [0] So Max is a yumpus. [2]\n'
    'Action: <Option type="MODUS_PONENS" args="[1, 0]" />\n',
    'Thought: The query is Max is a yumpus. So the answer is TRUE.\n'
    'Action: <Option type="CONCLUDE" args="[0]" />\n',
]
PATTERNS = [r'Every \w+', r'is an? \w+\.?', r'\[\d+\]', r'<Option type="', r'(?:Thought|Action|Query|Proof):']


def make_tokenizer(folder: Path, bos: str | None = '<bos>') -> Path:
    texts = folder / 'texts.jsonl'
    texts.write_text(''.join(json.dumps(text) + '\n' for text in TEXTS))
    path = folder / 'tokenizer'
    train_tokenizer(
        TokenizerTrain(
            path=str(path),
            texts_path=str(texts),
            phrase_patterns=PATTERNS,
            special_tokens=SpecialTokens(bos=bos, eos='<eos>', pad='<pad>'),
        )
    )
    return path


def tiny_architecture(**changes: object) -> Architecture:
    fields: dict[str, object] = {
        'hidden_size': 64,
        'num_layers': 2,
        'num_heads': 4,
        'intermediate_size': 128,
        'max_positions': 512,
        'rope_theta': 100.0,
        'tie_embeddings': True,
        'attention_bias': True,
        'initializer_range': 0.02,
        'look_back_heads': [1, 2, 3],
    }
    return Architecture(**(fields | changes))  # type: ignore[arg-type]


@pytest.fixture(scope='session', autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope='session')
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama as `model.create` writes it, with weights large enough to be sure of things."""
    folder = tmp_path_factory.mktemp('tiny')
    path = folder / 'model'
    tokenizer = make_tokenizer(folder)
    shape = tiny_architecture(initializer_range=0.3)
    create_model(ModelCreate(path=str(path), tokenizer_path=str(tokenizer), architecture=shape, seed=1))
    return path


@pytest.fixture
def base(tiny_folder: Path) -> Base:
    return load_base(ModelLoad(model=str(tiny_folder)), torch.device('cpu'))


@pytest.fixture
def adapters(base: Base) -> Adapters:
    return Adapters(base)


def lora(name: str, **changes: object) -> AdapterCreate:
    fields: dict[str, object] = {
        'name': name,
        'rank': 4,
        'alpha': 8.0,
        'dropout': 0.0,
        'target_modules': 'all-linear',
        'seed': 3,
    }
    return AdapterCreate(**(fields | changes))  # type: ignore[arg-type]
