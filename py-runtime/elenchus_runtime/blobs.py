"""Arrays on the wire: what a header says of them, and the frames that they travel in (`docs/wire.md`).

Knows types, shapes and byte order. Knows nothing of messages, sockets, models or tensors: blobs are numpy
arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import msgspec
import numpy as np
import numpy.typing as npt

from .errors import WorkerError

FRAME_BYTES = 1 << 20

DType = Literal['i32', 'f32', 'f64', 'u8']
Blobs = dict[str, npt.NDArray[Any]]

_NUMPY: Mapping[str, np.dtype[Any]] = {
    'i32': np.dtype('<i4'),
    'f32': np.dtype('<f4'),
    'f64': np.dtype('<f8'),
    'u8': np.dtype('u1'),
}
_WIRE: Mapping[np.dtype[Any], DType] = {
    np.dtype('<i4'): 'i32',
    np.dtype('<f4'): 'f32',
    np.dtype('<f8'): 'f64',
    np.dtype('u1'): 'u8',
}

MOST_DIMENSIONS = 4


class BlobSpec(msgspec.Struct):
    name: str
    dtype: DType
    shape: list[int]


def split_blobs(
    blobs: Mapping[str, npt.NDArray[Any]],
) -> tuple[list[dict[str, Any]], list[bytes | memoryview]]:
    """What the header says of arrays, and their bytes in frames of at most 1 MiB."""
    specs: list[dict[str, Any]] = []
    frames: list[bytes | memoryview] = []
    for name, array in blobs.items():
        dtype = _WIRE.get(array.dtype)
        assert dtype is not None, f'blob {name}: dtype {array.dtype} is not one of the wire'
        specs.append({'name': name, 'dtype': dtype, 'shape': list(array.shape)})
        view = np.ascontiguousarray(array).view(np.uint8).reshape(-1).data
        frames.extend(view[at : at + FRAME_BYTES] for at in range(0, len(view), FRAME_BYTES))
    return specs, frames


def join_blobs(specs: Sequence[BlobSpec], frames: Sequence[bytes | memoryview]) -> Blobs:
    """The arrays that frames hold. Raises `protocol_violation` where the two do not fit."""
    blobs: Blobs = {}
    at = 0
    for spec in specs:
        dtype = _NUMPY[spec.dtype]
        # No array of ours has more; numpy refuses other shapes, and large products take for ever.
        if len(spec.shape) > MOST_DIMENSIONS or any(not 0 <= extent < 1 << 40 for extent in spec.shape):
            raise WorkerError('protocol_violation', f'Blob {spec.name} has a shape that no array has.')
        count = 1
        for extent in spec.shape:
            count *= extent
        size = count * dtype.itemsize
        pieces = frames[at : at + -(-size // FRAME_BYTES)]
        present = sum(len(piece) for piece in pieces)
        # Checked before anything is allocated: a shape alone must not be able to claim memory.
        if present != size:
            raise WorkerError(
                'protocol_violation', f'Blob {spec.name} has {present} bytes, its shape needs {size}.'
            )
        if spec.name in blobs:
            raise WorkerError('protocol_violation', f'Blob {spec.name} is described twice.')
        blobs[spec.name] = _joined(pieces, size).view(dtype).reshape(spec.shape)
        at += len(pieces)
    if at != len(frames):
        raise WorkerError('protocol_violation', f'{len(frames) - at} frames belong to no blob.')
    return blobs


def _joined(pieces: Sequence[bytes | memoryview], size: int) -> npt.NDArray[np.uint8]:
    """The one copy of what ZeroMQ received: `bytes.join` into fresh memory takes four times as long."""
    joined = np.empty(size, dtype=np.uint8)
    at = 0
    for piece in pieces:
        joined[at : at + len(piece)] = np.frombuffer(piece, dtype=np.uint8)
        at += len(piece)
    return joined


def pack_ragged(name: str, rows: Sequence[npt.NDArray[Any]], dtype: DType) -> Blobs:
    """Two blobs: `NAME`, the rows one after the other, and `NAME_lengths`."""
    flat = np.concatenate(rows) if rows else np.empty(0)
    return {
        name: flat.astype(_NUMPY[dtype], copy=False),
        f'{name}_lengths': np.asarray([len(row) for row in rows], dtype=_NUMPY['i32']),
    }


def unpack_ragged(name: str, blobs: Blobs) -> list[npt.NDArray[Any]]:
    """Rows of a ragged blob. Raises `bad_request` if a blob is absent or the lengths do not add up."""
    flat, lengths = need_blob(name, blobs), need_blob(f'{name}_lengths', blobs)
    if flat.ndim != 1 or lengths.ndim != 1 or (lengths < 0).any() or int(lengths.sum()) != len(flat):
        raise WorkerError('bad_request', f'{name}_lengths do not add up to the length of {name}.')
    return np.split(flat, np.cumsum(lengths)[:-1]) if len(lengths) else []


def need_blob(name: str, blobs: Blobs) -> npt.NDArray[Any]:
    if name not in blobs:
        raise WorkerError('bad_request', f'The blob {name} is missing.')
    return blobs[name]
