"""Memory that is freed stays with the process, for the next step.

glibc gives arrays of more than 32 MiB memory of their own, and returns it, and free memory at the end of
the heap, to the kernel. A step of training asks for the same again: every page must then be mapped and
cleared anew, a tenth of the processor's time with small models (`npm run bench:heap`).
"""

from __future__ import annotations

import ctypes
import os
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_THRESHOLD = -3
_KEPT = 1 << 30
"""Bytes. Larger arrays still have memory of their own, and as much free memory stays at most."""


def keep_freed_memory() -> bool:
    """Sets the allocator; false where there is no glibc, or where the user has set it (`MALLOC_*`)."""
    if sys.platform != 'linux' or any(name.startswith('MALLOC_') for name in os.environ):
        return False
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _KEPT)) and bool(mallopt(_M_TRIM_THRESHOLD, _KEPT))
