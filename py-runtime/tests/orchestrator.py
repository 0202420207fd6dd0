"""A small orchestrator for tests: binds a ROUTER, starts a real worker, asks it things."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import zmq

from elenchus_runtime.hygiene import own_process_space
from elenchus_runtime.protocol import PROTOCOL, decode_message, encode_message

TOKEN = 'token-of-this-launch'
LAUNCH = 'name-of-this-launch'


class FailedError(Exception):
    """The worker answered with an error."""

    def __init__(self, body: dict[str, Any]) -> None:
        super().__init__(f'{body["code"]}: {body["message"]}')
        self.body = body
        self.code = body['code']


@dataclass
class Message:
    kind: str
    id: str
    body: dict[str, Any]
    blobs: dict[str, np.ndarray]


@dataclass
class Answer:
    body: dict[str, Any]
    blobs: dict[str, np.ndarray]
    events: list[Message] = field(default_factory=list)

    def completions(self) -> dict[str, Message]:
        return {m.body['key']: m for m in self.events if m.body['type'] == 'completion'}


def request_frames(id: str, op: str, body: dict[str, Any], blobs: dict[str, np.ndarray]) -> list[Any]:
    """`encode_message` is the worker's side and has no `op`; the rest of the framing is the same."""
    frames = encode_message('request', id, body, blobs)
    header = msgspec.msgpack.decode(bytes(frames[0]))
    header['op'] = op
    return [msgspec.msgpack.encode(header), *frames[1:]]


class Orchestrator:
    """Use as a context manager. `connect` starts a worker and welcomes it."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix='eln-'))
        self.context = zmq.Context()
        self.router = self.context.socket(zmq.ROUTER)
        self.router.setsockopt(zmq.LINGER, 0)
        self.router.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self.endpoint = f'ipc://{self.directory}/bus'
        self.router.bind(self.endpoint)
        self.process: subprocess.Popen[bytes] | None = None
        self.peer = b''
        self.hello: dict[str, Any] = {}
        self._ids = (f'r{number}' for number in itertools.count(1))
        self._log = open(self.directory / 'worker.log', 'wb')  # noqa: SIM115

    def __enter__(self) -> Orchestrator:
        return self

    def __exit__(self, *_: object) -> None:
        if self.process is not None and self.process.poll() is None:
            with contextlib.suppress(zmq.ZMQError):
                self.send_raw(encode_message('bye', '', {}))
            try:
                self.process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.router.close()
        self.context.term()
        self._log.close()

    def connection_file(self, mode: int = 0o600) -> Path:
        path = self.directory / 'connection.json'
        fields = {
            'endpoint': self.endpoint,
            'launch': LAUNCH,
            'tokens': {'0': TOKEN},
            'process_space': own_process_space(),
            'epoch': 0,
            'parent_pid': os.getpid(),
            'heartbeat_s': 1.0,
            'work_folder': str(self.directory),
        }
        path.write_text(json.dumps(fields))
        path.chmod(mode)
        return path

    def start(self, mode: int = 0o600, death_pipe: bool = True) -> subprocess.Popen[bytes]:
        env = os.environ | {
            'ELENCHUS_CONNECTION': str(self.connection_file(mode)),
            'ELENCHUS_DEATH_PIPE': '1' if death_pipe else '0',
            'OMP_NUM_THREADS': '1',
            'HF_HUB_OFFLINE': '1',
        }
        self.process = subprocess.Popen(
            [sys.executable, '-m', 'elenchus_runtime.worker'],
            stdin=subprocess.PIPE if death_pipe else subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            env=env,
            start_new_session=True,
        )
        return self.process

    def connect(self, death_pipe: bool = True) -> Orchestrator:
        self.start(death_pipe=death_pipe)
        hello = self.receive(timeout=60)
        assert hello.kind == 'hello', hello
        self.hello = hello.body
        self.send_raw(encode_message('welcome', hello.id, {'heartbeat_s': 1.0}))
        return self

    def log(self) -> str:
        return (self.directory / 'worker.log').read_text(errors='replace')

    def send_raw(self, frames: list[Any]) -> None:
        self.router.send_multipart([self.peer, *frames])

    def send(
        self, op: str, body: dict[str, Any], blobs: dict[str, np.ndarray] | None = None, id: str = ''
    ) -> str:
        id = id or next(self._ids)
        self.send_raw(request_frames(id, op, body, blobs or {}))
        return id

    def receive(self, timeout: float = 60) -> Message:
        if not self.router.poll(timeout * 1000):
            raise TimeoutError(f'nothing came within {timeout} s; log:\n{self.log()}')
        self.peer, *frames = self.router.recv_multipart()
        header, blobs = decode_message(frames)
        return Message(header.kind, header.id, msgspec.msgpack.decode(header.body), blobs)

    def wait(self, id: str, timeout: float = 120) -> Answer:
        """Everything up to the one result of a request; raises `FailedError` on its error."""
        events: list[Message] = []
        deadline = time.monotonic() + timeout
        while True:
            message = self.receive(max(0.01, deadline - time.monotonic()))
            if message.id != id:
                continue
            if message.kind == 'event':
                events.append(message)
            elif message.kind == 'result':
                return Answer(message.body, message.blobs, events)
            elif message.kind == 'error':
                raise FailedError(message.body)

    def call(self, op: str, body: dict[str, Any], blobs: dict[str, np.ndarray] | None = None) -> Answer:
        return self.wait(self.send(op, body, blobs))


def raw_header(**fields: Any) -> bytes:
    return msgspec.msgpack.encode({'v': PROTOCOL, 'kind': 'request', 'id': 'x', 'body': {}} | fields)
