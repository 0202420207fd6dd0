"""Which network interface leads to the orchestrator: where gloo listens.

Left alone, gloo takes the interface that the host name resolves to, which on many machines is a loopback
address that no other machine reaches, and on others is open to everybody although all ranks are here.
"""

from __future__ import annotations

import re
import socket
import struct
import sys

LOOPBACK = 'lo' if sys.platform == 'linux' else 'lo0'
_ADDRESS_OF_INTERFACE = 0x8915
"""SIOCGIFADDR of Linux."""


def interface_towards(endpoint: str) -> str | None:
    """Its name; of the loopback interface for an endpoint on this machine, None where it cannot be told."""
    if not endpoint.startswith('tcp://'):
        return LOOPBACK
    found = re.fullmatch(r'tcp://([\d.]+):(\d+)', endpoint)
    if found is None or sys.platform != 'linux':
        return None
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: the kernel chooses the route.
            probe.connect((found[1], int(found[2])))
        except OSError:
            return None
        own = probe.getsockname()[0]
        return next((name for _, name in socket.if_nameindex() if _address(probe, name) == own), None)


def _address(probe: socket.socket, name: str) -> str | None:
    """The IPv4 address of an interface, if it has one."""
    import fcntl

    request = struct.pack('256s', name.encode()[:15])
    try:
        return socket.inet_ntoa(fcntl.ioctl(probe.fileno(), _ADDRESS_OF_INTERFACE, request)[20:24])
    except OSError:
        return None
