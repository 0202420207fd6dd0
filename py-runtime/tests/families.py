"""Tiny models of several architectures, with random weights large enough that tokens differ in likelihood."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

SHAPE = {
    'hidden_size': 32,
    'intermediate_size': 64,
    'num_hidden_layers': 2,
    'num_attention_heads': 4,
    'num_key_value_heads': 2,
    'max_position_embeddings': 256,
    'initializer_range': 0.3,
}
NATIVE = {
    'llama': (transformers.LlamaConfig, {}),
    'mistral': (transformers.MistralConfig, {'sliding_window': 200}),
    'qwen2': (transformers.Qwen2Config, {}),
    'qwen3': (transformers.Qwen3Config, {'head_dim': 16}),
}
OTHERS = {
    'gpt2': (transformers.GPT2Config, {'n_embd': 32, 'n_layer': 2, 'n_head': 4, 'n_positions': 256}),
    'cohere': (transformers.CohereConfig, {'logit_scale': 0.25}),
}


def write_family(name: str, tokenizer_folder: Path, folder: Path) -> Path:
    """A Hugging Face folder of that architecture with the tiny tokenizer."""
    config_class, extra = (NATIVE | OTHERS)[name]
    tokenizer: Any = transformers.AutoTokenizer.from_pretrained(tokenizer_folder)
    shape = SHAPE if name in NATIVE or name == 'cohere' else {'initializer_range': 0.3}
    config = config_class(
        vocab_size=len(tokenizer),
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        **shape,
        **extra,
    )
    torch.manual_seed(0)
    model: Any = transformers.AutoModelForCausalLM.from_config(config)
    path = folder / name
    model.save_pretrained(path)
    tokenizer.save_pretrained(path)
    return path
