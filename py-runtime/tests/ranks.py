"""Several ranks for a test: forked from it, so that nothing is imported twice."""

from __future__ import annotations

import multiprocessing
import os
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from elenchus_runtime.collective import Collective
from elenchus_runtime.protocol import FileMeeting, GroupJoin
from elenchus_runtime.pulse import Pulse

Part = Callable[[Collective], Any]
PATIENCE_S = 240


def join(folder: Path, rank: int, size: int = 2, name: str = 'group') -> Collective:
    spec = GroupJoin(
        group=name, rank=rank, size=size, meeting=FileMeeting(path=str(folder / name), local=True)
    )
    return Collective(spec, torch.device('cpu'), Pulse())


def on_ranks(folder: Path, part: Part, size: int = 2) -> list[Any]:
    """What `part` returns on each rank, by rank. Fails with the traceback of a rank that raises."""
    context = multiprocessing.get_context('fork')
    processes = [context.Process(target=_run, args=(folder, rank, size, part)) for rank in range(size)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(PATIENCE_S)
        if process.is_alive():
            process.kill()
    results = []
    for rank, process in enumerate(processes):
        failure = folder / f'failure-{rank}'
        assert process.exitcode == 0, failure.read_text() if failure.exists() else f'rank {rank} hangs'
        results.append(torch.load(folder / f'result-{rank}', weights_only=False))
    return results


def _run(folder: Path, rank: int, size: int, part: Part) -> None:
    try:
        collective = join(folder, rank, size)
        torch.save(part(collective), folder / f'result-{rank}')
        collective.leave()
    except BaseException:
        (folder / f'failure-{rank}').write_text(traceback.format_exc())
        os._exit(1)
    os._exit(0)
