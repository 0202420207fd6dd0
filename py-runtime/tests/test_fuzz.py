"""Random damage to messages: the worker's decoder answers with its own error, and with nothing else."""

from __future__ import annotations

import random
from collections import Counter

import msgspec
import numpy as np
import pytest

from elenchus_runtime.errors import WorkerError
from elenchus_runtime.protocol import decode_body, decode_message, encode_message

MESSAGES = 20_000
BLOBS = {'ids': np.arange(5, dtype='<i4'), 'sums': np.ones(3, dtype='<f8')}
BODY = {'policy': None, 'prompts': ['a'], 'rows': [0], 'temperature': 1.0, 'micro_batch_tokens': 64}


def damaged(rng: random.Random, frames: list[bytes]) -> list[bytes]:
    kind = rng.randrange(6)
    at = rng.randrange(len(frames))
    frame = bytearray(frames[at])
    if kind == 0 and frame:
        for _ in range(rng.randint(1, 8)):
            frame[rng.randrange(len(frame))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        del frame[rng.randrange(len(frame) + 1) :]
    elif kind == 2:
        position = rng.randrange(len(frame) + 1)
        frame[position:position] = rng.choice(
            [b'\xdd\xff\xff\xff\xff', b'\xdf\xff\xff\xff\xff', b'\xc9\0\0\0']
        )
    elif kind == 3:
        return [*frames[:at], *frames[at + 1 :]]
    elif kind == 4:
        return [*frames[:at], bytes(rng.randrange(100)), *frames[at:]]
    else:
        return [rng.randbytes(rng.randrange(100))]
    return [*frames[:at], bytes(frame), *frames[at + 1 :]]


def test_damaged_messages_are_refused_and_nothing_else_happens() -> None:
    rng = random.Random(1)
    whole = [bytes(frame) for frame in encode_message('request', 'x', BODY, BLOBS)]
    codes: Counter[str] = Counter()
    for _ in range(MESSAGES):
        try:
            header, _blobs = decode_message(damaged(rng, whole))
            decode_body('score', header.body)
        except WorkerError as error:
            codes[error.code] += 1
    assert set(codes) == {'protocol_violation', 'bad_request'}
    assert codes.total() > MESSAGES / 2


@pytest.mark.parametrize(
    'shape', [[1] * 100, [0, 1 << 62, 1 << 62], [1 << 62] * 2, [0] * 65, [2] * 3000], ids=str
)
def test_shapes_that_no_array_has_are_refused(shape: list[int]) -> None:
    spec = {'name': 'ids', 'dtype': 'i32', 'shape': shape}
    header = {'v': 1, 'kind': 'request', 'id': 'x', 'op': 'stats', 'body': {}, 'blobs': [spec]}
    with pytest.raises(WorkerError, match='ids'):
        decode_message([msgspec.msgpack.encode(header), *([b'abcd'] if 0 not in shape else [])])
