"""Training's own forward passes against the stock ones: same numbers, less kept, never a stale adapter."""

from __future__ import annotations

import gc
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from conftest import lora, make_tokenizer
from families import NATIVE, OTHERS, write_family
from test_logprobs import some_rows
from torch.profiler import ProfilerActivity, profile

from elenchus_runtime import logprobs, training_forward
from elenchus_runtime.adapters import Adapters
from elenchus_runtime.logprobs import target_logprobs
from elenchus_runtime.models import Base, load_base
from elenchus_runtime.projection import LoraLayer, adapted_linear, projection
from elenchus_runtime.protocol import ModelLoad

CPU = torch.device('cpu')
LENGTHS = [(20, 9), (20, 30), (1, 20), (12, 12)]
TOKENS = 100
"""Read of these, when the first two share their context."""
POSITIONS = 4 * 49
"""That attention works on."""


@pytest.fixture(scope='module')
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp('families')
    tokenizer = make_tokenizer(folder)
    return {name: write_family(name, tokenizer, folder) for name in (*NATIVE, *OTHERS)}


def load(folder: Path, dtype: str) -> Base:
    return load_base(ModelLoad(model=str(folder), dtype=dtype), CPU)  # type: ignore[arg-type]


def shaken(base: Base, *names: str, **changes: object) -> Adapters:
    """Adapters that change something, each something else."""
    adapters = Adapters(base)
    for name in names:
        adapters.create(lora(name, **changes))
        for place, parameter in enumerate(adapters.train(name).values()):
            source = torch.Generator().manual_seed(1000 * ord(name[0]) + place)
            parameter.data.normal_(std=0.1, generator=source)
    return adapters


def held_bytes(work: Callable[[], torch.Tensor]) -> tuple[torch.Tensor, int]:
    """What is in memory after a forward pass and was not before it: all that the backward pass needs."""
    # What other tests have left behind must not be freed meanwhile.
    gc.collect()
    gc.disable()
    try:
        with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as seen:
            answer = work()
    finally:
        gc.enable()
    return answer, sum(event.self_cpu_memory_usage for event in seen.key_averages())


def gradient(
    base: Base, adapters: Adapters, policy: str | None, stock: bool, seed: int = 3
) -> tuple[float, dict[str, torch.Tensor], int]:
    """Of a weighted sum of log-probabilities over rows of which two share a context."""
    adapters.use(policy)
    trained = adapters.train(policy)
    if stock:
        training_forward.remove(base.model)
    rows = some_rows(base.vocab_size, LENGTHS)
    rows[1].ids[:20] = rows[0].ids[:20]
    layout = base.lay_out(rows)
    assert base.rows_apart is not None or layout.num_tokens == TOKENS
    torch.manual_seed(seed)
    values, kept = held_bytes(lambda: target_logprobs(base.model, base.plain_head, layout))
    loss = (values * torch.linspace(-1, 2, len(values))).sum()
    loss.backward()
    grads = {name: p.grad.clone() for name, p in trained.items() if p.grad is not None}
    base.model.zero_grad(set_to_none=True)
    return float(loss.detach()), grads, kept


def assert_close(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor], relative: float) -> None:
    """Relative to the largest entry of each gradient."""
    assert set(first) == set(second)
    assert first
    for name, tensor in first.items():
        gap = (tensor - second[name]).abs().max()
        assert gap <= relative * second[name].abs().max(), (name, float(gap))
        assert tensor.dtype == torch.float32


@pytest.mark.parametrize('family', [*NATIVE, *OTHERS])
@pytest.mark.parametrize('policy', ['a', None])
def test_loss_and_gradients_are_the_stock_models(
    folders: dict[str, Path], family: str, policy: str | None
) -> None:
    base = load(folders[family], 'float32')
    adapters = shaken(base, 'a')
    stock, expected, _ = gradient(base, adapters, policy, stock=True)
    own, grads, _ = gradient(base, adapters, policy, stock=False)
    assert own == pytest.approx(stock, rel=1e-6)
    assert_close(grads, expected, 1e-5)


@pytest.mark.parametrize('family', NATIVE)
def test_half_precision_is_as_far_from_the_truth_as_the_stock_model(
    folders: dict[str, Path], family: str
) -> None:
    wide = load(folders[family], 'bfloat16')
    wide.model.float()
    half = load(folders[family], 'bfloat16')
    _, truth, _ = gradient(wide, shaken(wide, 'a'), 'a', stock=True)
    adapters = shaken(half, 'a')
    _, stock, _ = gradient(half, adapters, 'a', stock=True)
    _, own, _ = gradient(half, adapters, 'a', stock=False)

    def distance(grads: dict[str, torch.Tensor]) -> float:
        flat, true = (torch.cat([each[name].flatten() for name in sorted(truth)]) for each in (grads, truth))
        return float((flat - true).norm() / true.norm())

    assert distance(own) <= 1.1 * distance(stock)


def test_a_layer_with_an_adapter_is_pefts_to_1e_6(folders: dict[str, Path]) -> None:
    base = load(folders['qwen2'], 'float32')  # With biases.
    adapters = shaken(base, 'a')
    adapters.train('a')
    layer = base.model.model.layers[0].self_attn.q_proj
    source = torch.Generator().manual_seed(0)
    x = torch.randn(3, 50, layer.in_features, generator=source).requires_grad_(True)
    outputs, grads = [], []
    for forward in (adapted_linear, LoraLayer.forward):
        out = forward(layer, x)
        wanted = [x, layer.lora_A['a'].weight, layer.lora_B['a'].weight]
        factors = torch.randn(out.shape, generator=torch.Generator().manual_seed(1))
        grads.append(torch.autograd.grad((out * factors).sum(), wanted))
        outputs.append(out)
    torch.testing.assert_close(outputs[0], outputs[1], rtol=1e-6, atol=1e-6)
    for own, stock in zip(*grads, strict=True):
        assert (own - stock).abs().max() <= 1e-6 * stock.abs().max()
    assert 'Project' in type(outputs[0].grad_fn).__name__


@pytest.mark.parametrize(('dtype', 'policy'), [('float32', 'a'), ('float32', None), ('bfloat16', 'a')])
def test_less_is_kept_for_the_backward_pass(folders: dict[str, Path], dtype: str, policy: str | None) -> None:
    base = load(folders['llama'], dtype)
    adapters = shaken(base, 'a')
    *_, stock = gradient(base, adapters, policy, stock=True)
    *_, own = gradient(base, adapters, policy, stock=False)
    # Per token and layer: silu and the product, 2 F.
    assert stock - own > 0.9 * 2 * 2 * base.model.config.intermediate_size * TOKENS * base.dtype.itemsize


@pytest.mark.parametrize('family', NATIVE)
def test_rows_that_are_spread_again_for_the_backward_pass_are_the_same(
    folders: dict[str, Path], family: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = load(folders[family], 'float32')
    adapters = shaken(base, 'a')
    _, packed, less = gradient(base, adapters, 'a', stock=False)
    monkeypatch.setattr(logprobs, 'kept_packed', lambda _: nullcontext())
    _, spread, more = gradient(base, adapters, 'a', stock=False)
    assert_close(packed, spread, 0)
    config = base.model.config
    width = config.hidden_size // config.num_attention_heads if family != 'qwen3' else config.head_dim
    queries, keys = (width * heads for heads in (config.num_attention_heads, config.num_key_value_heads))
    # What comes of attention is there for the next layer anyhow.
    saved = POSITIONS * (2 * queries + 2 * keys) - TOKENS * (queries + 2 * keys)
    assert more - less > 0.9 * 2 * 4 * saved


def test_every_switch_is_seen_at_once(folders: dict[str, Path]) -> None:
    base = load(folders['llama'], 'float32')
    adapters = shaken(base, 'a', 'b')
    ids = torch.tensor([[5, 8, 33, 26, 7]])

    def say(model: Any) -> torch.Tensor:
        with torch.no_grad():
            return model(ids).logits

    stock = {name: say(adapters.use(name)) for name in ('a', 'b', None)}
    assert not torch.allclose(stock['a'], stock['b'])
    for name in ('a', 'b', None, 'b', 'a'):
        torch.testing.assert_close(say(adapters.evaluate(name)), stock[name], atol=1e-5, rtol=1e-4)
        adapters.train(name)
        torch.testing.assert_close(say(base.model), stock[name], atol=1e-5, rtol=1e-4)
        assert torch.equal(say(adapters.use(name)), stock[name])
    # Also what has been changed in place, as an optimiser does.
    for parameter in adapters.train('a').values():
        parameter.data.mul_(2)
    torch.testing.assert_close(say(base.model), say(adapters.use('a')), atol=1e-5, rtol=1e-4)


def test_nothing_of_it_is_left_once_the_model_is_used(folders: dict[str, Path]) -> None:
    base = load(folders['llama'], 'float32')
    adapters = shaken(base, 'a')
    adapters.train('a')
    assert any('forward' in vars(module) for module in base.model.modules())
    adapters.use('a')
    assert not any('forward' in vars(module) for module in base.model.modules())


def test_dropout_is_pefts(folders: dict[str, Path]) -> None:
    base = load(folders['llama'], 'float32')
    adapters = shaken(base, 'a', dropout=0.5)

    _, own, _ = gradient(base, adapters, 'a', stock=False)
    _, stock, _ = gradient(base, adapters, 'a', stock=True)
    _, other, _ = gradient(base, adapters, 'a', stock=False, seed=4)
    assert_close(own, stock, 1e-5)
    assert any(not torch.allclose(other[name], own[name]) for name in own)


@pytest.mark.parametrize('change', ['merged', 'bias', 'variant', 'two', 'wrapped'])
def test_anything_but_a_matrix_and_one_plain_adapter_is_left_to_the_stock_layers(
    folders: dict[str, Path], change: str
) -> None:
    base = load(folders['llama'], 'float32')
    adapters = shaken(base, 'a', 'b')
    adapters.train('a')
    layer = base.model.model.layers[0].mlp.down_proj
    assert projection(layer) is not None
    match change:
        case 'merged':
            layer.merge()
        case 'bias':
            layer.lora_bias['a'] = True
        case 'variant':
            layer.lora_variant['a'] = object()
        case 'two':
            layer._active_adapter = ['a', 'b']
        case 'wrapped':
            layer.base_layer = torch.nn.Sequential(layer.base_layer)
    assert projection(layer) is None


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_checkpointing_gives_the_same_and_keeps_no_more_than_with_the_stock_model(
    folders: dict[str, Path], dtype: str
) -> None:
    base = load(folders['llama'], dtype)
    adapters = shaken(base, 'a')
    loss, expected, _ = gradient(base, adapters, 'a', stock=False)
    base.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={'use_reentrant': False})
    again, grads, own = gradient(base, adapters, 'a', stock=False)
    *_, stock = gradient(base, adapters, 'a', stock=True)
    assert again == loss
    assert_close(grads, expected, 1e-6)
    assert own <= stock


@pytest.mark.parametrize('family', NATIVE)
def test_what_is_scored_is_what_is_trained_to_the_last_digit(folders: dict[str, Path], family: str) -> None:
    """The stock model rounds otherwise: a first ratio would not be 1, a first loss not ln 2."""
    base = load(folders[family], 'bfloat16')
    adapters = shaken(base, 'a')
    layout = base.lay_out(some_rows(base.vocab_size, LENGTHS))
    with torch.no_grad():
        scored = target_logprobs(adapters.evaluate('a'), base.plain_head, layout)
        adapters.train('a')
        assert torch.equal(target_logprobs(base.model, base.plain_head, layout), scored)
        stock = target_logprobs(adapters.use('a'), base.plain_head, layout)
    assert not torch.equal(stock, scored)
