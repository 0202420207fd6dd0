"""Files may come from anywhere, so none is read that can run code when it is: no pickle, in no disguise."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import elenchus_runtime

SOURCES = Path(elenchus_runtime.__file__).parent
MODULES = {'pickle', '_pickle', 'cPickle', 'cloudpickle', 'dill', 'joblib', 'marshal', 'shelve'}
#: Of torch.distributed: they send pickles, and read what another rank sent.
OBJECTS = {
    'all_gather_object',
    'broadcast_object_list',
    'gather_object',
    'recv_object_list',
    'scatter_object_list',
    'send_object_list',
}


def findings(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (f'{node.lineno}: {name.name}' for name in node.names if _refused(name.name))
        elif isinstance(node, ast.ImportFrom):
            names = [node.module or '', *(name.name for name in node.names)]
            yield from (f'{node.lineno}: {name}' for name in names if _refused(name))
            if node.module in ('torch', 'torch.serialization') and any(n.name == 'load' for n in node.names):
                yield f'{node.lineno}: load of torch without its name'
        elif isinstance(node, ast.Attribute) and node.attr in OBJECTS:
            yield f'{node.lineno}: {node.attr}'
        elif isinstance(node, ast.Call):
            yield from (f'{node.lineno}: {what}' for what in _refused_call(node))


def _refused(module: str) -> bool:
    return module.partition('.')[0] in MODULES or module in OBJECTS


def _refused_call(call: ast.Call) -> Iterator[str]:
    keywords = {keyword.arg: keyword.value for keyword in call.keywords}
    name = ast.unparse(call.func)
    if name in ('torch.load', 'torch.serialization.load') and not _is(keywords.get('weights_only'), True):
        yield 'torch.load without weights_only=True'
    if 'allow_pickle' in keywords and not _is(keywords['allow_pickle'], False):
        yield 'allow_pickle'
    if name in ('__import__', 'importlib.import_module') and any(
        isinstance(each, ast.Constant) and _refused(str(each.value)) for each in call.args
    ):
        yield 'an import by name'


def _is(node: ast.expr | None, value: bool) -> bool:
    return isinstance(node, ast.Constant) and node.value is value


def test_the_runtime_reads_no_pickle() -> None:
    files = sorted(SOURCES.rglob('*.py'))
    assert len(files) > 20
    found = [f'{file.relative_to(SOURCES)}:{line}' for file in files for line in findings(file.read_text())]
    assert found == []


@pytest.mark.parametrize(
    'source',
    [
        'import pickle',
        'import os, pickle as p',
        'from pickle import loads',
        'import joblib.numpy_pickle',
        'from torch import load',
        'torch.load(path)',
        'torch.load(path, weights_only=False)',
        'torch.load(path, weights_only=safe)',
        'numpy.load(path, allow_pickle=True)',
        "importlib.import_module('dill')",
        'dist.all_gather_object(found, own)',
        'from torch.distributed import broadcast_object_list',
    ],
)
def test_it_would_be_found(source: str) -> None:
    assert list(findings(source))


@pytest.mark.parametrize(
    'source',
    [
        'torch.load(path, weights_only=True)',
        'numpy.load(path, allow_pickle=False)',
        'load_file(path)',
        'json.load(f)',
    ],
)
def test_what_is_no_pickle_is_not(source: str) -> None:
    assert not list(findings(source))
