"""Who is compared. Each takes the work and returns its seconds; all write exactly the lengths asked."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import GenerationConfig, StoppingCriteria
from transformers.generation import ContinuousBatchingConfig

from elenchus_runtime import engine_native
from elenchus_runtime.completion import Completion, Limits
from elenchus_runtime.models import Base
from elenchus_runtime.plan import Group, Plan, Sample

from .work import Work

Contender = Callable[[Base, Any, Work], float]


def seconds(device: torch.device) -> float:
    """On the CPU, processor time of all threads of this process: other work on the machine cannot lengthen it
    much. On an accelerator, time on the clock once it has nothing left to do.
    """
    if device.type == 'cpu':
        return time.process_time()
    torch.cuda.synchronize(device)
    return time.perf_counter()


def native(slots: int | None = None, deterministic: bool = False) -> Contender:
    """Our engine as the `generate` operation drives it: seeds, log-probabilities, texts included."""

    def run(base: Base, model: Any, work: Work) -> float:
        # As with the others, nothing but its length ends a sequence.
        limits = Limits([], None, 0, frozenset())
        started = seconds(base.device)
        groups = [Group(prompt, []) for prompt in work.prompts]
        for place, (prompt, length) in enumerate(work.sequences):
            completion = Completion(str(place), len(prompt), length, limits, base.texts)
            groups[place // work.samples].samples.append(Sample(place, completion))
        plan = Plan(groups, 1.0, 1.0, deterministic, slots)
        written = 0
        for completion in engine_native.run(base, model, plan, lambda tokens: None):
            assert completion.text is not None
            written += len(completion.ids)
        assert written == work.tokens
        return seconds(base.device) - started

    return run


class _Lengths(StoppingCriteria):
    """Ends each row when it has its length."""

    def __init__(self, lengths: list[int], prompt_tokens: int, device: torch.device) -> None:
        self._ends = torch.tensor(lengths, device=device) + prompt_tokens

    def __call__(self, input_ids: Any, scores: Any, **kwargs: Any) -> Any:
        return self._ends <= input_ids.shape[1]


def transformers_generate(rows: int) -> Contender:
    """`generate` on batches of `rows`, sampling without log-probabilities: it is asked for less than ours."""

    @torch.inference_mode()
    def run(base: Base, model: Any, work: Work) -> float:
        started = seconds(base.device)
        sequences = work.sequences
        for start in range(0, len(sequences), rows):
            batch = sequences[start : start + rows]
            ids = torch.tensor([prompt for prompt, _ in batch], device=base.device)
            lengths = [length for _, length in batch]
            written = model.generate(
                input_ids=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=True,
                temperature=1.0,
                top_k=0,
                max_new_tokens=max(lengths),
                eos_token_id=None,
                pad_token_id=base.tokenizer.pad_token_id,
                stopping_criteria=[_Lengths(lengths, ids.shape[1], base.device)],
            )
            assert written.shape == (len(batch), ids.shape[1] + max(lengths))
            # What the caller needs in the end: the texts.
            for row, length in zip(written[:, ids.shape[1] :].tolist(), lengths, strict=True):
                base.tokenizer.decode(row[:length])
        return seconds(base.device) - started

    return run


def generate_batch(batch_tokens: int, page: int) -> Contender:
    """transformers' continuous batching, with a length of its own for every request."""

    def run(base: Base, model: Any, work: Work) -> float:
        config = GenerationConfig(
            do_sample=True, top_k=0, max_new_tokens=max(work.lengths), eos_token_id=-1, pad_token_id=0
        )
        longest = len(work.prompts[0]) + max(work.lengths)
        blocks = (-(-longest // page) + 1) * len(work.lengths)
        batching = ContinuousBatchingConfig(
            page_size=page, num_blocks=blocks, max_batch_tokens=batch_tokens, use_cuda_graph=None
        )
        implementation = model.config._attn_implementation
        started = seconds(base.device)
        try:
            with model.continuous_batching_context_manager(
                generation_config=config, continuous_batching_config=batching
            ) as manager:
                for prompt, length in work.sequences:
                    manager.add_request(prompt, max_new_tokens=length)
                written = 0
                for _ in work.lengths:
                    result = manager.get_result(timeout=600)
                    while not result.is_finished():
                        result = manager.get_result(timeout=600)
                    assert result.error is None, result.error
                    base.tokenizer.decode(result.generated_tokens)
                    written += len(result.generated_tokens)
            assert written == work.tokens, (written, work.tokens)
        finally:
            model.set_attn_implementation(implementation)
        return seconds(base.device) - started

    return run
