"""`python -m elenchus_runtime.shim PROGRAM ARGUMENT...`: the program, tied to the life of our parent.

For launchers that are not ours (torchrun, accelerate, ssh, srun): the death signal is set before they are
executed and outlives that, so a killed orchestrator takes them along, and they take their ranks.
"""

from __future__ import annotations

import os
import sys

from .hygiene import PARENT_GONE, die_with_parent


def main() -> None:
    expected = os.environ.pop('ELENCHUS_PARENT_PID', '')
    die_with_parent()
    if expected and os.getppid() != int(expected):
        os._exit(PARENT_GONE)
    try:
        os.execvp(sys.argv[1], sys.argv[1:])
    except OSError as error:
        print(f'Cannot run {sys.argv[1]}: {error}', file=sys.stderr)
        os._exit(127)


if __name__ == '__main__':
    main()
