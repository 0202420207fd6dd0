"""Structs and framing, against messages of our own and the golden ones of the TypeScript schema."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from orchestrator import raw_header

from elenchus_runtime.blobs import FRAME_BYTES, pack_ragged, unpack_ragged
from elenchus_runtime.errors import WorkerError
from elenchus_runtime.protocol import (
    OP_BODIES,
    DpoBatch,
    TrainStep,
    decode_body,
    decode_message,
    encode_message,
)

GOLDEN = Path(__file__).parents[2] / 'tests' / 'golden' / 'wire'


def golden() -> list[Any]:
    return json.loads((GOLDEN / 'index.json').read_text())


def frames_of(entry: dict[str, Any]) -> list[bytes]:
    return [(GOLDEN / entry['file']).read_bytes(), *map(base64.b64decode, entry['frames_base64'])]


def test_golden_messages_cover_every_operation() -> None:
    assert {entry['op'] for entry in golden() if entry['kind'] == 'request'} == set(OP_BODIES)


def without_absent(read: Any, sent: Any) -> Any:
    """What was read, less the defaults of fields that were not sent."""
    if isinstance(read, dict) and isinstance(sent, dict):
        return {key: without_absent(value, sent[key]) for key, value in read.items() if key in sent}
    if isinstance(read, list) and isinstance(sent, list) and len(read) == len(sent):
        return [without_absent(*pair) for pair in zip(read, sent, strict=True)]
    return read


@pytest.mark.parametrize('entry', golden(), ids=lambda entry: entry['name'])
def test_golden_message_reads_as_it_was_written(entry: dict[str, Any]) -> None:
    header, blobs = decode_message(frames_of(entry))
    assert (header.kind, header.id, header.op) == (entry['kind'], entry['id'], entry['op'])
    assert msgspec.msgpack.decode(header.body) == entry['body']
    if entry['kind'] == 'request':
        body = decode_body(entry['op'], header.body)
        read = json.loads(msgspec.json.encode(body))
        assert without_absent(read, entry['body']) == entry['body']
    for blob in entry['blobs']:
        assert list(blobs[blob['name']].shape) == blob['shape']
    assert encode_message(header.kind, header.id, entry['body'], blobs)[1:] == frames_of(entry)[1:]


@pytest.mark.parametrize('count', [0, 1, FRAME_BYTES // 4, FRAME_BYTES // 4 + 1, FRAME_BYTES])
def test_blobs_survive_framing(count: int) -> None:
    blobs = {'a': np.arange(count, dtype='<i4'), 'b': np.linspace(0, 1, 7), 'c': np.zeros(0, dtype='<f4')}
    frames = encode_message('event', 'x', {'type': 'y'}, blobs)
    assert all(len(frame) <= FRAME_BYTES for frame in frames[1:])
    assert len(frames) == 1 + -(-count * 4 // FRAME_BYTES) + 1
    _, back = decode_message([bytes(frame) for frame in frames])
    for name, array in blobs.items():
        np.testing.assert_array_equal(back[name], array)
        assert back[name].dtype == array.dtype


BLOB = {'name': 'a', 'dtype': 'i32', 'shape': [2]}


@pytest.mark.parametrize(
    'frames',
    [
        [],
        [b''],
        [b'\xc1garbage'],
        [msgspec.msgpack.encode([1, 2])],
        [raw_header(v=2)],
        [raw_header(kind='nonsense')],
        [raw_header(), b'stray'],
        [raw_header(blobs=[BLOB])],
        [raw_header(blobs=[BLOB]), b'1234567'],
        [raw_header(blobs=[BLOB | {'shape': [-2]}])],
        [raw_header(blobs=[BLOB | {'dtype': 'i64'}]), b'12345678'],
        [raw_header(blobs=[BLOB, BLOB]), b'12345678', b'12345678'],
    ],
    ids=str,
)
def test_malformed_messages_are_refused(frames: list[bytes]) -> None:
    with pytest.raises(WorkerError) as caught:
        decode_message(frames)
    assert caught.value.code == 'protocol_violation'


def body_of(**fields: Any) -> msgspec.Raw:
    return msgspec.Raw(msgspec.msgpack.encode(fields))


def test_integers_may_arrive_where_floats_are_meant() -> None:
    body = decode_body(
        'train.step',
        body_of(
            session='s',
            step=3,
            learning_rate=0,
            batch={
                'type': 'dpo',
                'prompts': ['p'],
                'rows': [0, 0],
                'pairs': [[0, 1]],
                'beta': 1,
                'max_length': 9,
            },
        ),
    )
    assert isinstance(body, TrainStep)
    assert isinstance(body.learning_rate, float)
    assert isinstance(body.batch, DpoBatch)
    assert isinstance(body.batch.beta, float)
    assert body.batch.pairs == [(0, 1)]


@pytest.mark.parametrize(
    ('op', 'fields', 'named'),
    [
        ('adapter.drop', {}, 'name'),
        ('adapter.drop', {'name': 3}, 'name'),
        ('adapter.drop', {'name': 'a', 'nmae': 'b'}, 'nmae'),
        ('train.step', {'session': 's', 'step': 1, 'learning_rate': 0.1, 'batch': {'type': 'grpo'}}, 'grpo'),
    ],
)
def test_bodies_that_do_not_fit_are_refused_by_name(op: str, fields: dict[str, Any], named: str) -> None:
    with pytest.raises(WorkerError, match=named) as caught:
        decode_body(op, body_of(**fields))
    assert caught.value.code == 'bad_request'


def test_an_operation_nobody_has_is_refused() -> None:
    with pytest.raises(WorkerError, match='model\\.distill') as caught:
        decode_body('model.distill', body_of())
    assert caught.value.code == 'unknown_op'


@pytest.mark.parametrize('lengths', [[], [0], [3], [2, 0, 1]])
def test_ragged_rows_come_back(lengths: list[int]) -> None:
    rows = [np.arange(length, dtype=np.int32) for length in lengths]
    back = unpack_ragged('ids', pack_ragged('ids', rows, 'i32'))
    assert [row.tolist() for row in back] == [row.tolist() for row in rows]


@pytest.mark.parametrize('lengths', [[2], [4], [-1, 4], [[3]]])
def test_lengths_that_do_not_add_up_are_refused(lengths: list[Any]) -> None:
    blobs = {'ids': np.arange(3, dtype='<i4'), 'ids_lengths': np.asarray(lengths, dtype='<i4')}
    with pytest.raises(WorkerError, match='add up'):
        unpack_ragged('ids', blobs)
