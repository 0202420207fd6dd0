"""Where the ranks listen for each other."""

from __future__ import annotations

import sys

import pytest

from elenchus_runtime.interfaces import LOOPBACK, interface_towards


def test_ranks_of_one_machine_stay_on_it() -> None:
    assert interface_towards('ipc:///tmp/x/socket') == LOOPBACK


@pytest.mark.skipif(sys.platform != 'linux', reason='asks the kernel of Linux')
def test_it_is_the_one_that_the_route_to_the_orchestrator_takes() -> None:
    assert interface_towards('tcp://127.0.0.1:9') == 'lo'


@pytest.mark.parametrize('endpoint', ['tcp://[::1]:9', 'tcp://no-such-host:9', 'tcp://999.1.1.1:9'])
def test_what_cannot_be_told_is_left_to_gloo(endpoint: str) -> None:
    assert interface_towards(endpoint) is None
