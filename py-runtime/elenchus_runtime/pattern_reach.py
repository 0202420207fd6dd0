"""How far back in a text that grows a new match of a pattern can begin, and what it must end with.

A match that lies wholly in the text before it grew was there before, provided that nothing in the pattern
looks to the right of what it consumes. So a new match ends in what was added: its last character is there,
and it begins no further back than it is wide. Where that cannot be read from the pattern's parsed form, the
answer is that nothing is known, and the whole text has to be searched.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any

WIDEST = 1 << 16
"""Characters; wider patterns, those without a limit among them, count as unbounded."""

MOST_LAST = 64
"""Characters that a match may end with; for more, looking for them is no shortcut."""

_PLAIN = {'LITERAL', 'NOT_LITERAL', 'ANY', 'IN'}
"""Consume one character."""
_BEGINNINGS = {'AT_BEGINNING', 'AT_BEGINNING_LINE', 'AT_BEGINNING_STRING'}
"""Anchors that look to the left."""


@dataclass(frozen=True)
class Reach:
    """Of every match: most characters, and those that it may end with; `None` where nothing is known."""

    width: int | None
    last: frozenset[str] | None


NOWHERE_BOUND = Reach(None, None)


def reach_of(pattern: re.Pattern[str]) -> Reach:
    if pattern.flags & ~(re.UNICODE | re.MULTILINE | re.DOTALL):
        return NOWHERE_BOUND
    try:
        # The parser is no public interface: of what it may become in other versions nothing is known.
        parser: Any = importlib.import_module('re._parser')
        parsed = parser.parse(pattern.pattern, pattern.flags)
        least, most = parsed.getwidth()
        if least < 1 or not _looks_left(parsed):
            return NOWHERE_BOUND
        return Reach(most if most <= WIDEST else None, _last(parsed))
    except Exception:
        return NOWHERE_BOUND


def _looks_left(nodes: Any) -> bool:
    """Whether nothing in it depends on what comes after what it consumes."""
    return all(_node_looks_left(str(kind), value) for kind, value in nodes)


def _node_looks_left(kind: str, value: Any) -> bool:
    if kind in _PLAIN:
        return True
    if kind == 'AT':
        return str(value) in _BEGINNINGS
    if kind == 'SUBPATTERN':
        _, added_flags, taken_flags, nodes = value
        return not added_flags and not taken_flags and _looks_left(nodes)
    if kind == 'BRANCH':
        return all(_looks_left(nodes) for nodes in value[1])
    if kind in ('MAX_REPEAT', 'MIN_REPEAT'):
        return _looks_left(value[2])
    if kind in ('ASSERT', 'ASSERT_NOT'):
        direction, nodes = value
        return direction < 0 and _looks_left(nodes)
    # Possessive and atomic groups, references, conditions.
    return False


def _last(nodes: Any) -> frozenset[str] | None:
    """Characters that a match of at least one character can end with."""
    found: frozenset[str] = frozenset()
    for kind, value in reversed(list(nodes)):
        here, may_be_empty = _last_of(str(kind), value)
        if here is None:
            return None
        found |= here
        if len(found) > MOST_LAST:
            return None
        if not may_be_empty:
            break
    return found


def _last_of(kind: str, value: Any) -> tuple[frozenset[str] | None, bool]:
    """The same of one node, and whether it may consume nothing."""
    if kind in ('AT', 'ASSERT', 'ASSERT_NOT'):
        return frozenset(), True
    if kind == 'LITERAL':
        return frozenset(chr(value)), False
    if kind == 'IN':
        return _members(value), False
    if kind == 'SUBPATTERN':
        nodes = value[3]
        return _last(nodes), nodes.getwidth()[0] == 0
    if kind == 'BRANCH':
        ends = [_last(nodes) for nodes in value[1]]
        empty = any(nodes.getwidth()[0] == 0 for nodes in value[1])
        return _union(ends), empty
    if kind in ('MAX_REPEAT', 'MIN_REPEAT'):
        least, _, nodes = value
        return _last(nodes), least == 0 or nodes.getwidth()[0] == 0
    return None, False


def _members(items: Any) -> frozenset[str] | None:
    """Of a set in square brackets, if it lists what is in it."""
    found: set[str] = set()
    for kind, value in items:
        if str(kind) == 'LITERAL':
            found.add(chr(value))
        elif str(kind) == 'RANGE' and value[1] - value[0] < MOST_LAST:
            found.update(map(chr, range(value[0], value[1] + 1)))
        else:
            return None
    return frozenset(found)


def _union(sets: list[frozenset[str] | None]) -> frozenset[str] | None:
    known = [each for each in sets if each is not None]
    return frozenset().union(*known) if len(known) == len(sets) else None
