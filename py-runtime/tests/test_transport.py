"""Delivery over a real socket with a real worker process: what may go wrong, and how it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import TEXTS
from orchestrator import LAUNCH, TOKEN, FailedError, Message, Orchestrator, raw_header, request_frames

from elenchus_runtime.blobs import FRAME_BYTES
from elenchus_runtime.protocol import encode_message

HERE = Path(__file__).parent


@pytest.fixture(scope='module')
def worker(tiny_folder: Path) -> Iterator[Orchestrator]:
    with Orchestrator() as orchestrator:
        orchestrator.connect()
        orchestrator.call('model.load', load(tiny_folder))
        yield orchestrator


def load(folder: Path) -> dict[str, Any]:
    return {
        'model': str(folder),
        'dtype': 'auto',
        'trust_remote_code': False,
        'deterministic': False,
        'threads': 1,
    }


def long_generation(count: int = 400) -> dict[str, Any]:
    return {
        'policy': None,
        'engine': 'native',
        'requests': [{'key': f'k{i}', 'prompt': TEXTS[0], 'seed': i} for i in range(count)],
        'sampling': {'temperature': 1.0, 'top_p': 1.0, 'max_new_tokens': 300},
        'stops': [],
        'logprobs': True,
        'deterministic': False,
    }


def messages_for(worker: Orchestrator, seconds: float) -> list[Message]:
    """Everything that comes within so many seconds of silence."""
    found = []
    while True:
        try:
            found.append(worker.receive(timeout=seconds))
        except TimeoutError:
            return found


def test_hello_says_what_the_orchestrator_must_know(worker: Orchestrator) -> None:
    hello = worker.hello
    assert (hello['token'], hello['rank'], hello['epoch'], hello['protocol']) == (TOKEN, 0, 0, 1)
    assert worker.process is not None
    assert hello['pid'] == worker.process.pid
    assert worker.peer == f'0#0#{LAUNCH}'.encode()
    assert 'train.dpo' in hello['capabilities']
    assert hello['versions']['torch'] != 'absent'
    assert hello['credits'] > 0


@pytest.mark.skipif(sys.platform != 'linux', reason='asks /proc')
def test_relative_paths_are_the_orchestrators(worker: Orchestrator) -> None:
    assert os.readlink(f'/proc/{worker.hello["pid"]}/cwd') == str(worker.directory.resolve())


def test_pings_are_answered_and_the_beat_grows_during_a_long_request(worker: Orchestrator) -> None:
    id = worker.send('generate', long_generation())
    beats, busy = [], set()
    for number in range(4):
        time.sleep(0.1)
        worker.send_raw(encode_message('ping', f'p{number}', {}))
        while (message := worker.receive()).kind != 'pong':
            pass
        beats.append(message.body['beat'])
        busy.add(message.body['busy'])
        assert message.body['phase'] in ('idle', 'step')
    assert beats == sorted(set(beats))
    assert id in busy
    worker.send_raw(encode_message('cancel', id, {}))
    with pytest.raises(FailedError, match='cancelled'):
        worker.wait(id)


def test_cancel_ends_generation_within_a_few_steps(worker: Orchestrator) -> None:
    id = worker.send('generate', long_generation())
    assert worker.receive().id == id
    worker.send_raw(encode_message('cancel', id, {}))
    messages = [worker.receive()]
    while messages[-1].kind != 'error':
        messages.append(worker.receive())
    assert messages[-1].body['code'] == 'cancelled'
    assert messages[-1].body['retryable']
    # Of 400 completions, those that had ended before it was heard.
    assert len(messages) < 100
    assert messages_for(worker, 0.3) == []
    assert worker.call('stats', {}).body['pid'] > 0


def test_a_request_that_waits_can_be_cancelled_too(worker: Orchestrator) -> None:
    first = worker.send('generate', long_generation())
    second = worker.send('stats', {})
    worker.send_raw(encode_message('cancel', second, {}))
    worker.send_raw(encode_message('cancel', first, {}))
    with pytest.raises(FailedError):
        worker.wait(first)
    with pytest.raises(FailedError, match='stats was cancelled'):
        worker.wait(second)


def test_a_deadline_ends_a_request(worker: Orchestrator) -> None:
    with pytest.raises(FailedError) as caught:
        worker.call('generate', long_generation() | {'deadline_s': 0.2})
    assert caught.value.code == 'deadline_exceeded'


def test_a_repeated_request_is_run_once_and_its_result_sent_again(worker: Orchestrator) -> None:
    body = {'texts': ['Every wumpus'], 'special_tokens': False}
    first = worker.wait(worker.send('encode', body, id='again'))
    # The same id answers with what is stored, whatever it asks now.
    second = worker.wait(worker.send('stats', {}, id='again'))
    assert second.body == first.body
    np.testing.assert_array_equal(second.blobs['ids'], first.blobs['ids'])
    assert messages_for(worker, 0.2) == []


def test_a_repeated_request_that_is_running_is_not_started_again(worker: Orchestrator) -> None:
    body = long_generation(40)
    id = worker.send('generate', body)
    worker.send('generate', body, id=id)
    answer = worker.wait(id)
    assert answer.body['completions'] == 40
    assert sum(event.body['type'] == 'completion' for event in answer.events) == 40
    assert messages_for(worker, 0.2) == []


def test_only_the_latest_results_are_kept(worker: Orchestrator) -> None:
    worker.wait(worker.send('encode', {'texts': [], 'special_tokens': False}, id='old'))
    for number in range(64):
        worker.wait(worker.send('encode', {'texts': [], 'special_tokens': False}, id=f'new{number}'))
    assert 'pid' in worker.wait(worker.send('stats', {}, id='old')).body
    assert 'pid' not in worker.wait(worker.send('stats', {}, id='new63')).body


def test_failed_requests_are_replayed_as_well(worker: Orchestrator) -> None:
    for _ in range(2):
        with pytest.raises(FailedError, match='no adapter'):
            worker.wait(worker.send('adapter.drop', {'name': 'absent'}, id='fails'))


@pytest.mark.parametrize(
    'frames',
    [[b'\xc1'], [raw_header(v=9)], [raw_header(), b'stray frame'], [b''], [raw_header(kind='hello')]],
    ids=['garbage', 'version', 'stray', 'empty', 'wrong-way'],
)
def test_garbage_is_answered_and_survived(worker: Orchestrator, frames: list[bytes]) -> None:
    worker.send_raw(frames)
    answer = worker.receive()
    assert (answer.kind, answer.body['code']) == ('error', 'protocol_violation')
    assert worker.call('stats', {}).body['pid'] > 0


@pytest.mark.parametrize(('id', 'op'), [('', 'stats'), ('x', None)])
def test_requests_need_an_id_and_an_op(worker: Orchestrator, id: str, op: str | None) -> None:
    worker.send_raw([raw_header(id=id, op=op)])
    assert worker.receive().body['code'] == 'protocol_violation'


def test_errors_are_typed(worker: Orchestrator) -> None:
    for op, body, code in [
        ('model.distill', {}, 'unknown_op'),
        ('adapter.drop', {'name': 'absent'}, 'adapter_missing'),
        ('adapter.drop', {}, 'bad_request'),
        ('model.load', load(Path('/no/such/folder')), 'model_load_failed'),
    ]:
        with pytest.raises(FailedError) as caught:
            worker.call(op, body)
        assert caught.value.code == code


def test_blobs_of_many_frames_arrive_in_both_directions(worker: Orchestrator) -> None:
    row = np.full(480, 5, dtype='<i4')
    count = FRAME_BYTES // row.nbytes + 40
    blobs = {'ids': np.tile(row, count), 'ids_lengths': np.full(count, len(row), dtype='<i4')}
    answer = worker.call(
        'score',
        {
            'policy': None,
            'prompts': ['a'],
            'rows': [0] * count,
            'temperature': 1.0,
            'micro_batch_tokens': 1 << 15,
        },
        blobs,
    )
    assert answer.blobs['logprobs'].nbytes == blobs['ids'].nbytes > FRAME_BYTES
    assert (answer.blobs['logprobs'] < 0).all()
    np.testing.assert_allclose(
        answer.blobs['sums'], answer.blobs['logprobs'].reshape(count, -1).sum(1, dtype='f8')
    )
    assert any(event.body['type'] == 'progress' and 'done' in event.body for event in answer.events)


def test_more_requests_than_anybody_needs_are_refused(worker: Orchestrator) -> None:
    first = worker.send('generate', long_generation())
    for _ in range(80):
        worker.send('stats', {})
    worker.send_raw(encode_message('cancel', first, {}))
    answers = messages_for(worker, 1)
    refused = [m for m in answers if m.kind == 'error' and m.body['code'] == 'protocol_violation']
    assert len(refused) == 80 + 1 - 64
    assert sum(m.kind == 'result' for m in answers) == 63


# Ends


def alive(pid: int) -> bool:
    """Whether a process runs; one that is dead and not yet waited for does not."""
    try:
        return Path(f'/proc/{pid}/stat').read_text().rsplit(')', 1)[1].split()[0] != 'Z'
    except FileNotFoundError:
        return False


def wait_until_dead(pid: int, seconds: float) -> float:
    started = time.monotonic()
    while alive(pid):
        assert time.monotonic() - started < seconds, f'{pid} still runs after {seconds} s'
        time.sleep(0.005)
    return time.monotonic() - started


def test_bye_ends_the_worker_with_status_0_and_a_bye() -> None:
    with Orchestrator() as orchestrator:
        orchestrator.connect()
        orchestrator.send_raw(encode_message('bye', '', {}))
        assert orchestrator.receive().kind == 'bye'
        assert orchestrator.process is not None
        assert orchestrator.process.wait(timeout=5) == 0


def test_bye_during_a_request_cancels_it(tiny_folder: Path) -> None:
    with Orchestrator() as orchestrator:
        orchestrator.connect()
        orchestrator.call('model.load', load(tiny_folder))
        id = orchestrator.send('generate', long_generation())
        assert orchestrator.receive().id == id
        orchestrator.send_raw(encode_message('bye', '', {}))
        with pytest.raises(FailedError, match='cancelled'):
            orchestrator.wait(id)
        assert orchestrator.process is not None
        assert orchestrator.process.wait(timeout=5) == 0


def test_sigterm_is_a_goodbye_and_sigint_is_not_for_us() -> None:
    with Orchestrator() as orchestrator:
        orchestrator.connect()
        assert orchestrator.process is not None
        orchestrator.process.send_signal(signal.SIGINT)
        assert orchestrator.call('stats', {}).body['pid'] == orchestrator.process.pid
        orchestrator.process.send_signal(signal.SIGTERM)
        assert orchestrator.process.wait(timeout=5) == 0


def test_a_refused_worker_says_why_and_leaves() -> None:
    with Orchestrator() as orchestrator:
        process = orchestrator.start()
        hello = orchestrator.receive()
        body = {'code': 'handshake_refused', 'message': 'wrong token', 'retryable': False, 'details': {}}
        orchestrator.send_raw(encode_message('error', hello.id, body))
        assert process.wait(timeout=120) == 3
        assert 'handshake_refused: wrong token' in orchestrator.log()


def test_a_connection_file_that_others_can_read_is_refused() -> None:
    with Orchestrator() as orchestrator:
        assert orchestrator.start(mode=0o644).wait(timeout=10) == 3
        assert 'must be 0600' in orchestrator.log()


def test_a_worker_without_a_connection_file_says_so() -> None:
    env = {key: value for key, value in os.environ.items() if not key.startswith('ELENCHUS')}
    outcome = subprocess.run(
        [sys.executable, '-m', 'elenchus_runtime.worker'], env=env, capture_output=True, text=True, timeout=30
    )
    assert outcome.returncode == 3
    assert 'ELENCHUS_CONNECTION' in outcome.stderr


def test_the_worker_leaves_when_its_stdin_closes() -> None:
    with Orchestrator() as orchestrator:
        orchestrator.connect()
        assert orchestrator.process is not None
        assert orchestrator.process.stdin is not None
        orchestrator.process.stdin.close()
        assert orchestrator.process.wait(timeout=2) == 113


@pytest.mark.parametrize('guard', ['all', 'no-death-pipe', 'importing'])
def test_no_worker_survives_kill_9_of_its_parent(tiny_folder: Path, guard: str) -> None:
    parent = subprocess.Popen(
        [sys.executable, str(HERE / 'fixtures' / 'starts_a_worker.py'), str(tiny_folder), guard],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert parent.stdout is not None
    pid = int(parent.stdout.readline())
    assert alive(pid)
    parent.kill()
    parent.wait()
    assert wait_until_dead(pid, 5) < 1


def test_sigusr1_writes_where_the_worker_is(worker: Orchestrator) -> None:
    assert worker.process is not None
    worker.process.send_signal(signal.SIGUSR1)
    deadline = time.monotonic() + 5
    while 'next_job' not in worker.log():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_helper_frames_requests_as_the_other_side_does() -> None:
    frames = request_frames('x', 'stats', {}, {})
    assert frames == [raw_header(op='stats')]
