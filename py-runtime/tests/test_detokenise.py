"""Text grown token by token is the text of the whole."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from conftest import make_tokenizer
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from elenchus_runtime import detokenise
from elenchus_runtime.detokenise import Detokeniser, _PieceGrowth, _WindowGrowth

TEXTS = ['Every wumpus is a yumpus. [0]\n', 'née 漢字 🦉👩‍👧!', ' leading', 'a' * 30, '']


@pytest.fixture(scope='module')
def byte_level(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return AutoTokenizer.from_pretrained(make_tokenizer(tmp_path_factory.mktemp('tokenizer')))


@pytest.fixture(scope='module')
def sentence_piece() -> Any:
    """As Llama 2 and Mistral have it: word marks, byte fallback, a stripped first space."""
    pieces = ['<unk>', '<s>', '</s>', *(f'<0x{byte:02X}>' for byte in range(256)), '▁']
    pieces += [*'abcdefghijklmnopqrstuvwxyzE[]0.!', '▁wumpus', '▁is', '▁a', '▁leading']
    tokenizer = Tokenizer(
        models.BPE({p: i for i, p in enumerate(pieces)}, [], byte_fallback=True, unk_token='<unk>')
    )
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend('▁'), normalizers.Replace(' ', '▁')])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace('▁', ' '), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(' ', 1, 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, eos_token='</s>', bos_token='<s>', unk_token='<unk>'
    )


def grown(detokeniser: Detokeniser, ids: list[int]) -> list[str]:
    growth = detokeniser.growth()
    text, states = '', []
    for id in ids:
        text += growth.add(id)
        states.append(text)
    return states


@pytest.mark.parametrize('kind', ['byte_level', 'sentence_piece'])
@pytest.mark.parametrize('text', TEXTS)
def test_growing_text_ends_as_the_whole(kind: str, text: str, request: pytest.FixtureRequest) -> None:
    tokenizer = request.getfixturevalue(kind)
    detokeniser = Detokeniser(tokenizer)
    ids = tokenizer(text, add_special_tokens=False)['input_ids']
    states = grown(detokeniser, ids)
    assert (states[-1] if states else '') == detokeniser.text(ids) == text
    for state in states:
        assert text.startswith(state)


@pytest.mark.parametrize(('kind', 'first'), [('byte_level', 0), ('sentence_piece', 259)])
def test_any_ids_grow_to_a_prefix_of_their_decoding(
    kind: str, first: int, request: pytest.FixtureRequest
) -> None:
    """Not SentencePiece's bytes: one that is no UTF-8 makes its whole run unreadable afterwards."""
    tokenizer = request.getfixturevalue(kind)
    detokeniser = Detokeniser(tokenizer)
    source = random.Random(1)
    for _ in range(100):
        ids = [source.randrange(first, len(tokenizer)) for _ in range(20)]
        whole = detokeniser.text(ids)
        state = grown(detokeniser, ids)[-1]
        # What is missing at the end is a character that is not complete.
        assert whole.startswith(state)
        assert set(whole[len(state) :]) <= {'\ufffd'}


@pytest.mark.parametrize('strip', [True, False])
def test_pieces_and_bytes_grow_as_they_are_decoded(sentence_piece: Any, strip: bool) -> None:
    """Characters of several bytes between pieces, whole or cut off; special tokens in between."""
    backend = Tokenizer.from_str(sentence_piece.backend_tokenizer.to_str())
    steps = [decoders.Replace('▁', ' '), decoders.ByteFallback(), decoders.Fuse()]
    backend.decoder = decoders.Sequence([*steps, decoders.Strip(' ', 1, 0)] if strip else steps)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token='</s>', unk_token='<unk>')
    detokeniser = Detokeniser(tokenizer)
    assert isinstance(detokeniser.growth(), _PieceGrowth)
    source = random.Random(2)
    end = tokenizer.eos_token_id

    def unit() -> list[int]:
        piece = [source.randrange(259, len(tokenizer))]
        written = [3 + byte for byte in source.choice(['é', '漢', '🦉', '\n', 'a']).encode()]
        # A run of bytes with one that is no character is unreadable as a whole: so cut ones stand alone.
        cut = [*piece, *written[:-1], *piece]
        return source.choice([piece, [end], written, [written[0], end, *written[1:]], cut])

    for _ in range(300):
        ids = [id for _ in range(source.randrange(8)) for id in unit()]
        whole = detokeniser.text(ids)
        states = grown(detokeniser, ids)
        assert (states or [''])[-1] == whole
        assert all(whole.startswith(state) for state in states)


def test_a_tokenizer_that_decodes_otherwise_is_asked(
    sentence_piece: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded = detokenise.decode
    monkeypatch.setattr(detokenise, 'decode', lambda *given: decoded(*given).upper())
    assert isinstance(Detokeniser(sentence_piece).growth(), _WindowGrowth)


def test_special_tokens_have_no_text(byte_level: Any) -> None:
    ids = byte_level('a', add_special_tokens=True)['input_ids'] + [byte_level.eos_token_id]
    assert Detokeniser(byte_level).text(ids) == grown(Detokeniser(byte_level), ids)[-1] == 'a'


def test_ids_beyond_the_tokenizer_have_no_text(byte_level: Any) -> None:
    assert grown(Detokeniser(byte_level), [len(byte_level) + 5]) == ['']


def test_phrases_of_the_tiny_tokenizer_grow_at_once(tmp_path: Path, byte_level: Any) -> None:
    ids = byte_level('Every wumpus', add_special_tokens=False)['input_ids']
    assert grown(Detokeniser(byte_level), ids) == ['Every wumpus']
