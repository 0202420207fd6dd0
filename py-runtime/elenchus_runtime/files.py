"""Files that are either whole or absent, and fingerprints of weights.

Knows the file system and safetensors' and PyTorch's file names; knows no model.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from .errors import WorkerError

# Mistral repositories hold a second copy of the weights under this name.
_SECOND_COPY = re.compile(r'^consolidated')
HASHED_AT_ONCE = 4
_SHA256_NAME = re.compile(r'^[0-9a-f]{64}$')


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yields a temporary folder beside `path` that takes its name once everything in it is on disk.

    A folder that is there already is replaced; what killed processes left of earlier attempts goes. Raises
    `io_failed`, leaving nothing behind, when the disk does not take it.
    """
    target = Path(path)
    scratch = target.with_name(f'.{target.name}.writing-{os.getpid()}')
    replaced = target.with_name(f'.{target.name}.replaced-{os.getpid()}')
    try:
        scratch.parent.mkdir(parents=True, exist_ok=True)
        _sweep(target)
        scratch.mkdir()
        yield scratch
        for file in sorted(scratch.rglob('*')):
            _sync(file)
        _sync(scratch)
        if target.exists():
            target.rename(replaced)
        scratch.rename(target)
        _sync(target.parent)
        shutil.rmtree(replaced, ignore_errors=True)
    except OSError as error:
        raise WorkerError('io_failed', f'Could not write {target}: {error}', path=str(target)) from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _sweep(target: Path) -> None:
    """Deletes what processes that are gone left of writing `target`."""
    left = re.compile(rf'\.{re.escape(target.name)}\.(?:writing|replaced)-(\d+)')
    for sibling in list(target.parent.iterdir()):
        match = left.fullmatch(sibling.name)
        if match is not None and not _runs(int(match[1])):
            shutil.rmtree(sibling, ignore_errors=True)


def _runs(pid: int) -> bool:
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_sha256(path: Path) -> str:
    """Hex SHA-256 of a file. Hugging Face's cache names its blobs by it, so those are not read again."""
    blob = path.resolve()
    if path.is_symlink() and blob.parent.name == 'blobs' and _SHA256_NAME.match(blob.name):
        return blob.name
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


def weight_files(folder: Path) -> list[Path]:
    """The files that hold a model's weights: safetensors if there are any, else PyTorch's."""
    for pattern in ('*.safetensors', 'pytorch_model*.bin'):
        files = sorted(file for file in folder.glob(pattern) if not _SECOND_COPY.match(file.name))
        if files:
            return files
    raise WorkerError('model_load_failed', f'{folder} holds no weights (*.safetensors).')


def weights_fingerprint(folder: Path) -> str:
    """Identifies a model's weights: the SHA-256 of one file, or of the sorted list of several."""
    files = weight_files(folder)
    if len(files) == 1:
        return file_sha256(files[0])
    # hashlib lets other threads run meanwhile: one core takes ten seconds for 15 GB.
    with ThreadPoolExecutor(min(len(files), HASHED_AT_ONCE)) as threads:
        hashes = list(threads.map(file_sha256, files))
    listing = ''.join(f'{file.name} {hash}\n' for file, hash in zip(files, hashes, strict=True))
    return hashlib.sha256(listing.encode()).hexdigest()


def folder_signature(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """Names, sizes and times of a model's files: changes when somebody writes them anew."""
    files = [*weight_files(folder), *sorted(folder.glob('*.json'))]
    return tuple((file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files)
