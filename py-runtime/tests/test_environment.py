"""The tested set is that of requirements.txt, and anything else is warned about."""

from __future__ import annotations

import re
from pathlib import Path

from elenchus_runtime.environment import TESTED, version_warnings, versions

REQUIREMENTS = Path(__file__).parents[2] / 'requirements.txt'


def test_tested_versions_are_those_of_requirements() -> None:
    pinned = dict(re.findall(r'^([\w-]+)==(\S+)$', REQUIREMENTS.read_text(), flags=re.M))
    assert {name: pinned.get(name) for name in TESTED} == TESTED


def test_another_version_is_warned_about_by_name() -> None:
    found = dict(TESTED) | {'torch': '2.13.0+cu130', 'peft': '0.99.0'}
    assert version_warnings(found) == ['peft 0.99.0 is outside the tested set (0.21.0).']


def test_versions_name_every_library() -> None:
    assert set(versions()) == {'python', *TESTED}
