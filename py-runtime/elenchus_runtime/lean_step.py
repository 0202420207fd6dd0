"""One decode step of a Llama-style model: the arithmetic, on buffers that somebody else fills.

The same function runs eagerly and inside a captured CUDA graph, so it reads no tensor's value on the host
and writes only into the cache, at the same places however often it is repeated.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from . import norms
from .lean_weights import LeanWeights
from .wide_logits import wide_logits, widens


@dataclass(frozen=True)
class Shared:
    """Prompts that several slots attend to: read once for all of them.

    `keys` and `values` `[layers, prompts, kv heads, length, head_dim]`; `grid` `[prompts, width]` names the
    slots of each prompt (any slot where there is none), `place` `[slots]` where a slot is in the flat grid.
    """

    keys: torch.Tensor
    values: torch.Tensor
    grid: torch.Tensor
    place: torch.Tensor


@dataclass(frozen=True)
class Inputs:
    """`keys` and `values` `[layers, slots, kv heads, span, head_dim]`, of which the new token takes place
    `own`; `bias` `[slots, 1, 1, prompt length + span]` is 0 where a slot may look and -inf elsewhere.
    """

    tokens: torch.Tensor
    own: torch.Tensor
    cos: torch.Tensor
    sin: torch.Tensor
    bias: torch.Tensor
    keys: torch.Tensor
    values: torch.Tensor
    shared: Shared | None


def lean_step(weights: LeanWeights, inputs: Inputs, invariant: bool) -> torch.Tensor:
    """fp32 logits `[slots, vocabulary]`. With `invariant`, a slot's arithmetic is the same for any span."""
    x = F.embedding(inputs.tokens, weights.embedding)
    slots = torch.arange(len(x), device=x.device)
    heads, kv_heads, size = weights.heads, weights.kv_heads, weights.head_dim
    for index, layer in enumerate(weights.layers):
        h = rms_norm(x, layer.attention_norm, weights.eps)
        qkv = layer.qkv(h).view(len(x), heads + 2 * kv_heads, size)
        qk, value = qkv[:, : heads + kv_heads], qkv[:, heads + kv_heads :]
        if layer.q_norm is not None and layer.k_norm is not None:
            query = rms_norm(qk[:, :heads], layer.q_norm, weights.eps)
            qk = torch.cat([query, rms_norm(qk[:, heads:], layer.k_norm, weights.eps)], dim=1)
        qk = rotate(qk, inputs.cos, inputs.sin)
        query = qk[:, :heads].reshape(len(x), kv_heads, heads // kv_heads, size)
        inputs.keys[index][slots, :, inputs.own] = qk[:, heads:]
        inputs.values[index][slots, :, inputs.own] = value
        attend = _attend_invariantly if invariant else _attend
        x = x + layer.out(attend(query, inputs, index, weights.scaling).view(len(x), heads * size))
        gate, up = layer.gate_up.split(rms_norm(x, layer.mlp_norm, weights.eps))
        x = x + layer.down(layer.act(gate) * up)
    return wide_logits(rms_norm(x, weights.norm, weights.eps), weights.head)


def rms_norm(x: torch.Tensor, weight: torch.Tensor, eps: float) -> torch.Tensor:
    """As the models of transformers write it: normalised in fp32, rounded, then scaled."""
    if x.is_cuda:
        return norms.rms_norm(x, weight, eps)
    wide = x.float()
    normed = wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)
    return weight * normed.to(x.dtype)


def rotate(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    """`x` `[slots, heads, size]`; the first half of `sin` is negated already."""
    half = x.shape[-1] // 2
    turned = torch.cat((x[..., half:], x[..., :half]), dim=-1)
    return torch.addcmul(x * cos, turned, sin)


def _attend(query: torch.Tensor, inputs: Inputs, index: int, scaling: float) -> torch.Tensor:
    """Query heads of one key head are the rows of one product: keys are never repeated."""
    slots, kv_heads, group, _ = query.shape
    keys, values = inputs.keys[index].flatten(0, 1), inputs.values[index].flatten(0, 1)
    scores = _scores(query.flatten(0, 1), keys).view(slots, kv_heads, group, -1)
    if inputs.shared is not None:
        scores = torch.cat([_prompt_scores(query, inputs.shared, index), scores], dim=-1)
    shares = torch.add(inputs.bias, scores, alpha=scaling).softmax(dim=-1).to(query.dtype)
    prompt = shares.shape[-1] - keys.shape[1]
    out = torch.bmm(shares[..., prompt:].flatten(0, 1), values).view_as(query)
    return out if inputs.shared is None else out + _prompt_values(shares[..., :prompt], inputs.shared, index)


def _attend_invariantly(query: torch.Tensor, inputs: Inputs, index: int, scaling: float) -> torch.Tensor:
    assert inputs.shared is None
    return F.scaled_dot_product_attention(
        query, inputs.keys[index], inputs.values[index], attn_mask=inputs.bias, scale=scaling
    )


def _scores(query: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
    """fp32, since half precision would round what the softmax exponentiates."""
    if query.dtype == torch.float32:
        return torch.bmm(query, keys.transpose(1, 2))
    if widens(query.device, query.dtype):
        return torch.bmm(query, keys.transpose(1, 2), out_dtype=torch.float32)
    return torch.bmm(query.float(), keys.transpose(1, 2).float())


def _prompt_scores(query: torch.Tensor, shared: Shared, index: int) -> torch.Tensor:
    prompts, width = shared.grid.shape
    _, kv_heads, group, size = query.shape
    rows = query[shared.grid.flatten()].view(prompts, width, kv_heads, group, size).transpose(1, 2)
    keys = shared.keys[index].flatten(0, 1)
    scores = _scores(rows.reshape(prompts * kv_heads, width * group, size), keys)
    return _by_slot(scores, shared, kv_heads, group)


def _prompt_values(shares: torch.Tensor, shared: Shared, index: int) -> torch.Tensor:
    prompts, width = shared.grid.shape
    _, kv_heads, group, length = shares.shape
    rows = shares[shared.grid.flatten()].view(prompts, width, kv_heads, group, length).transpose(1, 2)
    values = shared.values[index].flatten(0, 1)
    out = torch.bmm(rows.reshape(prompts * kv_heads, width * group, length), values)
    return _by_slot(out, shared, kv_heads, group)


def _by_slot(rows: torch.Tensor, shared: Shared, kv_heads: int, group: int) -> torch.Tensor:
    """From `[prompts * kv heads, width * group, n]` to `[slots, kv heads, group, n]`."""
    prompts, width = shared.grid.shape
    split = rows.view(prompts, kv_heads, width, group, -1).transpose(1, 2)
    return split.reshape(prompts * width, kv_heads, group, -1)[shared.place]
