"""The ranks that train together: how they meet, agree on a step, and add up their gradients.

Knows torch's process groups: gloo for the CPU and for all that is agreed upon, NCCL between GPUs. Knows no
loss and no model. Every method but `leave` is collective: all ranks call it, in the same order.

A peer that is gone or does not come is `peer_failed`; which rank failed, and of what, the orchestrator
knows better: it starts the group again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TypeVar

import msgspec
import torch
import torch.distributed as dist
from torch._C._distributed_c10d import FileStore, PrefixStore, Store, TCPStore

from .errors import WorkerError
from .interfaces import LOOPBACK
from .protocol import FileMeeting, GroupJoin
from .pulse import Pulse

JOIN_S = 300.0
"""For the ranks to find each other; loading is over by then."""
COLLECTIVE_S = 3600.0
"""For the slowest rank to come to a collective. A dead one is noticed by its closed connection."""

_Said = TypeVar('_Said', bound=msgspec.Struct)
_served: dict[tuple[str, int], TCPStore] = {}
"""Stores that rank 0 serves; they stay, because later groups meet at the same address."""


class Collective:
    """Membership of one group under a name that no other group has. `leave` it before joining another."""

    def __init__(self, spec: GroupJoin, device: torch.device, pulse: Pulse) -> None:
        self.name = spec.group
        self.rank = spec.rank
        self.size = spec.size
        self.device = device
        self._pulse = pulse
        try:
            store = _meeting_store(spec)
            store.set_timeout(timedelta(seconds=JOIN_S))
            dist.init_process_group(
                'gloo' if device.type == 'cpu' else f'cpu:gloo,{device.type}:nccl',
                store=PrefixStore(spec.group, store),
                rank=spec.rank,
                world_size=spec.size,
                timeout=timedelta(seconds=COLLECTIVE_S),
                device_id=None if device.type == 'cpu' else device,
            )
        except (RuntimeError, ValueError) as error:
            raise _peer_failed(f'Rank {spec.rank} of {spec.size} could not meet the others', error) from error

    def leave(self) -> None:
        if dist.is_initialized():
            dist.destroy_process_group()

    def exchange(self, mine: _Said) -> list[_Said]:
        """What every rank says, by rank."""
        said = torch.frombuffer(bytearray(msgspec.msgpack.encode(mine)), dtype=torch.uint8)
        lengths = [torch.zeros(1, dtype=torch.int64) for _ in range(self.size)]
        own = torch.tensor([len(said)])
        self._finish(lambda: dist.all_gather(lengths, own, async_op=True))
        width = max(int(length) for length in lengths)
        texts = [torch.zeros(width, dtype=torch.uint8) for _ in range(self.size)]
        padded = torch.nn.functional.pad(said, (0, width - len(said)))
        self._finish(lambda: dist.all_gather(texts, padded, async_op=True))
        decoder = msgspec.msgpack.Decoder(type(mine))
        return [
            decoder.decode(text[: int(length)].numpy().tobytes())
            for text, length in zip(texts, lengths, strict=True)
        ]

    @torch.no_grad()
    def add_up(self, parameters: Mapping[str, torch.nn.Parameter], share: float) -> None:
        """Replaces every gradient by the sum over ranks of share times gradient, in one flat all-reduce.

        Afterwards all ranks have the same bits.
        """
        if not parameters:
            return
        flat = torch.cat(
            [
                (torch.zeros_like(weight) if weight.grad is None else weight.grad).reshape(-1)
                for weight in parameters.values()
            ]
        ).mul_(share)
        self._finish(lambda: dist.all_reduce(flat, async_op=True))
        at = 0
        for weight in parameters.values():
            weight.grad = flat[at : at + weight.numel()].view_as(weight)
            at += weight.numel()

    @contextmanager
    def together(self) -> Iterator[None]:
        """For what is collective inside torch: failures of others as `peer_failed`."""
        try:
            yield
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            raise _peer_failed(f'Rank {self.rank} lost another rank of its group', error) from error

    def _finish(self, start: Callable[[], Any]) -> None:
        """Waits for a collective, alive: whoever waits for a slower rank is not stalled."""
        deadline = time.monotonic() + COLLECTIVE_S
        pause = 0.0
        try:
            work = start()
            while not work.is_completed():
                self._pulse.advance()
                if time.monotonic() > deadline:
                    raise RuntimeError(f'nothing came for {COLLECTIVE_S:g} s')
                time.sleep(pause)
                pause = min(0.002, pause + 0.00002)
            work.wait()
        except RuntimeError as error:
            raise _peer_failed(f'Rank {self.rank} lost another rank of its group', error) from error


def _meeting_store(spec: GroupJoin) -> Store:
    """Where the ranks find each other: at the launcher's address if it gave one, else at the given place."""
    host, port = os.environ.get('MASTER_ADDR'), os.environ.get('MASTER_PORT')
    if host and port:
        by_launcher = os.environ.get('TORCHELASTIC_USE_AGENT_STORE') == 'True'
        return _tcp_store(host, int(port), serve=spec.rank == 0 and not by_launcher)
    if isinstance(spec.meeting, FileMeeting):
        if spec.meeting.local:
            os.environ.setdefault('GLOO_SOCKET_IFNAME', LOOPBACK)
        return FileStore(spec.meeting.path, spec.size)
    return _tcp_store(spec.meeting.host, spec.meeting.port, serve=spec.rank == 0)


def _tcp_store(host: str, port: int, serve: bool) -> Store:
    if (host, port) in _served:
        return _served[host, port]
    store = TCPStore(host, port, None, serve, timeout=timedelta(seconds=JOIN_S), wait_for_workers=False)
    if serve:
        _served[host, port] = store
    return store


def _peer_failed(what: str, error: Exception) -> WorkerError:
    return WorkerError('peer_failed', f'{what}: {error}')
