"""The tokenizer loses nothing, and look-back heads look where they should."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import PATTERNS, TEXTS, make_tokenizer, tiny_architecture
from transformers import AutoModelForCausalLM, AutoTokenizer

from elenchus_runtime.errors import WorkerError
from elenchus_runtime.protocol import ModelCreate
from elenchus_runtime.tiny import create_model, find_phrases

PHRASES = ['Every wumpus', 'wumpus', 'is a yumpus.', 'is', '[0]', '[', '<Option type="', 'Thought:']
SPACES = [' ', '\n', '\r\n', '\t', '\u200b', '\ufeff', '\x00']
LETTERS = ['é', 'Ġ', 'Ċ', 'ł', '漢字', '🦉', '👩\u200d👧', '\u0301', "'", '\\']
ALPHABET = [*PHRASES, *SPACES, *LETTERS, '<eos>', '<bos>', '<pad>', '</s>']


@pytest.fixture(scope='module')
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return AutoTokenizer.from_pretrained(make_tokenizer(tmp_path_factory.mktemp('tokenizer')))


def round_trip(tokenizer: Any, text: str) -> str:
    ids = tokenizer(text, add_special_tokens=False)['input_ids']
    return tokenizer.decode(ids, skip_special_tokens=False, clean_up_tokenization_spaces=False)


def test_any_text_comes_back_exactly(tokenizer: Any) -> None:
    source = random.Random(0)
    for _ in range(400):
        text = ''.join(source.choice(ALPHABET) for _ in range(source.randrange(12)))
        assert round_trip(tokenizer, text) == text
    for _ in range(200):
        text = ''.join(chr(source.randrange(0x110000)) for _ in range(source.randrange(8)))
        text = text.encode('utf-8', 'ignore').decode()
        assert round_trip(tokenizer, text) == text


def test_the_default_decoding_is_exact_too(tokenizer: Any) -> None:
    text = "It is n't clear . Is it , really ? [0]"
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)['input_ids']) == text


def test_every_phrase_is_one_token_and_the_longest_wins(tokenizer: Any) -> None:
    for phrase in find_phrases(TEXTS, PATTERNS):
        assert len(tokenizer(phrase, add_special_tokens=False)['input_ids']) == 1, phrase
    tokens = tokenizer.convert_ids_to_tokens(tokenizer('is a yumpus.', add_special_tokens=False)['input_ids'])
    assert tokens == ['is a yumpus.']


def test_the_vocabulary_is_bytes_specials_and_phrases(tokenizer: Any) -> None:
    assert len(tokenizer) == 256 + 3 + len(find_phrases(TEXTS, PATTERNS))


def test_prompts_begin_with_bos_where_there_is_one(tokenizer: Any, tmp_path: Path) -> None:
    assert tokenizer('a')['input_ids'][0] == tokenizer.bos_token_id
    without = AutoTokenizer.from_pretrained(make_tokenizer(tmp_path, bos=None))
    assert len(without('a')['input_ids']) == 1


def test_phrases_that_cannot_be_tokens_are_refused() -> None:
    with pytest.raises(WorkerError, match='café'):
        find_phrases(['a café'], [r'caf\w'])
    with pytest.raises(WorkerError, match='regular expression'):
        find_phrases(['a'], ['('])


def create(folder: Path, seed: int, **changes: Any) -> tuple[Path, str]:
    path = folder / f'model-{seed}'
    spec = ModelCreate(
        path=str(path),
        tokenizer_path=str(make_tokenizer(folder)),
        architecture=tiny_architecture(**changes),
        seed=seed,
    )
    return path, create_model(spec)[1]


def test_the_seed_makes_the_model(tmp_path: Path) -> None:
    torch.manual_seed(99)
    state = torch.get_rng_state()
    first = create(tmp_path, 1)[1]
    assert create(tmp_path, 1)[1] == first
    assert create(tmp_path, 2)[1] != first
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize('kv_heads', [4, 2])
def test_look_back_heads_attend_where_they_should(tmp_path: Path, kv_heads: int) -> None:
    path, _ = create(tmp_path, 1, look_back_heads=[1, 2, 3], num_kv_heads=kv_heads)
    model: Any = AutoModelForCausalLM.from_pretrained(path, attn_implementation='eager')
    ids = torch.randint(3, model.config.vocab_size, (2, 400), generator=torch.Generator().manual_seed(0))
    attention = model(ids, output_attentions=True).attentions[0]
    for head, back in enumerate([1, 2, 3]):
        weights = attention[:, head].diagonal(offset=-back, dim1=1, dim2=2)[:, 8:]
        assert weights.mean() > 0.9
        assert weights.min() > 0.5
    assert attention[:, 3].diagonal(offset=-1, dim1=1, dim2=2).mean() < 0.1


def test_only_what_writes_into_the_residual_stream_is_scaled(tmp_path: Path) -> None:
    plain = AutoModelForCausalLM.from_pretrained(create(tmp_path, 1)[0]).state_dict()
    scaled = AutoModelForCausalLM.from_pretrained(
        create(tmp_path, 1, residual_init_scale=0.25)[0]
    ).state_dict()
    for name, weight in plain.items():
        writes = name.endswith(('o_proj.weight', 'down_proj.weight'))
        assert torch.equal(scaled[name], weight * 0.25 if writes else weight), name


@pytest.mark.parametrize(
    'changes',
    [{'hidden_size': 66}, {'attention_bias': False}, {'look_back_heads': [1] * 5}],
    ids=str,
)
def test_shapes_that_make_no_model_are_refused(tmp_path: Path, changes: dict[str, Any]) -> None:
    with pytest.raises(WorkerError) as caught:
        create(tmp_path, 1, **changes)
    assert caught.value.code == 'bad_request'


def test_texts_must_be_json_strings(tmp_path: Path) -> None:
    from elenchus_runtime.tiny import _read_texts

    file = tmp_path / 'texts.jsonl'
    file.write_text(json.dumps({'text': 'a'}))
    with pytest.raises(WorkerError, match='one JSON string per line'):
        _read_texts(str(file))
    with pytest.raises(WorkerError) as caught:
        _read_texts(str(tmp_path / 'absent'))
    assert caught.value.code == 'file_missing'
