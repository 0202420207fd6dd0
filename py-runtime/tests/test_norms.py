"""The norms that replace those of transformers on a GPU, tried on the CPU: the same values and slopes, in the
same precision, and nothing replaced that is something else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import make_tokenizer
from families import NATIVE, write_family
from torch import nn
from transformers.models.llama.modeling_llama import LlamaRMSNorm

from elenchus_runtime.models import load_base
from elenchus_runtime.norms import rms_norm, speed_up_norms
from elenchus_runtime.protocol import ModelLoad


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
@pytest.mark.parametrize('family', NATIVE)
def test_models_answer_and_learn_as_with_the_norms_of_transformers(
    tmp_path: Path, family: str, dtype: Any
) -> None:
    path = write_family(family, make_tokenizer(tmp_path), tmp_path)
    stock, ours = (
        load_base(ModelLoad(model=str(path), dtype=dtype), torch.device('cpu')).model for _ in '12'
    )
    # Two layers of two norms, four where queries and keys have their own, and the last one.
    assert speed_up_norms(ours, wanted=True) == (9 if family == 'qwen3' else 5)
    ids = torch.arange(3, 30)[None]
    losses = []
    for model in (stock, ours):
        model.requires_grad_(True)
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=dtype == 'bfloat16'):
            states = model.base_model(input_ids=ids).last_hidden_state
        assert states.dtype == model.dtype
        losses.append(model(input_ids=ids, labels=ids).loss)
        losses[-1].backward()
    exact = dtype == 'float32'
    torch.testing.assert_close(losses[1], losses[0], rtol=1e-6 if exact else 0.02, atol=1e-6)
    theirs = dict(stock.named_parameters())
    for name, parameter in ours.named_parameters():
        wanted = theirs[name].grad
        assert (parameter.grad - wanted).norm() <= (1e-5 if exact else 0.1) * wanted.norm(), name


def test_autocast_leaves_it_in_half_precision() -> None:
    x = torch.randn(4, 16).bfloat16().requires_grad_()
    with torch.autocast('cpu', dtype=torch.bfloat16):
        value = rms_norm(x, torch.ones(16).bfloat16(), 1e-5)
    assert value.dtype == torch.bfloat16
    value.sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


class ShiftedRMSNorm(LlamaRMSNorm):
    """As in Gemma."""

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        return super().forward(hidden_states) * (1 + 1 / self.weight)


class CoarseRMSNorm(LlamaRMSNorm):
    """Adds its constant after the root."""

    def forward(self, hidden_states: torch.Tensor) -> torch.Tensor:
        root = hidden_states.square().mean(-1, keepdim=True).sqrt()
        return self.weight * hidden_states / (root + self.variance_epsilon)


@pytest.mark.parametrize('kind', [ShiftedRMSNorm, CoarseRMSNorm])
def test_a_norm_of_another_formula_is_left_alone(kind: type[LlamaRMSNorm]) -> None:
    class Model(nn.Module):
        device = torch.device('cpu')

        def __init__(self) -> None:
            super().__init__()
            self.norm, self.other = kind(16), LlamaRMSNorm(16)

    model = Model()
    assert speed_up_norms(model, wanted=True) == 1
    assert 'forward' not in vars(model.norm)


def test_models_on_the_cpu_keep_the_norms_of_transformers(tmp_path: Path) -> None:
    path = write_family('llama', make_tokenizer(tmp_path), tmp_path)
    model = load_base(ModelLoad(model=str(path)), torch.device('cpu')).model
    assert not any('forward' in vars(module) for module in model.modules())
