"""The work that requests say they did, against torch's own count of matrix products."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from conftest import lora, make_tokenizer, tiny_architecture
from jobs import RecordingJob
from torch.utils.flop_counter import FlopCounterMode
from training import COMPLETIONS, PROMPTS, ROWS, begin, dpo_batch, dpo_blobs, sft_batch

from elenchus_runtime import protocol as wire
from elenchus_runtime.adapters import Adapters
from elenchus_runtime.blobs import pack_ragged
from elenchus_runtime.generate import generate
from elenchus_runtime.models import Base, load_base
from elenchus_runtime.ops import Operations
from elenchus_runtime.protocol import Generate, GenerateItem, ModelCreate, ModelLoad, Sampling, TrainStep
from elenchus_runtime.tiny import create_model
from elenchus_runtime.work import Sizes


def flop_of(run: Callable[[], Any]) -> int:
    """Products with weights; those between positions (bmm, attention) are left out, as in what is claimed."""
    with FlopCounterMode(display=False) as counter:
        run()
    counts = counter.get_flop_counts()['Global']
    return sum(flop for op, flop in counts.items() if str(op).split('.')[-1] in ('mm', 'addmm'))


@pytest.fixture(scope='module', params=[True, False], ids=['tied', 'untied'])
def wide(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Base:
    """Wide enough for adapters and norms to be small beside the matrices."""
    folder = tmp_path_factory.mktemp('wide')
    shape = tiny_architecture(
        hidden_size=256, num_layers=4, intermediate_size=512, tie_embeddings=request.param
    )
    tokenizer = str(make_tokenizer(folder))
    create_model(
        ModelCreate(path=str(folder / 'model'), tokenizer_path=tokenizer, architecture=shape, seed=1)
    )
    return load_base(ModelLoad(model=str(folder / 'model')), torch.device('cpu'))


def work_of(job: RecordingJob) -> dict[str, Any]:
    assert job.work is not None
    return job.work


def step(base: Base, policy: str | None, algorithm: str) -> tuple[dict[str, Any], int]:
    adapters = Adapters(base)
    if policy is not None:
        adapters.create(lora(policy, rank=1))
    session = begin(base, adapters, policy, algorithm=algorithm)
    blobs = {} if algorithm == 'sft' else dpo_blobs(base)
    batch = sft_batch() if algorithm == 'sft' else dpo_batch()
    job = RecordingJob(blobs)
    # A rate of 0: the model is shared by the tests of this module.
    spec = TrainStep(session='s', step=1, learning_rate=0.0, batch=batch)
    counted = flop_of(lambda: session.step(spec, blobs, job))
    session.end()
    if policy is not None:
        adapters.drop(policy)
    return work_of(job), counted


@pytest.mark.parametrize('algorithm', ['sft', 'dpo'])
def test_a_step_of_an_adapter_is_four_flop_per_weight_and_token(wide: Base, algorithm: str) -> None:
    work, counted = step(wide, 'policy', algorithm)
    # The first block's input needs no slope, and the adapter's own products are not claimed.
    assert work['flop'] == pytest.approx(counted, rel=0.06)


def test_a_step_of_all_weights_is_six_flop_per_weight_and_token(wide: Base) -> None:
    work, counted = step(wide, None, 'sft')
    # A trained output matrix is multiplied with once more than that: its logits are not kept.
    again = wide.sizes.flop(0, sum(len(ids) + 1 for ids in wide.encode(COMPLETIONS, False)))
    assert work['flop'] == pytest.approx(counted - again, rel=0.05)


def test_tokens_of_a_step_are_those_that_the_trunk_reads_prompts_once(wide: Base) -> None:
    work, _ = step(wide, 'policy', 'dpo')
    prompts = sum(len(ids) for ids in wide.encode(PROMPTS, True))
    completions = sum(len(ids) - 1 for ids in wide.encode(COMPLETIONS, False))
    assert len(ROWS) > len(PROMPTS)
    assert (work['kind'], work['tokens']) == ('trained', prompts + completions)


def request(wide: Base, samples: int, **changes: Any) -> Generate:
    fields: dict[str, Any] = {
        'policy': None,
        'engine': 'native',
        'requests': [GenerateItem(str(n), PROMPTS[0], n) for n in range(samples)],
        'sampling': Sampling(temperature=1.0, top_p=1.0, max_new_tokens=12),
        'stops': [],
        'logprobs': True,
    }
    return Generate(**(fields | changes))


@pytest.mark.parametrize('engine', ['native', 'transformers'])
def test_generation_is_two_flop_per_weight_and_token_read(wide: Base, engine: str) -> None:
    # Once before: the canary's own reading is no work, and is due on the first request.
    generate(wide, wide.model, request(wide, 2), RecordingJob())
    job = RecordingJob()
    facts: dict[str, Any] = {}
    spec = request(wide, 4, engine=engine)
    counted = flop_of(lambda: facts.update(generate(wide, wide.model, spec, job)))
    work = work_of(job)
    assert (work['kind'], work['tokens']) == ('generated', facts['generated_tokens'])
    if engine == 'native':
        # Folded layers, empty slots and the logits of whole prompts may differ by a little.
        assert work['flop'] == pytest.approx(counted, rel=0.1)
    else:
        # It reads the prompt once for every sample, which is not needed.
        assert work['flop'] < counted


def test_scoring_says_what_it_scored(wide: Base, tmp_path: Path) -> None:
    operations = Operations(torch.device('cpu'))
    operations._base, operations._adapters = wide, Adapters(wide)
    ids = wide.encode_arrays(COMPLETIONS, special_tokens=False)
    job = RecordingJob(pack_ragged('ids', ids, 'i32'))
    spec = wire.Score(policy=None, prompts=PROMPTS, rows=ROWS, temperature=1.0, micro_batch_tokens=4096)
    counted = flop_of(lambda: operations._score(spec, job))
    work = work_of(job)
    assert (work['kind'], work['tokens']) == ('scored', sum(map(len, ids)))
    assert work['flop'] == pytest.approx(counted, rel=0.01)


def test_an_input_table_is_looked_up_and_not_multiplied_with(wide: Base) -> None:
    weights = {name: parameter.numel() for name, parameter in wide.model.named_parameters()}
    table = weights.pop('model.embed_tokens.weight')
    head = weights.pop('lm_head.weight', table)
    assert wide.sizes == Sizes(trunk=sum(weights.values()), head=head)
    assert wide.facts()['device_name'] == 'cpu'
    assert np.isclose(wide.sizes.flop(10, 3, 2), 4 * (10 * wide.sizes.trunk + 3 * table))
