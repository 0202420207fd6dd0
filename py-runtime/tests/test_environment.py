"""The tested set is that of requirements.txt, and anything else is warned about."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from elenchus_runtime.environment import LEAST, TESTED, refuse_unsupported, version_warnings, versions
from elenchus_runtime.errors import WorkerError

PROJECT = Path(__file__).parents[1] / 'pyproject.toml'
REQUIREMENTS = Path(__file__).parents[2] / 'requirements.txt'


def test_tested_versions_are_those_of_requirements() -> None:
    pinned = dict(re.findall(r'^([\w-]+)==(\S+)$', REQUIREMENTS.read_text(), flags=re.M))
    assert {name: pinned.get(name) for name in TESTED} == TESTED


def test_another_version_is_warned_about_by_name() -> None:
    found = dict(TESTED) | {'torch': '2.13.0+cu130', 'peft': '0.99.0'}
    assert version_warnings(found) == ['peft 0.99.0 is outside the tested set (0.21.0).']


def test_versions_name_every_library() -> None:
    assert set(versions()) == {'python', *TESTED}


def test_least_versions_are_those_of_the_package() -> None:
    wanted = dict(re.findall(r'^ +"([\w-]+)>=([\d.]+)",$', PROJECT.read_text(), flags=re.M))
    assert {name: '.'.join(map(str, least)) for name, least in LEAST.items()} == {
        name: wanted[name] for name in LEAST
    }


def test_libraries_that_are_too_old_are_refused_by_name() -> None:
    found = dict(TESTED) | {'torch': '2.9.0+cu128', 'transformers': '5.10.dev0'}
    refuse_unsupported(found)
    with pytest.raises(WorkerError, match=r'torch 2\.8\.1 \(at least 2\.9\), peft absent') as caught:
        refuse_unsupported(found | {'torch': '2.8.1', 'peft': 'absent'})
    assert caught.value.code == 'environment'
