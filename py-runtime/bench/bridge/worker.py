"""A worker of the real transport that computes nothing: what the wire costs, and nothing else.

`stats` answers at once; `score` takes blobs and answers with empty ones; `encode` answers with as many ids
as its first text says, or never, if there is no text.
"""

from __future__ import annotations

import os

import numpy as np
import torch

from elenchus_runtime import protocol as wire
from elenchus_runtime.blobs import Blobs
from elenchus_runtime.connection import read_connection
from elenchus_runtime.environment import greeting
from elenchus_runtime.heap import keep_freed_memory
from elenchus_runtime.hygiene import leave_with_orchestrator, leave_with_parent
from elenchus_runtime.job import Job
from elenchus_runtime.pulse import Pulse
from elenchus_runtime.transport import Transport

STATS = {
    'pid': os.getpid(),
    'rss_bytes': 0,
    'device_memory_bytes': None,
    'models': [],
    'adapters': [],
    'uptime_s': 0.0,
}


def answer(job: Job) -> tuple[dict[str, object], Blobs] | None:
    body = wire.decode_body(job.op, job.raw)
    if isinstance(body, wire.Encode):
        if not body.texts:
            return None
        ids = np.zeros(int(body.texts[0]), dtype=np.int32)
        return {}, {'ids': ids, 'ids_lengths': np.array([ids.size], dtype=np.int32)}
    if isinstance(body, wire.Score):
        nothing = np.zeros(0, dtype=np.float32)
        lengths = np.zeros(0, dtype=np.int32)
        return {}, {'logprobs': nothing, 'logprobs_lengths': lengths, 'sums': np.zeros(0, dtype=np.float64)}
    return STATS, {}


def main() -> None:
    leave_with_parent()
    keep_freed_memory()
    connection = read_connection()
    leave_with_orchestrator(connection.parent_pid, connection.process_space)
    pulse = Pulse()
    transport = Transport(connection, greeting(connection, torch.device('cpu')), pulse)
    transport.start()
    pulse.enter('idle')
    while (job := transport.next_job()) is not None:
        job.begin()
        given = answer(job)
        if given is not None:
            transport.finish(job, 'result', *given)
            pulse.busy = None
    transport.close()


if __name__ == '__main__':
    main()
    os._exit(0)
