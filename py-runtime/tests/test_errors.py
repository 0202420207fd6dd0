"""The worker's error codes are a copy of part of src/errors.ts."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from elenchus_runtime.errors import RETRYABLE, WorkerError

TABLE = Path(__file__).parents[2] / 'src' / 'errors.ts'


def typescript_codes() -> dict[str, bool]:
    source = TABLE.read_text()
    table = source[source.index('ERROR_CODES = {') : source.index('} as const')]
    return {code: flag == 'true' for code, flag in re.findall(r'(\w+): \{\s*retryable: (true|false)', table)}


def test_every_code_is_in_the_table_with_the_same_retryable() -> None:
    theirs = typescript_codes()
    assert len(theirs) > 20
    assert {code: theirs.get(code) for code in RETRYABLE} == dict(RETRYABLE)


def test_an_unknown_code_cannot_be_raised() -> None:
    with pytest.raises(AssertionError):
        WorkerError('no_such_code', 'x')
