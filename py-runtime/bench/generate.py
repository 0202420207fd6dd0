"""Tokens per second of the generation engines on a tiny model, one thread.

    OMP_NUM_THREADS=1 ../.venv/bin/python bench/generate.py [--adapter] [--transformers]

64-dimensional Llama of two layers with random weights, 512 samples of 128 prompts of about 100 tokens, up
to 96 new tokens, stops and a segment limit as a proof has them.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / 'tests'))

import torch
from conftest import lora, make_tokenizer, tiny_architecture
from jobs import RecordingJob

from elenchus_runtime.adapters import Adapters
from elenchus_runtime.generate import generate
from elenchus_runtime.models import load_base
from elenchus_runtime.protocol import (
    Generate,
    GenerateItem,
    ModelCreate,
    ModelLoad,
    Sampling,
    SegmentRule,
    StopRule,
)
from elenchus_runtime.tiny import create_model

PROMPTS = [
    ''.join(f'Every wumpus is a yumpus. [{(i * 7 + k) % 50}] ' for k in range(12 + i % 6)) for i in range(128)
]


def request(policy: str | None, samples: int, **changes: object) -> Generate:
    fields: dict[str, object] = {
        'policy': policy,
        'requests': [GenerateItem(key=str(k), prompt=PROMPTS[k // 4], seed=k) for k in range(samples)],
        'sampling': Sampling(temperature=1.0, top_p=1.0, max_new_tokens=96),
        'stops': [
            StopRule(name='conclude', pattern=r'CONCLUDE.*\n', count=1),
            StopRule(name='steps', pattern=r'Action: .*\n', count=12),
        ],
        'segment': SegmentRule(boundary=r'\n', max_tokens=64),
    }
    return Generate(**(fields | changes))  # type: ignore[arg-type]


def main() -> None:
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        tokenizer = str(make_tokenizer(folder))
        path = str(folder / 'model')
        shape = tiny_architecture()
        create_model(ModelCreate(path=path, tokenizer_path=tokenizer, architecture=shape, seed=1))
        base = load_base(ModelLoad(model=path), torch.device('cpu'))
    adapters = Adapters(base)
    policy = None
    if '--adapter' in sys.argv:
        adapters.create(lora('policy', rank=16))
        policy = 'policy'
    model = adapters.use(policy)
    cases: list[tuple[str, Generate]] = [
        (f'native, {slots} slots', request(policy, 512, engine='native', slots=slots))
        for slots in (16, 64, 128, 256)
    ]
    cases.append(('native, deterministic', request(policy, 512, engine='native', deterministic=True)))
    if '--transformers' in sys.argv:
        cases += [
            (f'transformers, {rows} slots', request(policy, rows, engine='transformers', slots=rows))
            for rows in (16, 64, 256)
        ]
    generate(base, model, request(policy, 64), RecordingJob())
    for name, spec in cases:
        result = generate(base, model, spec, RecordingJob())
        print(f'{name:24} {result["generated_tokens"] / result["seconds"]:9,.0f} tokens/s')


if __name__ == '__main__':
    main()
