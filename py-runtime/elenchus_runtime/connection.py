"""How a rank finds its orchestrator: the connection file and the rank's place in its group.

Knows the file's fields and the launcher's environment variables; opens no socket.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass

import msgspec

from .errors import WorkerError


class ConnectionFile(msgspec.Struct, forbid_unknown_fields=True):
    """Contents of the file that `ELENCHUS_CONNECTION` names."""

    endpoint: str
    token: str
    epoch: int
    parent_pid: int
    heartbeat_s: float


@dataclass(frozen=True)
class Connection:
    """Everything a rank needs to say hello."""

    endpoint: str
    token: str
    epoch: int
    parent_pid: int
    heartbeat_s: float
    rank: int
    world_size: int
    local_rank: int

    @property
    def routing_id(self) -> bytes:
        """Unique for each start of a rank, so that a zombie's late messages are fenced off."""
        return f'{self.rank}#{self.epoch}'.encode()


def read_connection() -> Connection:
    """Reads the connection file and `RANK`, `WORLD_SIZE`, `LOCAL_RANK`.

    Raises `environment` if the variable is not set, the file is unreadable or malformed, or others
    may read it (it holds a secret).
    """
    path = os.environ.get('ELENCHUS_CONNECTION')
    if not path:
        raise WorkerError(
            'environment',
            'ELENCHUS_CONNECTION is not set: workers are started by elenchus, not by hand.',
        )
    try:
        with open(path, 'rb') as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            content = file.read()
        if mode & 0o077:
            raise WorkerError(
                'environment', f'{path} is readable by others (mode {mode:o}); it must be 0600.'
            )
        fields = msgspec.json.decode(content, type=ConnectionFile)
    except (OSError, msgspec.MsgspecError) as error:
        raise WorkerError('environment', f'The connection file {path} is unusable: {error}') from error
    return Connection(
        endpoint=fields.endpoint,
        token=fields.token,
        epoch=fields.epoch,
        parent_pid=fields.parent_pid,
        heartbeat_s=fields.heartbeat_s,
        rank=int(os.environ.get('RANK', '0')),
        world_size=int(os.environ.get('WORLD_SIZE', '1')),
        local_rank=int(os.environ.get('LOCAL_RANK', '0')),
    )
