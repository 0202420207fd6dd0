"""What a worker says into its log, which is its standard error."""

from __future__ import annotations

import sys
from functools import cache


def warn(message: str) -> None:
    print(f'warning: {message}', file=sys.stderr, flush=True)


@cache
def warn_once(message: str) -> None:
    """Once per process: for what would be said of every request."""
    warn(message)
