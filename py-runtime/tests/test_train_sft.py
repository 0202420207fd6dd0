"""The supervised loss and its gradient against a plain Hugging Face loss."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from training import COMPLETIONS, PROMPTS, assert_same, gradients_of, sft_batch

from elenchus_runtime import train_sft
from elenchus_runtime.blobs import pack_ragged
from elenchus_runtime.errors import WorkerError
from elenchus_runtime.models import Base
from elenchus_runtime.protocol import LmIdsBatch, SftBatch, SftIdsBatch


def labelled_loss(base: Base, rows: train_sft.SftRows) -> torch.Tensor:
    """transformers' own loss: labels of -100 outside the targets, an attention mask, a mean over tokens."""
    width = max(len(row.ids) for row in rows.rows)
    ids = torch.full((len(rows.rows), width), base.tokenizer.pad_token_id)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, -100)
    for index, row in enumerate(rows.rows):
        length = len(row.ids)
        ids[index, :length] = torch.from_numpy(row.ids)
        mask[index, :length] = 1
        labels[index, :length] = torch.where(torch.from_numpy(row.targets), ids[index, :length], -100)
    return base.model(input_ids=ids, attention_mask=mask, labels=labels).loss


@pytest.mark.parametrize('budget', [10_000, 40, 1])
def test_loss_and_gradient_are_those_of_transformers(base: Base, budget: int) -> None:
    base.model.requires_grad_(True)
    rows = train_sft.rows_from_text(base, sft_batch())
    calls: list[int] = []
    outcome = train_sft.accumulate(base, rows, budget, calls.append)
    ours = gradients_of(base)
    base.model.zero_grad()
    loss = labelled_loss(base, rows)
    loss.backward()
    assert outcome.loss == pytest.approx(float(loss.detach()), abs=1e-5)
    assert_same(ours, gradients_of(base), atol=1e-5, rtol=1e-4)
    assert calls == list(range(len(calls)))
    assert len(calls) == {10_000: 1, 40: 2, 1: 4}[budget]


def test_the_end_of_sequence_is_a_target_and_the_prompt_is_none(base: Base) -> None:
    rows = train_sft.rows_from_text(base, sft_batch()).rows
    for row, prompt, completion in zip(rows, [PROMPTS[0]] * 2 + [PROMPTS[1]] * 2, COMPLETIONS, strict=True):
        assert row.ids[-1] == base.tokenizer.eos_token_id
        assert row.targets[-1]
        targets, context = row.ids[row.targets][:-1].tolist(), row.ids[~row.targets].tolist()
        assert base.tokenizer.decode(targets) == completion
        assert context == base.encode([prompt], special_tokens=True)[0]


def test_completions_are_encoded_as_a_continuation(base: Base) -> None:
    """A space that a tokenizer puts before every text must not get between prompt and completion."""
    batch = SftBatch(prompts=['a', 'Every'], completions=['b', ' wumpus'], max_length=99, append_eos=False)
    rows = train_sft.rows_from_text(base, batch).rows
    assert [base.tokenizer.decode(row.ids[row.targets]) for row in rows] == ['b', ' wumpus']
    # "Every wumpus" is one token: at this seam the completion is encoded alone.
    assert len(rows[1].ids) > len(base.encode(['Every wumpus'], special_tokens=True)[0])


def test_truncation_is_counted_and_never_hides_a_row(base: Base) -> None:
    whole = train_sft.rows_from_text(base, sft_batch())
    longest = max(len(row.ids) for row in whole.rows)
    cut = train_sft.rows_from_text(base, sft_batch(max_length=longest - 1))
    assert (whole.truncated, cut.truncated) == (0, 1)
    assert max(len(row.ids) for row in cut.rows) == longest - 1
    shortest_prompt = min(len(ids) for ids in base.encode(PROMPTS, special_tokens=True))
    few = train_sft.rows_from_text(base, sft_batch(max_length=shortest_prompt + 1))
    assert (len(few.rows), few.truncated) == (2, 4)
    none = train_sft.rows_from_text(base, sft_batch(max_length=2))
    assert (none.rows, none.truncated) == ([], 4)


def test_an_end_that_is_no_target_is_an_error(base: Base) -> None:
    base.eos_ids = frozenset([3])
    with pytest.raises(WorkerError) as caught:
        train_sft.rows_from_text(base, sft_batch())
    assert caught.value.code == 'guard_failed'


def test_sampled_ids_are_trained_as_they_are(base: Base) -> None:
    sampled = [np.asarray([9, 0, 4], dtype='<i4'), np.asarray([base.tokenizer.eos_token_id], dtype='<i4')]
    batch = SftIdsBatch(prompts=[PROMPTS[0]], rows=[0, 0], max_length=400)
    rows = train_sft.rows_from_ids(base, batch, pack_ragged('ids', sampled, 'i32')).rows
    assert [row.ids[row.targets].tolist() for row in rows] == [[9, 0, 4], [base.tokenizer.eos_token_id]]
    short = SftIdsBatch(prompts=[PROMPTS[0]], rows=[0, 0], max_length=3)
    with pytest.raises(WorkerError) as caught:
        train_sft.rows_from_ids(base, short, pack_ragged('ids', sampled, 'i32'))
    assert caught.value.code == 'prompt_too_long'


def test_given_masks_are_obeyed(base: Base) -> None:
    blobs = pack_ragged('ids', [np.asarray([5, 6, 7]), np.asarray([8, 9])], 'i32')
    rows = train_sft.rows_from_mask(
        base, blobs | {'target_mask': np.asarray([0, 0, 1, 0, 1], dtype='u1')}
    ).rows
    assert [row.targets.tolist() for row in rows] == [[False, False, True], [False, True]]
    for mask in ([0, 0, 1, 0], [1, 0, 0, 0, 0]):
        with pytest.raises(WorkerError):
            train_sft.rows_from_mask(base, blobs | {'target_mask': np.asarray(mask, dtype='u1')})
    nothing = train_sft.rows_from_mask(base, blobs | {'target_mask': np.zeros(5, dtype='u1')})
    with pytest.raises(WorkerError, match='no target'):
        train_sft.accumulate(base, nothing, 99, lambda _: None)


def test_an_empty_mask_batch_is_refused(base: Base) -> None:
    blobs = pack_ragged('ids', [], 'i32') | {'target_mask': np.zeros(0, dtype='u1')}
    with pytest.raises(WorkerError, match='no target'):
        train_sft.accumulate(base, train_sft.rows_from_mask(base, blobs), 99, lambda _: None)
    assert LmIdsBatch()
