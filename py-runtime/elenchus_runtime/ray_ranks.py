"""`python -m elenchus_runtime.ray_ranks RANKS CPUS GPUS PYTHON`: the job that Ray runs for a worker group.

Ray places one actor per rank; each runs the worker as a process of its own, with the interpreter that has
torch, and all meet at the node of rank 0. The job ends when the first rank ends, and takes the others along.
"""

from __future__ import annotations

import importlib
import os
import socket
import subprocess
import sys
from typing import Any


def _ray() -> Any:
    """Ray is on the cluster, and nothing that this package needs elsewhere."""
    return importlib.import_module('ray')


class Rank:
    """Runs in the actor's process, on the node that Ray chose."""

    def meeting_place(self) -> tuple[str, int]:
        """An address of this node, and a port that is free now."""
        host = _ray().util.get_node_ip_address()
        with socket.socket() as probe:
            probe.bind((host, 0))
            return host, probe.getsockname()[1]

    def run(self, rank: int, world_size: int, place: tuple[str, int], python: str) -> int:
        """The worker's exit status. Ray shows each actor its own devices, so its first one is ours."""
        env = os.environ | {
            'RANK': str(rank),
            'WORLD_SIZE': str(world_size),
            'LOCAL_RANK': '0',
            'MASTER_ADDR': place[0],
            'MASTER_PORT': str(place[1]),
        }
        return subprocess.run([python, '-m', 'elenchus_runtime.worker'], env=env, check=False).returncode


def main() -> int:
    ray = _ray()
    ranks, cpus, gpus, python = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
    # The environment of the job is that of its actors; to name it again is a conflict for Ray.
    ray.init()
    remote: Any = ray.remote(num_cpus=cpus, num_gpus=gpus)(Rank)
    actors = [remote.remote() for _ in range(ranks)]
    place = ray.get(actors[0].meeting_place.remote())
    waiting = [actor.run.remote(rank, ranks, place, python) for rank, actor in enumerate(actors)]
    while waiting:
        done, waiting = ray.wait(waiting, num_returns=1)
        status = ray.get(done[0])
        if status != 0:
            print(f'A rank ended with status {status}; the others are ended with it.', file=sys.stderr)
            return int(status) or 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
