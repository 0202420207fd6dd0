"""Text of a completion as it grows, one token at a time.

Where every token stands for certain bytes (byte-level vocabularies) or for a piece of text or one byte
(SentencePiece's, as in Llama 2 and Mistral), a table answers in constant time. Elsewhere a window is decoded
twice per token, since a token's text may depend on the one before it.
"""

from __future__ import annotations

import codecs
import json
import random
import re
from typing import Any, Protocol


class TextGrowth(Protocol):
    """What one more token adds to the text; an unfinished character adds nothing until it is whole."""

    def add(self, id: int) -> str: ...


class Detokeniser:
    """Made once per tokenizer; `growth()` once per completion."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._bytes = _byte_table(tokenizer)
        self._pieces = _piece_table(tokenizer) if self._bytes is None else None

    def growth(self) -> TextGrowth:
        if self._bytes is not None:
            return _ByteGrowth(self._bytes)
        if self._pieces is not None:
            return _PieceGrowth(*self._pieces)
        return _WindowGrowth(self._tokenizer)

    def text(self, ids: list[int]) -> str:
        """The whole text, special tokens left out."""
        return decode(self._tokenizer, ids)


def decode(tokenizer: Any, ids: list[int]) -> str:
    return tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)


class _ByteGrowth:
    def __init__(self, table: list[bytes]) -> None:
        self._table = table
        self._decoder = codecs.getincrementaldecoder('utf-8')(errors='replace')

    def add(self, id: int) -> str:
        # Embeddings may be padded beyond the tokenizer's ids; those have no text.
        return self._decoder.decode(self._table[id] if id < len(self._table) else b'')


class _PieceGrowth:
    """`table`: text, the one byte that a token stands for, or `None` for a special token."""

    def __init__(self, table: list[str | bytes | None], strip: bool) -> None:
        self._table = table
        self._strip = strip
        """Whether a space at the very beginning is still to be left out."""
        self._decoder = codecs.getincrementaldecoder('utf-8')(errors='replace')
        self._in_bytes = False

    def add(self, id: int) -> str:
        # Embeddings may be padded beyond the tokenizer's ids; those have no text.
        piece = self._table[id] if id < len(self._table) else None
        if piece is None:
            return ''
        if isinstance(piece, bytes):
            self._in_bytes = True
            text = self._decoder.decode(piece)
        elif self._in_bytes:
            # Bytes that were no whole character stand for themselves.
            text = '\ufffd' * len(self._decoder.getstate()[0]) + piece
            self._decoder.reset()
            self._in_bytes = False
        else:
            text = piece
        if self._strip and text:
            self._strip = False
            return text.removeprefix(' ')
        return text


class _WindowGrowth:
    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._start = 0
        self._read = 0

    def add(self, id: int) -> str:
        self._ids.append(id)
        before = decode(self._tokenizer, self._ids[self._start : self._read])
        now = decode(self._tokenizer, self._ids[self._start :])
        if len(now) <= len(before) or now.endswith('\ufffd') or not now.startswith(before):
            return ''
        # The window begins where text once ended cleanly, never inside a character's bytes.
        self._start, self._read = self._read, len(self._ids)
        return now[len(before) :]


def _byte_table(tokenizer: Any) -> list[bytes] | None:
    """The bytes of every id, or `None` if the tokenizer is not byte-level."""
    backend = getattr(tokenizer, 'backend_tokenizer', None)
    if backend is None:
        return None
    decoder = json.loads(backend.to_str()).get('decoder') or {}
    if decoder.get('type') != 'ByteLevel':
        return None
    byte_of = {char: byte for byte, char in _byte_chars().items()}
    special = set(tokenizer.all_special_ids)
    # Both build anew what they return whenever they are asked.
    added = tokenizer.added_tokens_decoder
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    table: list[bytes] = []
    for id, stored in enumerate(tokens):
        if id in special or (id in added and added[id].special):
            table.append(b'')
            continue
        token = added[id].content if id in added else stored or ''
        mapped = [byte_of.get(char) for char in token]
        # What is not wholly in the byte alphabet is text as it stands; the decoder does the same.
        table.append(token.encode() if None in mapped else bytes(byte for byte in mapped if byte is not None))
    return table


_WORD_MARK = {'type': 'Replace', 'pattern': {'String': '\u2581'}, 'content': ' '}
_STRIP = {'type': 'Strip', 'content': ' ', 'start': 1, 'stop': 0}
_BYTE = re.compile('<0x([0-9A-Fa-f]{2})>')
_TRIALS = 16
"""Texts of as many random ids that a table of pieces is tried on."""


def _piece_table(tokenizer: Any) -> tuple[list[str | bytes | None], bool] | None:
    """What every id stands for, and whether a first space is left out; `None` if they do not tell a text."""
    backend = getattr(tokenizer, 'backend_tokenizer', None)
    if backend is None:
        return None
    decoder = json.loads(backend.to_str()).get('decoder') or {}
    steps = decoder.get('decoders') or []
    plain = [_WORD_MARK, {'type': 'ByteFallback'}, {'type': 'Fuse'}]
    if steps not in (plain, [*plain, _STRIP]):
        return None
    special = set(tokenizer.all_special_ids)
    special |= {id for id, token in tokenizer.added_tokens_decoder.items() if token.special}
    tokens = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    table = [None if id in special else _piece(token or '') for id, token in enumerate(tokens)]
    found = (table, _STRIP in steps)
    return found if _holds(tokenizer, *found) else None


def _piece(token: str) -> str | bytes:
    byte = _BYTE.fullmatch(token)
    return token.replace('\u2581', ' ') if byte is None else bytes([int(byte[1], 16)])


def _holds(tokenizer: Any, table: list[str | bytes | None], strip: bool) -> bool:
    """Whether the tokenizer decodes as its parts say: of what surrounds them, not everything is known."""
    source = random.Random(0)
    texts = [id for id, piece in enumerate(table) if isinstance(piece, str)]
    trials = [[source.choice(texts) for _ in range(_TRIALS)] for _ in range(_TRIALS)] if texts else []
    id_of = {piece: id for id, piece in enumerate(table) if isinstance(piece, bytes)}
    written = [id_of.get(bytes([byte])) for byte in '\u00e9\u6f22\U0001f989'.encode()]
    trials.append([id for id in written if id is not None])
    for ids in trials:
        growth = _PieceGrowth(table, strip)
        if ''.join(map(growth.add, ids)) != decode(tokenizer, ids):
            return False
    return True


def _byte_chars() -> dict[int, str]:
    """GPT-2's printable stand-in for each byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    chars = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in chars]
    return chars | {byte: chr(0x100 + place) for place, byte in enumerate(others)}
