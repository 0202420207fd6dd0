"""How a rank finds its orchestrator: the connection file and the rank's place in its group.

Knows the file's fields and the launchers' environment variables; opens no socket.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

import msgspec

from .errors import WorkerError

STDIN = '-'
"""As `ELENCHUS_CONNECTION`: the first line of stdin is the content, and stdin the death pipe from then on."""

LARGEST_LINE = 1 << 20


class CurveKeys(msgspec.Struct, forbid_unknown_fields=True):
    """Z85 text: the orchestrator's public key, and the pair of this launch."""

    server_key: str
    public_key: str
    secret_key: str


class Place(msgspec.Struct, forbid_unknown_fields=True):
    """Where this rank stands in its group."""

    rank: int
    world_size: int
    local_rank: int


class ConnectionFile(msgspec.Struct, forbid_unknown_fields=True):
    """What `ELENCHUS_CONNECTION` leads to."""

    endpoint: str
    launch: str
    tokens: dict[int, str]
    epoch: int
    parent_pid: int
    process_space: str
    heartbeat_s: float
    curve: CurveKeys | None = None
    orphan_s: float | None = None
    log_folder: str | None = None
    work_folder: str | None = None
    place: Place | None = None


@dataclass(frozen=True)
class Connection:
    """Everything a rank needs to say hello."""

    endpoint: str
    launch: str
    token: str
    epoch: int
    parent_pid: int
    process_space: str
    heartbeat_s: float
    curve: CurveKeys | None
    orphan_s: float | None
    log_folder: str | None
    work_folder: str | None
    rank: int
    world_size: int
    local_rank: int

    @property
    def routing_id(self) -> bytes:
        """Unique for each start of a rank, so that a zombie's late messages are fenced off, and known to
        nobody without the file, so that strangers are not listened to."""
        return f'{self.rank}#{self.epoch}#{self.launch}'.encode()


def read_connection() -> Connection:
    """Reads the connection file and the rank's place.

    Raises `environment` if the variable is not set, the file is unreadable or malformed, others may read
    it (it holds secrets), or it has no token for this rank.
    """
    path = os.environ.get('ELENCHUS_CONNECTION')
    if not path:
        raise WorkerError(
            'environment',
            'ELENCHUS_CONNECTION is not set: workers are started by elenchus, not by hand.',
        )
    try:
        content = _read_line() if path == STDIN else _read_private(path)
        fields = msgspec.json.decode(content, type=ConnectionFile)
    except (OSError, msgspec.MsgspecError) as error:
        raise WorkerError('environment', f'The connection file {path} is unusable: {error}') from error
    place = fields.place or _place()
    token = fields.tokens.get(place.rank)
    if token is None:
        raise WorkerError('environment', f'The connection file {path} is not for rank {place.rank}.')
    return Connection(
        endpoint=fields.endpoint,
        launch=fields.launch,
        token=token,
        epoch=fields.epoch,
        parent_pid=fields.parent_pid,
        process_space=fields.process_space,
        heartbeat_s=fields.heartbeat_s,
        curve=fields.curve,
        orphan_s=fields.orphan_s,
        log_folder=fields.log_folder,
        work_folder=fields.work_folder,
        rank=place.rank,
        world_size=place.world_size,
        local_rank=place.local_rank,
    )


def _read_private(path: str) -> bytes:
    with open(path, 'rb') as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077:
            raise WorkerError(
                'environment', f'{path} is readable by others (mode {mode:o}); it must be 0600.'
            )
        return file.read()


def _read_line() -> bytes:
    """One line, without taking anything behind it."""
    line = bytearray()
    while not line.endswith(b'\n') and len(line) < LARGEST_LINE:
        byte = os.read(0, 1)
        if not byte:
            break
        line += byte
    return bytes(line)


def _place() -> Place:
    """`RANK` as torch's launchers say it, or `SLURM_PROCID` as srun does."""
    return Place(
        rank=_number(('RANK', 'SLURM_PROCID'), 0),
        world_size=_number(('WORLD_SIZE', 'SLURM_NTASKS'), 1),
        local_rank=_number(('LOCAL_RANK', 'SLURM_LOCALID'), 0),
    )


def _number(names: tuple[str, ...], default: int) -> int:
    for name in names:
        text = os.environ.get(name)
        if text:
            return int(text)
    return default
