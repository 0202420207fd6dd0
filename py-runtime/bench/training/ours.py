"""Our side: a training session as the worker has it, on given ids."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))
sys.path.insert(0, str(Path(__file__).parents[2] / 'tests'))

import numpy as np
import torch
from jobs import RecordingJob
from safetensors.torch import save_file
from shapes import Work, make_model, make_tokenizer, plain_name, scatter_lora, text
from sides import answer

from elenchus_runtime import train_dpo, train_ppo
from elenchus_runtime.adapters import Adapters
from elenchus_runtime.blobs import pack_ragged
from elenchus_runtime.logprobs import has_plain_head
from elenchus_runtime.models import Base
from elenchus_runtime.norms import speed_up_norms
from elenchus_runtime.protocol import (
    AdapterCreate,
    DpoBatch,
    ModelLoad,
    OptimizerSettings,
    PpoBatch,
    TrainBegin,
    TrainStep,
)
from elenchus_runtime.rows import completion_rows
from elenchus_runtime.score import score_rows
from elenchus_runtime.session import Session
from elenchus_runtime.sharing import cannot_share
from elenchus_runtime.work import ADAPTER, ALL_WEIGHTS

POLICY = 'p'


def load(spec: dict[str, Any]) -> Base:
    device = torch.device(spec['device'])
    model = make_model(spec['shape'], device, torch.float32 if device.type == 'cpu' else torch.bfloat16)
    speed_up_norms(model)
    plain = has_plain_head(model)
    rows_apart = 'asked for by the bench' if spec.get('apart') else cannot_share(model, plain)
    return Base(
        model=model,
        tokenizer=make_tokenizer(model.config.vocab_size),
        config=model.config,
        source=Path('.'),
        settings=ModelLoad(model='.'),
        signature=(),
        fingerprint='',
        max_positions=model.config.max_position_embeddings,
        device=device,
        load_s=0.0,
        eos_ids=frozenset([1]),
        plain_head=plain,
        rows_apart=rows_apart,
    )


def main() -> None:
    spec = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    base = load(spec)
    work = Work(**spec['work'], vocab=base.vocab_size)
    adapters = Adapters(base)
    lora = spec['weights'] == 'lora'
    policy = POLICY if lora else None
    rows = completion_rows(work.prompts(), work.rows(), work.completions(), base.vocab_size)
    budget = spec['micro_batch_tokens']
    reference = score_rows(base, adapters.evaluate(None), rows, 1.0, budget, RecordingJob())
    if lora:
        adapters.create(
            AdapterCreate(name=POLICY, rank=16, alpha=32.0, dropout=0.0, target_modules='all-linear', seed=0)
        )
        scatter_lora(adapters.train(POLICY).items())
    session = Session(
        TrainBegin(
            session='s',
            algorithm=spec['algorithm'],
            policy=policy,
            optimizer=OptimizerSettings(betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0, max_grad_norm=1.0),
            micro_batch_tokens=budget,
            gradient_checkpointing=spec['gradient_checkpointing'],
            seed=0,
        ),
        base,
        adapters,
    )
    blobs = pack_ragged('ids', work.completions(), 'i32')
    prompts = [text(ids) for ids in work.prompts()]
    limit = work.prompt_tokens + work.completion_tokens
    if spec['algorithm'] == 'dpo':
        batch: Any = DpoBatch(
            prompts=prompts, rows=work.rows(), pairs=work.pairs(), beta=0.1, max_length=limit
        )
        blobs['reference_sums'] = np.asarray([row.astype(np.float64).sum() for row in reference])
    else:
        batch = PpoBatch(
            prompts=prompts,
            rows=work.rows(),
            max_length=limit,
            temperature=1.0,
            clip_low=0.2,
            clip_high=0.2,
            value_coef=0.0,
            value_learning_rate=0.0,
        )
        blobs['old_logprobs'] = np.concatenate(reference)
        random = np.random.default_rng(3)
        advantages = random.standard_normal(len(rows)).astype('<f4')
        blobs['advantages'] = np.repeat(advantages, work.completion_tokens)
    facts: dict[str, Any] = {}
    base.model.base_model.register_forward_pre_hook(
        lambda _, __, kwargs: facts.update(tokens=facts.get('tokens', 0) + kwargs['input_ids'].numel()),
        with_kwargs=True,
    )

    def step() -> dict[str, Any]:
        facts.clear()
        number = session.step_number + 1
        session.step(
            TrainStep(session='s', step=number, learning_rate=1e-6, batch=batch), blobs, RecordingJob()
        )
        # As the worker counts: what is read again, without gradient or after a checkpoint, is no work.
        targets = sum(row.num_targets for row in rows)
        passes = ADAPTER if lora else ALL_WEIGHTS
        return facts | {'flops': base.sizes.flop(base.tokens_read(rows), targets, passes)}

    def gradient(path: str) -> None:
        parameters = adapters.train(policy)
        if spec['algorithm'] == 'dpo':
            train_dpo.accumulate(
                base, train_dpo.read_graph(base, batch, blobs), batch, budget, lambda _: None
            )
        else:
            train_ppo.accumulate(
                base, train_ppo.read_rows(base, batch, blobs, None), batch, None, budget, lambda _: None
            )
        save_file(
            {plain_name(name): p.grad.contiguous() for name, p in parameters.items() if p.grad is not None},
            path,
        )
        base.model.zero_grad(set_to_none=True)

    answer(base.device.type == 'cuda', step, gradient)


if __name__ == '__main__':
    main()
