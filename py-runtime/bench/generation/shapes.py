"""Models with random weights in a given shape. No file is read and none is written."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
import transformers

from elenchus_runtime.models import Base
from elenchus_runtime.norms import speed_up_norms
from elenchus_runtime.protocol import ModelLoad, SpecialTokens
from elenchus_runtime.tiny import build_tokenizer

_SMALL = {'vocab_size': 8192, 'max_position_embeddings': 1024, 'tie_word_embeddings': True}


def _llama(hidden: int, layers: int, heads: int, inner: int, kv_heads: int | None = None) -> Any:
    return transformers.LlamaConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=kv_heads or heads,
        intermediate_size=inner,
        **_SMALL,
    )


def shape_config(name: str) -> Any:
    """A transformers config: `5m`, `30m` (plain Llamas), `-gqa` variants, or a published model's shape."""
    match name:
        case 'tiny':
            return _llama(64, 2, 4, 128)
        case '5m':
            return _llama(256, 4, 4, 688)
        case '5m-gqa':
            return _llama(256, 4, 4, 688, kv_heads=2)
        case '30m':
            return _llama(512, 8, 8, 1376)
        case '30m-gqa':
            return _llama(512, 8, 8, 1376, kv_heads=2)
        case 'mistral-7b':
            return transformers.MistralConfig(
                vocab_size=32_032, max_position_embeddings=4096, sliding_window=None
            )
        case 'qwen3-8b':
            return transformers.Qwen3Config(
                vocab_size=151_936,
                hidden_size=4096,
                intermediate_size=12_288,
                num_hidden_layers=36,
                num_attention_heads=32,
                num_key_value_heads=8,
                head_dim=128,
                max_position_embeddings=4096,
            )
    raise SystemExit(f'There is no shape {name!r}.')


def make_base(name: str, device: torch.device, dtype: torch.dtype) -> Base:
    """A loaded base with random weights and a byte-level tokenizer of the same vocabulary."""
    started = time.monotonic()
    config = shape_config(name)
    config.dtype = dtype
    tokenizer = _tokenizer(config.vocab_size)
    config.eos_token_id, config.pad_token_id = tokenizer.eos_token_id, tokenizer.pad_token_id
    torch.manual_seed(0)
    with torch.device(device):
        model: Any = transformers.AutoModelForCausalLM.from_config(config, dtype=dtype)
    model.to(device).eval().requires_grad_(False)
    speed_up_norms(model)
    return Base(
        model=model,
        tokenizer=tokenizer,
        config=config,
        source=Path(),
        settings=ModelLoad(model=name),
        signature=(),
        fingerprint='',
        max_positions=config.max_position_embeddings,
        device=device,
        load_s=time.monotonic() - started,
        eos_ids=frozenset({tokenizer.eos_token_id}),
        plain_head=True,
    )


def _tokenizer(vocabulary: int) -> Any:
    special = SpecialTokens(bos='<bos>', eos='<eos>', pad='<pad>')
    words = [f' word{number}' for number in range(vocabulary - 256 - 3)]
    tokenizer = build_tokenizer(words, special)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token='<bos>',
        eos_token='<eos>',
        pad_token='<pad>',
        clean_up_tokenization_spaces=False,
    )
