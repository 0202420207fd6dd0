"""Texts as a model writes them, and BPE vocabularies of the size and of the kinds that models have."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

ROOT = Path(__file__).parents[3]
VOCABULARY = 32_000
NAMES = ['Max', 'Alex', 'Polly', 'Sam', 'Wren', 'Fae', 'Rex', 'Stella', 'Sally']
KINDS = ['yumpus', 'wumpus', 'zumpus', 'dumpus', 'rompus', 'numpus', 'tumpus', 'vumpus', 'impus', 'jompus']


def oak_text(source: random.Random, steps: int) -> str:
    """A proof of so many steps, the concluding one included."""
    name = source.choice(NAMES)
    lines: list[str] = []
    for step in range(steps - 1):
        one, other = source.sample(KINDS, 2)
        lines.append(
            f'Thought: {name} is a {one}. [{step}] Every {one} is a {other}. [{step + 1}] '
            f'So we can conclude that {name} is a {other}. [{step + 12}]\n'
            f'Action: <Option type="MODUS_PONENS" args="[{step}, {step + 1}]" />\n'
        )
    lines.append(
        f'Thought: The query is {name} is a {source.choice(KINDS)}. So the answer is TRUE.\n'
        'Action: <Option type="CONCLUDE" args="[0]" />\n'
    )
    return ''.join(lines)


def abel_text(source: random.Random, lines: int) -> str:
    """A worked answer of so many lines, after which the model asks itself another question."""
    written: list[str] = []
    for _ in range(lines):
        name, count, times = source.choice(NAMES), source.randint(2, 90), source.randint(2, 12)
        written.append(
            f'{name} buys {count} boxes at ${times} each, so that is {count} * {times} = '
            f'${count * times} in all: ${count * times} for the boxes.\n'
        )
    return ''.join(written) + 'The answer is 42.\n\nQuestion:\nHow many boxes are left?\n'


def bpe_tokenizer(pieces: bool) -> Any:
    """Byte-level as GPT-2's and Qwen's, or with `pieces` and byte fallback as Llama 2's and Mistral's.

    Trained on this repository's own files, so the merges are real ones; takes some seconds.
    """
    files = [*ROOT.glob('docs/*.md'), *ROOT.glob('src/**/*.ts'), *ROOT.glob('py-runtime/**/*.py')]
    source = random.Random(0)
    texts = [path.read_text(encoding='utf-8') for path in sorted(files)]
    texts += [write(source, 8) for write in (oak_text, abel_text) for _ in range(200)]
    # The stubs of the bindings declare all parts as read-only.
    tokenizer: Any = Tokenizer(models.BPE(byte_fallback=pieces))
    special = ['<eos>', '<pad>']
    if pieces:
        tokenizer.pre_tokenizer = pre_tokenizers.Metaspace('▁', prepend_scheme='first')
        tokenizer.decoder = decoders.Sequence(
            [
                decoders.Replace('▁', ' '),
                decoders.ByteFallback(),
                decoders.Fuse(),
                decoders.Strip(' ', 1, 0),
            ]
        )
        # Line ends are bytes to them.
        texts = [line for text in texts for line in text.splitlines()]
        options: dict[str, Any] = {'special_tokens': [*special, *(f'<0x{byte:02X}>' for byte in range(256))]}
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        tokenizer.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        options = {'special_tokens': special, 'initial_alphabet': alphabet}
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, show_progress=False, **options)
    tokenizer.train_from_iterator(texts, trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=plain_bytes(tokenizer) if pieces else tokenizer,
        eos_token='<eos>',
        pad_token='<pad>',
        clean_up_tokenization_spaces=False,
    )


def plain_bytes(tokenizer: Any) -> Any:
    """The trainer takes a token that no text holds only as a special one; these are none."""
    stored = json.loads(tokenizer.to_str())
    stored['added_tokens'] = [
        token for token in stored['added_tokens'] if not token['content'].startswith('<0x')
    ]
    return Tokenizer.from_str(json.dumps(stored))
