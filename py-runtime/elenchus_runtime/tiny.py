"""Models made on the spot: a tokenizer from texts, a Llama from a few numbers.

Knows nothing of tasks: which phrases deserve a token is said by the patterns of the request.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from .errors import WorkerError
from .files import atomic_folder, weights_fingerprint
from .look_back import set_look_back_heads
from .protocol import ModelCreate, SpecialTokens, TokenizerTrain


def train_tokenizer(spec: TokenizerTrain) -> int:
    """Writes a tokenizer: 256 bytes, the special tokens, and every distinct match of the patterns.

    Any text is encoded without loss. At each place the longest phrase wins. `bos`, if given, is put
    before every prompt. Returns the size of the vocabulary.
    """
    phrases = find_phrases(_read_texts(spec.texts_path), spec.phrase_patterns)
    tokenizer = build_tokenizer(phrases, spec.special_tokens)
    special = spec.special_tokens
    names = {
        'bos_token': special.bos,
        'eos_token': special.eos,
        'pad_token': special.pad,
        'unk_token': special.unk,
    }
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        clean_up_tokenization_spaces=False,
        **{name: token for name, token in names.items() if token is not None},
    )
    with atomic_folder(spec.path) as folder:
        wrapped.save_pretrained(folder)
    return tokenizer.get_vocab_size()


def find_phrases(texts: list[str], patterns: list[str]) -> list[str]:
    """Every distinct non-empty match, in order of first appearance.

    Raises `bad_request` for a pattern that is no regular expression or a match outside ASCII, which a
    byte-level decoder cannot tell from its own alphabet.
    """
    try:
        compiled = [re.compile(pattern) for pattern in patterns]
    except re.error as error:
        raise WorkerError('bad_request', f'A phrase pattern is no regular expression: {error}') from error
    found = dict.fromkeys(
        match.group()
        for text in texts
        for pattern in compiled
        for match in pattern.finditer(text)
        if match.group()
    )
    foreign = next((phrase for phrase in found if not phrase.isascii()), None)
    if foreign is not None:
        raise WorkerError('bad_request', f'The phrase {foreign!r} is not ASCII and cannot be one token.')
    return list(found)


def build_tokenizer(phrases: list[str], special: SpecialTokens) -> Tokenizer:
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={char: id for id, char in enumerate(alphabet)}, merges=[]))
    as_is = {'add_prefix_space': False, 'use_regex': False}
    # The `type: ignore`s are for stubs of the bindings that declare these as read-only.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(**as_is)  # type: ignore[assignment]
    tokenizer.decoder = decoders.ByteLevel()  # type: ignore[assignment]
    given = [special.bos, special.eos, special.pad, special.unk]
    tokenizer.add_special_tokens([token for token in dict.fromkeys(given) if token is not None])
    # A phrase of one byte is in the alphabet already.
    tokenizer.add_tokens(
        [AddedToken(phrase, normalized=False, special=False) for phrase in phrases if len(phrase) > 1]
    )
    if special.bos is not None:
        tokenizer.post_processor = processors.TemplateProcessing(  # type: ignore[assignment]
            single=f'{special.bos} $A', special_tokens=[(special.bos, tokenizer.token_to_id(special.bos))]
        )
    return tokenizer


def _read_texts(path: str) -> list[str]:
    try:
        with open(path, encoding='utf-8') as file:
            texts: list[Any] = [json.loads(line) for line in file if line.strip()]
    except FileNotFoundError as error:
        raise WorkerError('file_missing', f'There is no file {path}.') from error
    except (OSError, ValueError) as error:
        raise WorkerError(
            'record_invalid', f'{path} does not hold one JSON string per line: {error}'
        ) from error
    if not all(isinstance(text, str) for text in texts):
        raise WorkerError('record_invalid', f'{path} does not hold one JSON string per line.')
    return texts


@torch.no_grad()
def scale_residual_writes(model: Any, factor: float) -> None:
    """Scales the initial weights of every projection that writes into the residual stream.

    Well below 1, a fresh model starts close to its embeddings, and large weights elsewhere
    (`initializer_range`) no longer drown the signal of the heads that copy. GPT-2 does the same with
    1/sqrt(2 layers) (Radford et al. 2019, section 2.3).
    """
    for layer in model.model.layers:
        layer.self_attn.o_proj.weight.mul_(factor)
        layer.mlp.down_proj.weight.mul_(factor)


def create_model(spec: ModelCreate) -> tuple[int, str]:
    """Writes a freshly initialised Llama folder; returns its number of parameters and its fingerprint."""
    shape = spec.architecture
    try:
        tokenizer: Any = AutoTokenizer.from_pretrained(spec.tokenizer_path)
    except (OSError, ValueError) as error:
        raise WorkerError(
            'model_load_failed', f'{spec.tokenizer_path} holds no tokenizer: {error}'
        ) from error
    head_dim = shape.head_dim or shape.hidden_size // shape.num_heads
    if (shape.head_dim is None and shape.hidden_size % shape.num_heads) or head_dim % 2:
        raise WorkerError(
            'bad_request', 'head_dim must be even; without it, hidden_size a multiple of num_heads.'
        )
    if shape.look_back_heads and (not shape.attention_bias or len(shape.look_back_heads) > shape.num_heads):
        raise WorkerError(
            'bad_request', 'look_back_heads needs attention_bias and at most num_heads entries.'
        )
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=shape.hidden_size,
        intermediate_size=shape.intermediate_size,
        num_hidden_layers=shape.num_layers,
        num_attention_heads=shape.num_heads,
        num_key_value_heads=shape.num_kv_heads or shape.num_heads,
        head_dim=head_dim,
        max_position_embeddings=shape.max_positions,
        rope_parameters={'rope_type': 'default', 'rope_theta': shape.rope_theta},
        tie_word_embeddings=shape.tie_embeddings,
        attention_bias=shape.attention_bias,
        initializer_range=shape.initializer_range,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(spec.seed)
        model: Any = LlamaForCausalLM(config)
    if shape.residual_init_scale != 1:
        scale_residual_writes(model, shape.residual_init_scale)
    if shape.look_back_heads:
        set_look_back_heads(model, shape.look_back_heads)
    with atomic_folder(spec.path) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return sum(parameter.numel() for parameter in model.parameters()), weights_fingerprint(Path(spec.path))
