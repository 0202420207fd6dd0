"""Stops are found where a search of the whole text finds them, however the text has grown."""

from __future__ import annotations

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from elenchus_runtime.completion import Counter
from elenchus_runtime.pattern_reach import NOWHERE_BOUND, Reach, reach_of

ATOMS = ['a', 'b', ':', r'\n', '.', '[ab]', '[^a]', '[a-b:]', r'\w', r'[^\n]', 'ab', '', r'(?i:A)', r'\s']
LEFT = ['^', r'\A', '(?<=a)', '(?<!b)', r'(?<=^a)', '(?m:^)']
RIGHT = ['$', r'\Z', r'\b', r'\B', '(?=a)', '(?!b)', '(?=ab:)', r'(?<=a$)', r'(?!.*a)']


def grown(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    repeats = ['*', '+', '?', '*?', '+?', '??', '{1,2}', '{0,3}?', '*+', '?+']
    return st.one_of(
        st.tuples(inner, inner).map(''.join),
        st.tuples(inner, inner).map(lambda pair: f'(?:{pair[0]}|{pair[1]})'),
        st.tuples(inner, st.sampled_from(repeats)).map(lambda pair: f'(?:{pair[0]}){pair[1]}'),
        inner.map(lambda one: f'({one})'),
        inner.map(lambda one: f'(?>{one})'),
    )


PATTERNS = st.recursive(st.sampled_from([*ATOMS, *ATOMS, *LEFT, *RIGHT]), grown, max_leaves=8)
CHUNKS = st.lists(st.text('ab:\n', max_size=4), max_size=12)


class PlainCounter:
    """Searches everything behind the last match, every time."""

    def __init__(self, pattern: re.Pattern[str]) -> None:
        self._pattern = pattern
        self._from = 0
        self.count = 0

    def update(self, text: str) -> None:
        while self._from <= len(text) and (match := self._pattern.search(text, self._from)) is not None:
            self.count += 1
            self._from = max(match.end(), match.start() + 1)


def assert_same(pattern: re.Pattern[str], reach: Reach, chunks: list[str]) -> None:
    quick, plain = Counter(pattern, reach), PlainCounter(pattern)
    text = ''
    for added in chunks:
        text += added
        before = plain.count
        plain.update(text)
        assert quick.update(text, added) == (plain.count > before)
        assert (quick.count, quick._from) == (plain.count, plain._from), (pattern.pattern, text)


@settings(max_examples=1500, deadline=None, derandomize=True)
@given(PATTERNS, CHUNKS, st.sampled_from([0, re.MULTILINE, re.DOTALL]))
@example(r'Action:[^\n]*CONCLUDE[^\n]*\n', ['Action', ': CON', 'CLUDE\n', 'x'], 0)
@example('bab', ['b', 'ab', 'ab'], 0)
@example('a$', ['a', 'a', 'b'], 0)
@example(r'ba(?!b)', ['b', 'a', 'b', 'a', 'a'], 0)
@example(r'(?<=a)b', ['a', 'b'], 0)
@example('^b', ['a', 'b', 'b'], 0)
@example('x*', ['ab', 'b'], 0)
def test_every_growth_of_every_text(text: str, chunks: list[str], flags: int) -> None:
    try:
        pattern = re.compile(text, flags)
    except re.error:
        return
    assert_same(pattern, reach_of(pattern), chunks)


@pytest.mark.parametrize(
    ('pattern', 'reach'),
    [
        (r'Action:[^\n]*CONCLUDE[^\n]*\n', Reach(None, frozenset('\n'))),
        (r'Action:[^\n]*\n', Reach(None, frozenset('\n'))),
        (r'Action:|/>\n', Reach(7, frozenset(':\n'))),
        (r'\nQuestion:', Reach(10, frozenset(':'))),
        (r'[a-zA-Z ]', Reach(1, frozenset('abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ '))),
        (r'(?<=\n)ab?', Reach(2, frozenset('ab'))),
        ('a.', Reach(2, None)),
        ('ab*', Reach(None, frozenset('ab'))),
        # What looks to the right, may be empty, or folds case is searched for in the whole text.
        ('a$', NOWHERE_BOUND),
        (r'\bab', NOWHERE_BOUND),
        ('a(?=b)', NOWHERE_BOUND),
        ('a*', NOWHERE_BOUND),
        ('(?i)ab', NOWHERE_BOUND),
        ('(?>a|ab)c', NOWHERE_BOUND),
        (r'(a)\1', NOWHERE_BOUND),
    ],
)
def test_what_is_known_of_a_pattern(pattern: str, reach: Reach) -> None:
    assert reach_of(re.compile(pattern)) == reach


def test_a_pattern_is_not_searched_for_where_it_cannot_end() -> None:
    """The stops of both pipelines: a search for each character that one can end with, none besides."""
    text = 'Thought: so\nAction: <Option type="CONCLUDE" />\n'
    counter = Counter(re.compile(r'Action:[^\n]*\n'), reach_of(re.compile(r'Action:[^\n]*\n')))
    searches: list[int] = []
    found = counter._search
    counter._search = lambda text, start: searches.append(start) or found(text, start)  # type: ignore
    for end in range(1, len(text) + 1):
        counter.update(text[:end], text[end - 1])
    # Again after each find, until there is none.
    assert len(searches) == text.count('\n') + counter.count
    assert counter.count == 1
