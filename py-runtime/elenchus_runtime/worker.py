"""Entry of a worker process: `python -m elenchus_runtime.worker`.

Order matters. Hygiene first, so that a worker dies with its parent even while it imports. Then torch,
which the greeting needs for the device; then the greeting; the rest is imported while the orchestrator
prepares its first request.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback

from .heap import keep_freed_memory
from .hygiene import leave_with_orchestrator, leave_with_parent, watch_death_pipe

HANDSHAKE_FAILED = 3
"""Exit status of a worker that was not welcomed, or has no connection file or libraries of another age."""


def main() -> int:
    leave_with_parent()
    keep_freed_memory()
    from .connection import STDIN, read_connection
    from .errors import WorkerError
    from .pulse import Pulse
    from .transport import Transport

    try:
        connection = read_connection()
    except WorkerError as error:
        print(f'{error.code}: {error}', file=sys.stderr)
        return HANDSHAKE_FAILED
    if os.environ.get('ELENCHUS_DEATH_PIPE') == '1' or os.environ['ELENCHUS_CONNECTION'] == STDIN:
        watch_death_pipe()
    leave_with_orchestrator(connection.parent_pid, connection.process_space)
    if connection.log_folder is not None:
        write_own_log(connection.log_folder, connection.rank, connection.epoch)
    if connection.work_folder is not None:
        work_in(connection.work_folder)

    from .interfaces import interface_towards

    interface = interface_towards(connection.endpoint)
    if interface is not None:
        os.environ.setdefault('GLOO_SOCKET_IFNAME', interface)

    from .environment import greeting, pick_device, refuse_unsupported, versions

    try:
        refuse_unsupported(versions())
    except WorkerError as error:
        print(f'{error.code}: {error}', file=sys.stderr)
        return HANDSHAKE_FAILED

    pulse = Pulse()
    device = pick_device(connection.local_rank)
    transport = Transport(connection, greeting(connection, device), pulse)
    signal.signal(signal.SIGTERM, lambda *_: transport.stop())
    transport.start()
    greeted = time.monotonic()

    try:
        from .ops import Operations

        operations = Operations(device)
        transport.import_s = time.monotonic() - greeted
        pulse.enter('idle')
        while (job := transport.next_job()) is not None:
            operations.serve(job, transport)
    finally:
        if transport.refusal is None:
            transport.close()
    if transport.refusal is not None:
        print(f'Handshake refused. {transport.refusal}', file=sys.stderr)
        return HANDSHAKE_FAILED
    return 0


def write_own_log(folder: str, rank: int, epoch: int) -> None:
    """What is printed from now on goes to a file of this rank, not to the launcher's common stream."""
    os.makedirs(folder, exist_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    log = os.open(os.path.join(folder, f'worker-{rank}.{epoch}.log'), flags, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)


def work_in(folder: str) -> None:
    """Relative paths of requests are the orchestrator's; ssh, Ray and containers start ranks elsewhere."""
    try:
        os.chdir(folder)
    except OSError as error:
        print(f'Relative paths will not be found here: {error}', file=sys.stderr)


if __name__ == '__main__':
    try:
        status = main()
    except BaseException:
        traceback.print_exc()
        status = 1
    sys.stdout.flush()
    sys.stderr.flush()
    # Skips the teardown of CUDA and of threads deep in C calls; everything of ours is closed already.
    os._exit(status)
