"""The map of the worker's files: whoever reads it finds each of them once."""

import re
from pathlib import Path

import elenchus_runtime

SOURCES = Path(elenchus_runtime.__file__).parent
README = SOURCES.parent / 'README.md'


def test_every_file_is_in_the_map_once() -> None:
    rows = [line for line in README.read_text().splitlines() if line.startswith('| `')]
    listed = [name for row in rows for name in re.findall(r'`(\w+\.py)`', row.split('|')[1])]
    assert sorted(listed) == sorted(path.name for path in SOURCES.glob('*.py') if path.name != '__init__.py')
