"""Entry of a worker process: `python -m elenchus_runtime.worker`.

Order matters. Hygiene first, so that a worker dies with its parent even while it imports. Then torch,
which the greeting needs for the device; then the greeting; the rest is imported while the orchestrator
prepares its first request.
"""

from __future__ import annotations

import os
import signal
import sys
import traceback

from .hygiene import leave_if_orphaned, leave_with_parent

HANDSHAKE_FAILED = 3
"""Exit status of a worker that was not welcomed or found no connection file."""


def main() -> int:
    leave_with_parent()
    from .connection import read_connection
    from .errors import WorkerError
    from .pulse import Pulse
    from .transport import Transport

    try:
        connection = read_connection()
    except WorkerError as error:
        print(f'{error.code}: {error}', file=sys.stderr)
        return HANDSHAKE_FAILED
    leave_if_orphaned(connection.parent_pid)

    from .environment import greeting, pick_device

    pulse = Pulse()
    device = pick_device(connection.local_rank)
    transport = Transport(connection, greeting(connection, device), pulse)
    signal.signal(signal.SIGTERM, lambda *_: transport.stop())
    transport.start()

    try:
        from .ops import Operations

        operations = Operations(device)
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
