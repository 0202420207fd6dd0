"""What the lean decode step needs of a stock model: its own tensors, in the order in which a step uses them.

Reads Llama, Mistral, Qwen2 and Qwen3 as transformers writes them, with or without LoRA. Whatever it does not
know for certain it names, and the model's own forward runs instead. Nothing is copied, except that small
float32 models get their layers packed and the adapter folded in, for the time of one `generate`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from peft.tuners.lora.layer import Linear as LoraLinear
from transformers import LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM

KNOWN = (LlamaForCausalLM, MistralForCausalLM, Qwen2ForCausalLM, Qwen3ForCausalLM)
FIXED_ROPES = {'default', 'linear', 'llama3', 'yarn'}
"""Kinds of rotary embedding whose angles depend on the position alone."""

PACKED_BYTES = 512 << 20
"""Float32 models up to this size are packed."""

_PARTS = {
    'layer': {'self_attn', 'mlp', 'input_layernorm', 'post_attention_layernorm'},
    'attention': {'q_proj', 'k_proj', 'v_proj', 'o_proj', 'q_norm', 'k_norm'},
    'mlp': {'gate_proj', 'up_proj', 'down_proj', 'act_fn'},
}


@dataclass(frozen=True)
class Adapter:
    down: torch.Tensor
    up: torch.Tensor
    scale: float


@dataclass(frozen=True)
class Part:
    """One linear layer and the adapter on it."""

    weight: torch.Tensor
    bias: torch.Tensor | None
    adapter: Adapter | None

    def __call__(self, x: torch.Tensor, low: torch.Tensor | None = None) -> torch.Tensor:
        """`low`: the input as the adapter projects it down, where that has been computed already."""
        out = F.linear(x, self.weight, self.bias)
        if self.adapter is not None:
            low = x @ self.adapter.down.T if low is None else low
            out.addmm_(low, self.adapter.up.T, alpha=self.adapter.scale)
        return out


class Linears:
    """Linear layers of one input; their outputs side by side."""

    def __init__(self, parts: list[Part], packed: bool) -> None:
        self.sizes = [len(part.weight) for part in parts]
        self._parts = [_packed(parts)] if packed else parts
        downs = [part.adapter.down for part in self._parts if part.adapter is not None]
        self._ranks = [0 if part.adapter is None else len(part.adapter.down) for part in self._parts]
        self._down = torch.cat(downs) if len(downs) > 1 else None
        """Of all adapters: one product with so few columns takes a GPU as long as three."""

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        outs = self._outs(x)
        return outs[0] if len(outs) == 1 else torch.cat(outs, dim=-1)

    def split(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        outs = self._outs(x)
        return tuple(outs) if len(outs) == len(self.sizes) else outs[0].split(self.sizes, dim=-1)

    def _outs(self, x: torch.Tensor) -> list[torch.Tensor]:
        if self._down is None:
            return [part(x) for part in self._parts]
        lows = (x @ self._down.T).split(self._ranks, dim=-1)
        return [part(x, low) for part, low in zip(self._parts, lows, strict=True)]


@dataclass(frozen=True)
class Layer:
    qkv: Linears
    out: Linears
    gate_up: Linears
    down: Linears
    act: Any
    attention_norm: torch.Tensor
    mlp_norm: torch.Tensor
    q_norm: torch.Tensor | None
    k_norm: torch.Tensor | None


@dataclass(frozen=True)
class LeanWeights:
    layers: list[Layer]
    embedding: torch.Tensor
    norm: torch.Tensor
    head: torch.Tensor
    rotary: Any
    eps: float
    scaling: float
    heads: int
    kv_heads: int
    head_dim: int


def unknown(model: Any) -> str | None:
    """Why the lean step cannot speak for a model, or `None`."""
    if type(model) not in KNOWN:
        return f'{type(model).__name__} is not one of ' + ', '.join(kind.__name__ for kind in KNOWN)
    if model.config.rope_parameters.get('rope_type', 'default') not in FIXED_ROPES:
        return 'its rotary embedding depends on the length'
    if type(model.lm_head) is not torch.nn.Linear or type(model.model.embed_tokens) is not torch.nn.Embedding:
        return 'an adapter has replaced its embeddings'
    for layer in model.model.layers:
        for name, module in (('layer', layer), ('attention', layer.self_attn), ('mlp', layer.mlp)):
            extra = {child for child, _ in module.named_children()} - _PARTS[name]
            if extra:
                return f'its {name} has {", ".join(sorted(extra))}'
        for linear in _linears(layer):
            if reason := _unknown_linear(linear):
                return reason
    return None


def read_weights(model: Any) -> LeanWeights:
    """For a model that is not `unknown`."""
    trunk = model.model
    attention = trunk.layers[0].self_attn
    size = sum(weight.numel() * weight.itemsize for weight in trunk.layers.parameters())
    packed = model.dtype == torch.float32 and size <= PACKED_BYTES
    return LeanWeights(
        layers=[_layer(layer, packed) for layer in trunk.layers],
        embedding=trunk.embed_tokens.weight,
        norm=trunk.norm.weight,
        head=model.lm_head.weight,
        rotary=trunk.rotary_emb,
        eps=trunk.norm.variance_epsilon,
        scaling=attention.scaling,
        heads=model.config.num_attention_heads,
        kv_heads=model.config.num_key_value_heads,
        head_dim=attention.head_dim,
    )


def _layer(layer: Any, packed: bool) -> Layer:
    attention, mlp = layer.self_attn, layer.mlp
    norms = [getattr(attention, name, None) for name in ('q_norm', 'k_norm')]

    def linears(*modules: Any) -> Linears:
        return Linears([_part(module) for module in modules], packed)

    return Layer(
        qkv=linears(attention.q_proj, attention.k_proj, attention.v_proj),
        out=linears(attention.o_proj),
        gate_up=linears(mlp.gate_proj, mlp.up_proj),
        down=linears(mlp.down_proj),
        act=mlp.act_fn,
        attention_norm=layer.input_layernorm.weight,
        mlp_norm=layer.post_attention_layernorm.weight,
        q_norm=None if norms[0] is None else norms[0].weight,
        k_norm=None if norms[1] is None else norms[1].weight,
    )


def _linears(layer: Any) -> Iterable[Any]:
    attention, mlp = layer.self_attn, layer.mlp
    yield from (attention.q_proj, attention.k_proj, attention.v_proj, attention.o_proj)
    yield from (mlp.gate_proj, mlp.up_proj, mlp.down_proj)


def _unknown_linear(linear: Any) -> str | None:
    inner: Any = linear.base_layer if type(linear) is LoraLinear else linear
    if type(inner) is not torch.nn.Linear or type(inner.weight.data) is not torch.Tensor:
        return f'one of its linear layers is a {type(inner).__name__} that is sharded, quantised or wrapped'
    if type(linear) is LoraLinear:
        if linear.merged:
            return 'an adapter is merged into it'
        if linear.disable_adapters:
            return None
        active = [name for name in linear.active_adapters if name in linear.lora_A]
        if any(name in linear.lora_variant or linear.lora_bias[name] for name in active):
            return 'its adapter is more than plain LoRA'
        if len(active) > 1:
            return 'several adapters are active'
    return None


def _part(linear: Any) -> Part:
    if type(linear) is not LoraLinear:
        return Part(linear.weight, linear.bias, None)
    inner: Any = linear.base_layer
    active = [name for name in linear.active_adapters if name in linear.lora_A]
    if linear.disable_adapters or not active:
        return Part(inner.weight, inner.bias, None)
    (name,) = active
    # PEFT keeps adapters of half-precision models in float32; a step has no time for that.
    sides: Any = (linear.lora_A, linear.lora_B)
    down, up = (side[name].weight.to(inner.weight.dtype) for side in sides)
    return Part(inner.weight, inner.bias, Adapter(down, up, float(linear.scaling[name])))


def _packed(parts: list[Part]) -> Part:
    """One layer with the outputs of all, adapters folded in; a copy, unless there is nothing to do."""
    if len(parts) == 1 and parts[0].adapter is None:
        return parts[0]
    weight = torch.cat([part.weight for part in parts])
    start = 0
    for part in parts:
        rows = weight[start : start + len(part.weight)]
        start += len(part.weight)
        if part.adapter is not None:
            rows.addmm_(part.adapter.up, part.adapter.down, alpha=part.adapter.scale)
    if all(part.bias is None for part in parts):
        return Part(weight, None, None)
    biases = [
        part.bias if part.bias is not None else part.weight.new_zeros(len(part.weight)) for part in parts
    ]
    return Part(weight, torch.cat(biases), None)
