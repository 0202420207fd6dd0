"""Text of a completion as it grows, one token at a time.

Where every token stands for certain bytes (byte-level vocabularies), a table answers in constant time.
Elsewhere a window is decoded twice per token, since a token's text may depend on the one before it.
"""

from __future__ import annotations

import codecs
import json
from typing import Any, Protocol


class TextGrowth(Protocol):
    """What one more token adds to the text; an unfinished character adds nothing until it is whole."""

    def add(self, id: int) -> str: ...


class Detokeniser:
    """Made once per tokenizer; `growth()` once per completion."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._table = _byte_table(tokenizer)

    def growth(self) -> TextGrowth:
        return _ByteGrowth(self._table) if self._table is not None else _WindowGrowth(self._tokenizer)

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


def _byte_chars() -> dict[int, str]:
    """GPT-2's printable stand-in for each byte."""
    printable = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    chars = {byte: chr(byte) for byte in printable}
    others = [byte for byte in range(256) if byte not in chars]
    return chars | {byte: chr(0x100 + place) for place, byte in enumerate(others)}
