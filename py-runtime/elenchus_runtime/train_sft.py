"""Supervised steps: minus the mean log-probability over the targets of the whole batch.

Knows rows and gradients. Which tokens are targets is decided where the rows are made, here for text
and given for ids; the optimiser is somebody else's matter.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from . import guards
from .blobs import Blobs, need_blob, unpack_ragged
from .errors import WorkerError
from .logprobs import target_logprobs
from .models import Base
from .outcome import Outcome
from .protocol import SftBatch, SftIdsBatch
from .rows import Row, check_ids, completion_row, completion_rows, refuse_longer_than


@dataclass(frozen=True)
class SftRows:
    rows: list[Row]
    truncated: int


def rows_from_text(base: Base, batch: SftBatch) -> SftRows:
    """Encodes prompt and completion; the end-of-sequence token is a target.

    A row longer than `max_length` loses its end, and is counted; one whose prompt alone fills it is left
    out, and counted too. None may be left.
    """
    if len(batch.prompts) != len(batch.completions):
        raise WorkerError(
            'bad_request', f'{len(batch.prompts)} prompts for {len(batch.completions)} completions.'
        )
    prompts = base.encode(batch.prompts, special_tokens=True)
    completions = encode_completions(base, batch.prompts, prompts, batch.completions)
    end = [base.tokenizer.eos_token_id] if batch.append_eos else []
    rows: list[Row] = []
    whole: list[bool] = []
    for prompt, completion in zip(prompts, completions, strict=True):
        row = completion_row(prompt, [*completion, *end])
        fits = len(row.ids) <= batch.max_length
        cut = row if fits else Row(row.ids[: batch.max_length], row.targets[: batch.max_length])
        if cut.num_targets:
            rows.append(cut)
            whole.append(fits)
    if batch.append_eos:
        guards.ends_are_targets(rows, whole, base.eos_ids)
    return SftRows(rows, truncated=len(prompts) - sum(whole))


def encode_completions(
    base: Base, prompt_texts: Sequence[str], prompts: Sequence[Sequence[int]], completions: Sequence[str]
) -> list[list[int]]:
    """Ids of completions as a model that has read the prompt would write them.

    Encoded with the prompt before it, because some tokenizers begin every text with a space. Where the
    two grow together into one token at the seam, the completion is encoded alone.
    """
    joined = base.encode([a + b for a, b in zip(prompt_texts, completions, strict=True)], special_tokens=True)
    alone = base.encode(list(completions), special_tokens=False)
    return [
        whole[len(prompt) :] if whole[: len(prompt)] == list(prompt) else separate
        for prompt, whole, separate in zip(prompts, joined, alone, strict=True)
    ]


def rows_from_ids(base: Base, batch: SftIdsBatch, blobs: Blobs) -> SftRows:
    """On-policy completions, exactly as they were sampled."""
    prompts = base.encode(batch.prompts, special_tokens=True)
    rows = completion_rows(prompts, batch.rows, unpack_ragged('ids', blobs), base.vocab_size)
    refuse_longer_than(rows, batch.max_length)
    return SftRows(rows, truncated=0)


def rows_from_mask(base: Base, blobs: Blobs) -> SftRows:
    """Given ids with given targets."""
    ids = unpack_ragged('ids', blobs)
    check_ids(ids, base.vocab_size)
    mask = need_blob('target_mask', blobs)
    if mask.shape != need_blob('ids', blobs).shape:
        raise WorkerError('bad_request', 'target_mask must have one entry per id.')
    bounds = np.cumsum([len(row) for row in ids])[:-1]
    masks = np.split(mask.astype(np.bool_), bounds) if ids else []
    return SftRows(
        [Row(row.astype(np.int64), targets) for row, targets in zip(ids, masks, strict=True)], truncated=0
    )


def accumulate(base: Base, batch: SftRows, budget: int, before: Callable[[int], None]) -> Outcome:
    """Adds the gradient of the batch's loss to the parameters; `before(k)` runs before micro-batch k.

    The divisor is the number of targets of the whole batch, so micro-batching changes nothing but memory.
    """
    total = sum(row.num_targets for row in batch.rows)
    if total == 0:
        raise WorkerError('bad_request', 'The batch has no target token.')
    loss = torch.zeros((), dtype=torch.float64, device=base.device)
    for index, members in enumerate(base.micro_batches(batch.rows, budget)):
        before(index)
        layout = base.lay_out([batch.rows[member] for member in members])
        part = -target_logprobs(base.model, base.plain_head, layout).double().sum() / total
        part.backward()
        loss += part.detach()
    tokens = sum(len(row.ids) for row in batch.rows)
    return Outcome(float(loss), tokens, batch.truncated, {'targets': float(total)}, float(total))
