"""The worker's socket, on a thread of its own; compute never touches it.

Knows ZeroMQ, delivery and nothing else: pings are answered, requests accepted, cancels flagged and ended
requests replayed while the compute loop is deep in a step. The compute loop takes jobs from a queue and
hands back messages through a bounded buffer, so a slow orchestrator slows the worker down instead of
filling its memory.
"""

from __future__ import annotations

import contextlib
import os
import queue
import socket
import sys
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Mapping
from typing import Any

import msgspec
import numpy.typing as npt
import zmq

from .blobs import Blobs
from .connection import Connection
from .errors import WorkerError
from .hygiene import PARENT_GONE
from .job import Job
from .protocol import Header, Kind, decode_message, encode_message
from .pulse import Pulse

Frames = list[bytes | memoryview]

OUTBOUND_BYTES = 64 << 20
REPLAY_COUNT = 64
REPLAY_BYTES = 64 << 20
QUEUED_JOBS = 64
ACCEPT_MS = 2
"""A request that is answered sooner is not acknowledged besides: that would be half of its cost."""
HELLO_ID = 'hello'
WELCOME_TIMEOUT_S = 120.0
LARGEST_FRAME = 256 << 20
"""Headers hold prompts and may be large, but not without bound."""


class Welcome(msgspec.Struct):
    heartbeat_s: float


class Refusal(msgspec.Struct):
    code: str
    message: str


def error_body(error: WorkerError) -> dict[str, Any]:
    body: dict[str, Any] = {
        'code': error.code,
        'message': str(error),
        'retryable': error.retryable,
        'details': error.details,
    }
    if error.hint is not None:
        body['hint'] = error.hint
    return body


def _size(frames: Frames) -> int:
    return sum(len(frame) for frame in frames)


class Transport:
    """Start it, take jobs with `next_job`, end each with `finish`, and `close` at the end.

    `refusal` is set when the orchestrator did not welcome this worker.
    """

    def __init__(self, connection: Connection, hello: Mapping[str, Any], pulse: Pulse) -> None:
        self.refusal: str | None = None
        self.import_s: float | None = None
        """Seconds of imports after the greeting, when requests wait already; told with the first answer."""
        self._connection = connection
        self._hello = hello
        self._pulse = pulse
        self._jobs: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        self._open: dict[str, Job] = {}
        self._unacknowledged: deque[tuple[float, str]] = deque()
        """When each is due, and the request's id; of the socket thread alone."""
        self._ended: OrderedDict[str, Frames] = OrderedDict()
        self._ended_bytes = 0
        self._outbound: deque[Frames] = deque()
        self._outbound_bytes = 0
        self._room = threading.Condition()
        self._wake_in, self._wake_out = socket.socketpair()
        self._wake_in.setblocking(False)
        self._wake_out.setblocking(False)
        self._stopping = False
        self._welcomed = False
        self._heard = time.monotonic()
        self._thread = threading.Thread(target=self._run, name='transport', daemon=True)

    # Called by the compute loop

    def start(self) -> None:
        self._thread.start()

    def next_job(self) -> Job | None:
        """Waits for the next request; `None` when the worker should leave."""
        return self._jobs.get()

    def finish(
        self,
        job: Job,
        kind: Kind,
        body: Mapping[str, Any],
        blobs: Mapping[str, npt.NDArray[Any]] | None = None,
    ) -> None:
        """Sends the one `result` or `error` of a job and keeps it for a repeated request."""
        work = job.work if kind == 'result' else None
        account = {'served_s': job.served_s, 'import_s': self.import_s, 'work': work}
        self.import_s = None
        frames = encode_message(kind, job.id, body, blobs, account)
        with self._room:
            del self._open[job.id]
            self._ended[job.id] = frames
            self._ended_bytes += _size(frames)
            while len(self._ended) > REPLAY_COUNT or (
                len(self._ended) > 1 and self._ended_bytes > REPLAY_BYTES
            ):
                self._ended_bytes -= _size(self._ended.popitem(last=False)[1])
        self._queue(frames)

    def stop(self) -> None:
        """Ends the running job at its next check, then `next_job` returns `None`. Any thread may call it."""
        for job in list(self._open.values()):
            job.cancelled = True
        self._jobs.put(None)

    def close(self) -> None:
        """Says `bye`, sends what is left for at most two seconds, and ends the thread."""
        self._queue(encode_message('bye', 'bye', {}))
        self._stopping = True
        self._wake()
        self._thread.join(timeout=5)

    def _send(
        self, kind: Kind, id: str, body: Mapping[str, Any], blobs: Mapping[str, npt.NDArray[Any]] | None
    ) -> None:
        self._queue(encode_message(kind, id, body, blobs))

    def _queue(self, frames: Frames) -> None:
        size = _size(frames)
        with self._room:
            on_socket_thread = threading.current_thread() is self._thread
            while self._outbound_bytes > 0 and self._outbound_bytes + size > OUTBOUND_BYTES:
                if on_socket_thread or self._stopping or not self._thread.is_alive():
                    break
                self._room.wait(timeout=1)
            self._outbound.append(frames)
            self._outbound_bytes += size
        # The socket thread itself sends before it waits.
        if not on_socket_thread:
            self._wake()

    def _wake(self) -> None:
        # If it would block, the thread has not read the earlier ones yet, so it is awake.
        with contextlib.suppress(BlockingIOError):
            self._wake_out.send(b'\0')

    # On the socket thread

    def _run(self) -> None:
        context = zmq.Context()
        dealer = context.socket(zmq.DEALER)
        try:
            dealer.setsockopt(zmq.ROUTING_ID, self._connection.routing_id)
            dealer.setsockopt(zmq.LINGER, 2000)
            dealer.setsockopt(zmq.MAXMSGSIZE, LARGEST_FRAME)
            # ZeroMQ's own threads answer these even while Python is held up.
            dealer.setsockopt(zmq.HEARTBEAT_IVL, max(1, int(self._connection.heartbeat_s * 1000)))
            dealer.setsockopt(zmq.HEARTBEAT_TIMEOUT, 30_000)
            keys = self._connection.curve
            if keys is not None:
                dealer.curve_serverkey = keys.server_key.encode()
                dealer.curve_publickey = keys.public_key.encode()
                dealer.curve_secretkey = keys.secret_key.encode()
            elif not self._connection.endpoint.startswith('ipc://'):
                raise WorkerError('environment', f'{self._connection.endpoint} without keys is not trusted.')
            dealer.connect(self._connection.endpoint)
            dealer.send_multipart(encode_message('hello', HELLO_ID, self._hello))
            self._serve(dealer)
        except Exception as error:
            self.refusal = f'The socket thread failed: {error!r}'
            raise
        finally:
            dealer.close()
            context.term()
            self.stop()

    def _serve(self, dealer: zmq.Socket[bytes]) -> None:
        poller = zmq.Poller()
        poller.register(self._wake_in, zmq.POLLIN)
        poller.register(dealer, zmq.POLLIN)
        was_blocked = False
        deadline = time.monotonic() + WELCOME_TIMEOUT_S
        while True:
            blocked = bool(self._outbound) and not self._flush(dealer)
            if self._stopping and not self._outbound:
                return
            if not self._welcomed and time.monotonic() > deadline:
                self.refusal = f'No welcome from {self._connection.endpoint} within {WELCOME_TIMEOUT_S:g} s.'
                return
            if blocked is not was_blocked:
                poller.modify(dealer, zmq.POLLIN | (zmq.POLLOUT if blocked else 0))
                was_blocked = blocked
            self._leave_if_orphaned()
            ready = dict(poller.poll(ACCEPT_MS if self._unacknowledged else 1000))
            if self._wake_in.fileno() in ready:
                self._drain_wake()
            if ready.get(dealer, 0) & zmq.POLLIN:
                self._receive(dealer)
            self._acknowledge()
            if self.refusal is not None:
                return

    def _acknowledge(self) -> None:
        """Says `accepted` for requests that take longer than it takes to say so."""
        now = time.monotonic()
        while self._unacknowledged and self._unacknowledged[0][0] <= now:
            _, id = self._unacknowledged.popleft()
            with self._room:
                if id in self._open:
                    self._send('accepted', id, {}, None)

    def _leave_if_orphaned(self) -> None:
        """Ends the process, whatever it computes: nobody would ever ask for the result."""
        limit = self._connection.orphan_s
        if limit is None or not self._welcomed or time.monotonic() - self._heard < limit:
            return
        print(f'The orchestrator has been silent for {limit:g} s.', file=sys.stderr, flush=True)
        os._exit(PARENT_GONE)

    def _drain_wake(self) -> None:
        # Whatever is left wakes the thread once more.
        self._wake_in.recv(4096)

    def _flush(self, dealer: zmq.Socket[bytes]) -> bool:
        """Sends what is queued; false if the peer takes no more for now."""
        while True:
            with self._room:
                if not self._outbound:
                    return True
                frames = self._outbound[0]
            try:
                dealer.send_multipart(frames, flags=zmq.NOBLOCK, copy=False)
            except zmq.Again:
                return False
            with self._room:
                self._outbound.popleft()
                self._outbound_bytes -= _size(frames)
                self._room.notify_all()

    def _receive(self, dealer: zmq.Socket[bytes]) -> None:
        """Takes what has arrived, a bounded number at a time so that sending is not starved."""
        for _ in range(64):
            try:
                frames: list[bytes | memoryview] = [dealer.recv(flags=zmq.NOBLOCK)]
            except zmq.Again:
                return
            if dealer.get(zmq.RCVMORE):
                # Large: not copied before they are joined.
                frames.extend(frame.buffer for frame in dealer.recv_multipart(copy=False))
            self._heard = time.monotonic()
            try:
                header, blobs = decode_message(frames)
            except WorkerError as error:
                print(f'Refused a message: {error}', file=sys.stderr, flush=True)
                self._send('error', '', error_body(error), None)
                continue
            self._handle(header, blobs)

    def _handle(self, header: Header, blobs: Blobs) -> None:
        match header.kind:
            case 'ping':
                self._send('pong', header.id, self._pulse.report(), None)
            case 'request':
                self._accept(header, blobs)
            case 'cancel':
                job = self._open.get(header.id)
                if job is not None:
                    job.cancelled = True
            case 'welcome':
                self._welcomed = True
            case 'error':
                self._refused(header)
            case 'bye':
                self.stop()
            case _:
                error = WorkerError('protocol_violation', f'A worker is never sent {header.kind!r}.')
                self._send('error', header.id, error_body(error), None)

    def _refused(self, header: Header) -> None:
        try:
            refusal = msgspec.msgpack.decode(header.body, type=Refusal)
            self.refusal = f'{refusal.code}: {refusal.message}'
        except (msgspec.MsgspecError, UnicodeDecodeError):
            self.refusal = 'The orchestrator refused this worker without a readable reason.'

    def _accept(self, header: Header, blobs: Blobs) -> None:
        with self._room:
            running = header.id in self._open
            ended = self._ended.get(header.id)
            full = len(self._open) >= QUEUED_JOBS
        if header.op is None or not header.id:
            error = WorkerError('protocol_violation', 'A request needs an id and an op.')
            self._send('error', header.id, error_body(error), None)
        elif ended is not None:
            self._queue(ended)
        elif running:
            self._send('accepted', header.id, {}, None)
        elif full:
            error = WorkerError(
                'protocol_violation', f'More than {QUEUED_JOBS} requests are open on this worker.'
            )
            self._send('error', header.id, error_body(error), None)
        else:
            job = Job(header.id, header.op, header.body, blobs, self._send, self._pulse)
            with self._room:
                self._open[header.id] = job
            self._jobs.put(job)
            self._unacknowledged.append((time.monotonic() + ACCEPT_MS / 1000, header.id))
