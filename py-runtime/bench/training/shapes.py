"""Models with random weights, and work for them: questions with groups of trajectories.

Everything is made from seeds, so that two processes have the same weights and the same ids without a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import (
    AutoModelForCausalLM,
    LlamaConfig,
    MistralConfig,
    PreTrainedTokenizerFast,
    Qwen3Config,
)

EOS = 1


def _llama(hidden: int, layers: int, heads: int, inner: int, vocab: int) -> Any:
    return LlamaConfig(
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        intermediate_size=inner,
        vocab_size=vocab,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
    )


SHAPES: dict[str, Any] = {
    # 8.2 of its 10.2 million parameters are the vocabulary's.
    '10m': lambda: _llama(256, 2, 8, 768, 32_000),
    'toy': lambda: _llama(64, 2, 4, 128, 1_000),
    'mistral-7b': lambda: MistralConfig(vocab_size=32_032, sliding_window=None, tie_word_embeddings=False),
    'qwen3-8b': lambda: Qwen3Config(
        hidden_size=4096,
        num_hidden_layers=36,
        num_attention_heads=32,
        num_key_value_heads=8,
        head_dim=128,
        intermediate_size=12_288,
        vocab_size=151_936,
        max_position_embeddings=4096,
        tie_word_embeddings=False,
    ),
}
"""`mistral-7b` and `qwen3-8b` have those models' sizes; the former has Abel-7B's vocabulary."""

PEAK_FLOPS = {
    'H200 NVL': 835e12,
    'H100 NVL': 835e12,
    'H100 PCIe': 756e12,
    'H100': 989e12,
    'H200': 989e12,
    'A100': 312e12,
}
"""Dense bf16 by a part of the name, the first that fits; `tests/plan/peaks.test.ts` holds them
against the table of `src/plan/peaks.ts`, which says where they come from.
"""


def make_model(shape: str, device: torch.device, dtype: torch.dtype, seed: int = 0) -> Any:
    config = SHAPES[shape]()
    config.eos_token_id = config.pad_token_id = EOS
    config.bos_token_id = None
    torch.manual_seed(seed)
    with torch.device(device):
        model: Any = AutoModelForCausalLM.from_config(config, dtype=dtype)
    return model.eval().requires_grad_(False)


def make_tokenizer(vocab: int) -> Any:
    """One token per word; the words are `t2`, `t3`, ..."""
    table = {'<unk>': 0, '<eos>': EOS} | {f't{id}': id for id in range(2, vocab)}
    words = Tokenizer(models.WordLevel(table, unk_token='<unk>'))
    words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    special = {'eos_token': '<eos>', 'pad_token': '<eos>', 'unk_token': '<unk>'}
    return PreTrainedTokenizerFast(tokenizer_object=words, **special)


@torch.no_grad()
def scatter_lora(parameters: Iterable[tuple[str, torch.nn.Parameter]]) -> None:
    """Gives an adapter weights that depend on their names alone, whoever made it."""
    for name, parameter in sorted(parameters, key=lambda item: plain_name(item[0])):
        seed = sum(ord(letter) * place for place, letter in enumerate(plain_name(name), 1))
        source = torch.Generator().manual_seed(seed)
        parameter.copy_(0.02 * torch.randn(parameter.shape, generator=source))


def plain_name(name: str) -> str:
    """A parameter's name without what PEFT and an adapter's name put into it."""
    return re.sub(r'(\.lora_[AB])\.\w+', r'\1', name.removeprefix('base_model.model.'))


@dataclass(frozen=True)
class Work:
    """What one optimiser step is made of."""

    questions: int
    trajectories: int
    correct: int
    prompt_tokens: int
    completion_tokens: int
    vocab: int

    def prompts(self) -> list[list[int]]:
        source = np.random.default_rng(1)
        return source.integers(2, self.vocab, (self.questions, self.prompt_tokens)).tolist()

    def completions(self) -> list[np.ndarray]:
        """Question after question."""
        source = np.random.default_rng(2)
        size = (self.questions * self.trajectories, self.completion_tokens)
        return list(source.integers(2, self.vocab, size).astype('<i4'))

    def rows(self) -> list[int]:
        """The prompt of each completion."""
        return [row // self.trajectories for row in range(self.questions * self.trajectories)]

    def pairs(self) -> list[tuple[int, int]]:
        """Every correct trajectory of a question against every wrong one."""
        return [
            (question * self.trajectories + right, question * self.trajectories + wrong)
            for question in range(self.questions)
            for right in range(self.correct)
            for wrong in range(self.correct, self.trajectories)
        ]


def text(ids: list[int]) -> str:
    return ' '.join(f't{id}' for id in ids)
