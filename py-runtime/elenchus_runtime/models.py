"""The one loaded base model and what is written from it.

Knows Hugging Face folders, dtypes and devices. Knows nothing of adapters beyond that PEFT may have put
layers into the model, which have to be taken out again when plain weights are written.
"""

from __future__ import annotations

import copy
import gc
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from .detokenise import Detokeniser
from .environment import device_name
from .errors import WorkerError
from .files import atomic_folder, folder_signature, weights_fingerprint
from .layout import Layout, forward_budget, pad, padded_batches, share, shared_batches, tokens_read
from .logprobs import has_plain_head
from .norms import speed_up_norms
from .protocol import ModelLoad
from .rows import Row
from .sharing import cannot_share
from .watch import Watch
from .work import Sizes, sizes_of

_DOWNLOADED = ['*.safetensors', '*.json', '*.model', '*.txt', '*.jinja']


@dataclass
class Base:
    """A causal language model with its tokenizer.

    `fingerprint` identifies the weights as loaded or last saved; `trained` says that they have changed
    since, so that loading the same folder again is not free.
    """

    model: Any
    tokenizer: Any
    config: Any
    """As stored, before `sliding_window` was taken out."""
    source: Path
    settings: ModelLoad
    signature: tuple[Any, ...]
    fingerprint: str
    max_positions: int
    device: torch.device
    load_s: float
    eos_ids: frozenset[int]
    plain_head: bool
    rows_apart: str | None = None
    """Why contexts that rows have in common are read once per row; `None` where they are shared."""
    trained: bool = False
    sharded: bool = False
    """Whether the model is made of shards of a training that has to be loaded anew to be rid of them."""
    watch: Watch = field(default_factory=Watch)

    @property
    def dtype(self) -> torch.dtype:
        return self.model.dtype

    @property
    def vocab_size(self) -> int:
        return self.model.config.vocab_size

    @cached_property
    def texts(self) -> Detokeniser:
        """Kept, since its table takes as long as hundreds of steps of a small model."""
        return Detokeniser(self.tokenizer)

    @cached_property
    def num_parameters(self) -> int:
        return count_parameters(plain_weights(self.model))

    @cached_property
    def sizes(self) -> Sizes:
        return sizes_of(self.model, self.num_parameters)

    def facts(self) -> dict[str, Any]:
        """Body of `model.load`'s result."""
        return {
            'fingerprint': self.fingerprint,
            'num_parameters': self.num_parameters,
            'vocab_size': self.vocab_size,
            'max_positions': self.max_positions,
            'eos_token_id': self.tokenizer.eos_token_id,
            'dtype': str(self.dtype).removeprefix('torch.'),
            'device': str(self.device),
            'device_name': device_name(self.device),
            'load_s': self.load_s,
            'rows_apart': self.rows_apart,
        }

    def encode(self, texts: list[str], special_tokens: bool) -> list[list[int]]:
        """Token ids of each text, with the special tokens that the tokenizer adds, if wanted."""
        if not texts:
            return []
        return self.tokenizer(texts, add_special_tokens=special_tokens, return_attention_mask=False)[
            'input_ids'
        ]

    def encode_arrays(self, texts: list[str], special_tokens: bool) -> list[npt.NDArray[np.int32]]:
        return [np.asarray(ids, dtype=np.int32) for ids in self.encode(texts, special_tokens)]

    def lay_out(self, rows: Sequence[Row]) -> Layout:
        """Rows with targets as one forward pass."""
        return (share if self.rows_apart is None else pad)(rows, self.device)

    def micro_batches(self, rows: Sequence[Row], budget: int) -> list[list[int]]:
        """Indices of the rows that have targets, as forward passes of at most `budget` tokens."""
        wanted = [index for index, row in enumerate(rows) if row.num_targets]
        arrange = shared_batches if self.rows_apart is None else padded_batches
        batches = arrange([rows[index] for index in wanted], forward_budget(budget, self.device))
        return [[wanted[place] for place in batch] for batch in batches]

    def tokens_read(self, rows: Sequence[Row]) -> int:
        """Tokens that the trunk has to read for these rows, however they are split into passes."""
        wanted = [row for row in rows if row.num_targets]
        if self.rows_apart is None:
            return tokens_read(wanted, [range(len(wanted))])
        return sum(len(row.ids) - 1 for row in wanted)

    def adopt(self, path: str, fingerprint: str) -> None:
        """The weights have just been written to `path`: that is where they come from now."""
        self.source = Path(path).resolve()
        self.signature = folder_signature(self.source)
        self.fingerprint = fingerprint
        self.trained = False


def resolve_folder(model: str, revision: str | None) -> Path:
    """The local folder of a model or adapter: itself, or a snapshot of a hub repository."""
    path = Path(model).expanduser()
    if path.is_dir():
        return path.resolve()
    if os.path.isabs(model) or model.startswith(('.', '~')) or model.count('/') != 1:
        raise WorkerError('model_load_failed', f'There is no folder {model}.', path=model)
    from huggingface_hub import snapshot_download

    try:
        folder = snapshot_download(
            model, revision=revision, allow_patterns=_DOWNLOADED, ignore_patterns=['consolidated*', '*/*']
        )
        if not any(Path(folder).glob('*.safetensors')):
            folder = snapshot_download(
                model,
                revision=revision,
                allow_patterns=[*_DOWNLOADED, 'pytorch_model*.bin'],
                ignore_patterns=['*/*'],
            )
    except Exception as error:
        raise WorkerError(
            'model_load_failed',
            f'{model} is neither a folder nor a reachable hub repository: {error}',
            path=model,
        ) from error
    return Path(folder)


def _pick_dtype(wanted: str, device: torch.device) -> torch.dtype | str:
    if wanted == 'auto':
        # Half precision is slow and coarse on the CPU; accelerators take what the checkpoint holds.
        return torch.float32 if device.type == 'cpu' else 'auto'
    return torch.float32 if wanted == 'float32' else torch.bfloat16


def _placement(device: torch.device) -> dict[str, torch.device] | None:
    """Straight onto an accelerator, tensor by tensor: each rank would hold the whole model in host memory."""
    return None if device.type == 'cpu' else {'': device}


def load_base(settings: ModelLoad, device: torch.device) -> Base:
    """Loads a causal LM and its tokenizer. Raises `model_load_failed` with the reason."""
    started = time.monotonic()
    folder = resolve_folder(settings.model, settings.revision)
    signature = folder_signature(folder)
    trust = settings.trust_remote_code
    try:
        config = AutoConfig.from_pretrained(folder, trust_remote_code=trust)
        stored_config = copy.deepcopy(config)
        max_positions = int(config.max_position_embeddings)
        if getattr(config, 'sliding_window', None):
            # Below the window, sliding and full attention are the same; full has the faster kernels.
            max_positions = min(max_positions, int(config.sliding_window))
            config.sliding_window = None
        model: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            config=config,
            dtype=_pick_dtype(settings.dtype, device),
            trust_remote_code=trust,
            device_map=_placement(device),
        )
        tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=trust)
    except WorkerError:
        raise
    except Exception as error:
        raise WorkerError('model_load_failed', f'{settings.model} could not be loaded: {error}') from error
    model.to(device).eval().requires_grad_(False)
    speed_up_norms(model)
    if tokenizer.eos_token_id is None:
        raise WorkerError(
            'model_load_failed', f'The tokenizer of {settings.model} has no end-of-sequence token.'
        )
    plain_head = has_plain_head(model)
    rows_apart = cannot_share(model, plain_head)
    if rows_apart is not None:
        print(f'Prompts are read once per completion in training: {rows_apart}.', file=sys.stderr, flush=True)
    return Base(
        model=model,
        tokenizer=tokenizer,
        config=stored_config,
        source=folder,
        settings=settings,
        signature=signature,
        fingerprint=weights_fingerprint(folder),
        max_positions=max_positions,
        device=device,
        load_s=time.monotonic() - started,
        eos_ids=_eos_ids(model, tokenizer),
        plain_head=plain_head,
        rows_apart=rows_apart,
    )


def _eos_ids(model: Any, tokenizer: Any) -> frozenset[int]:
    """Every id that ends a completion: chat models list several in their generation config."""
    listed = model.generation_config.eos_token_id if model.generation_config is not None else None
    ids = listed if isinstance(listed, list) else [listed]
    return frozenset(id for id in (*ids, tokenizer.eos_token_id) if id is not None)


def is_current(base: Base, settings: ModelLoad) -> bool:
    """Whether loading `settings` would give exactly what is loaded."""
    if base.trained or base.sharded:
        return False
    # Threads and deadline do not change weights.
    wanted = (settings.dtype, settings.trust_remote_code)
    if wanted != (base.settings.dtype, base.settings.trust_remote_code):
        return False
    folder = resolve_folder(settings.model, settings.revision)
    return folder == base.source and folder_signature(folder) == base.signature


def release() -> None:
    """Gives memory of dropped tensors back to the device."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


# Writing plain weights


def plain_weights(model: Any) -> dict[str, torch.Tensor]:
    """The base's own weights under their original names, whatever PEFT has put around them.

    Tied weights appear under each of their names.
    """
    plain: dict[str, torch.Tensor] = {}
    for name, tensor in model.state_dict().items():
        if '.base_layer.' in name:
            plain[name.replace('.base_layer.', '.')] = tensor
        elif '.original_module.' in name:
            plain[name.replace('.original_module.', '.')] = tensor
        elif '.lora_' not in name and '.modules_to_save.' not in name:
            plain[name] = tensor
    return plain


def count_parameters(weights: dict[str, torch.Tensor]) -> int:
    """Numbers stored; tied weights count once."""
    return sum({weight.data_ptr(): weight.numel() for weight in weights.values()}.values())


def merged_weights(model: Any, adapter: str) -> dict[str, torch.Tensor]:
    """Base plus adapter in fp32 on the CPU, rounded once to the base's dtype. The model is not touched."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    merged = {name: tensor.detach().to('cpu', copy=True) for name, tensor in plain_weights(model).items()}
    for name, tensor in model.state_dict().items():
        marker = f'.modules_to_save.{adapter}.'
        if marker in name:
            merged[name.replace(marker, '.')] = tensor.detach().to('cpu', copy=True)
    for name, module in model.named_modules():
        if not isinstance(module, BaseTunerLayer):
            continue
        tuned: Any = module
        layer = copy.deepcopy(tuned).to('cpu', torch.float32)
        layer.merge(adapter_names=[adapter])
        for part, tensor in layer.get_base_layer().state_dict().items():
            key = f'{name}.{part}'
            merged[key] = tensor.to(merged[key].dtype)
    return merged


def write_model(base: Base, weights: dict[str, torch.Tensor], path: str) -> str:
    """Writes a Hugging Face folder with tokenizer, atomically; returns the fingerprint of its weights."""
    with torch.device('meta'):
        shell = type(base.model)(copy.deepcopy(base.config))
    shell.load_state_dict(weights, strict=True, assign=True)
    shell.tie_weights()
    shell.config.dtype = base.dtype
    shell.generation_config = base.model.generation_config
    with atomic_folder(path) as folder:
        shell.save_pretrained(folder)
        base.tokenizer.save_pretrained(folder)
    return weights_fingerprint(Path(path))
