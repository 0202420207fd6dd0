"""Policies as LoRA adapters on the one loaded base.

Knows PEFT and its traps: `set_adapter` and `disable_adapter` toggle `requires_grad`, so what is trained
is always set here, explicitly, and nowhere else. Nothing is ever merged into the model.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, PeftConfig, PeftModel, get_peft_model_state_dict, set_peft_model_state_dict
from peft.tuners.tuners_utils import BaseTunerLayer
from safetensors.torch import load_file, save_file

from . import training_forward
from .errors import WorkerError
from .files import atomic_folder, file_sha256
from .models import Base, resolve_folder
from .protocol import AdapterCreate
from .value_head import ValueHead, save_value_head

WEIGHTS = 'adapter_model.safetensors'
_NAME = re.compile(r'^[A-Za-z0-9_-]+$')
_RESERVED = torch.nn.ModuleDict()


class Adapters:
    """The adapters of one base, by name. `None` names the base itself."""

    def __init__(self, base: Base) -> None:
        self._base = base
        self._peft: Any = None
        self._frozen: set[str] = set()
        self._folders: dict[str, Path] = {}
        self._training: tuple[str, dict[str, torch.nn.Parameter]] | None = None
        """The adapter that the model is ready to train, so that every step need not look for it again."""

    @property
    def names(self) -> list[str]:
        return sorted(self._peft.peft_config) if self._peft is not None else []

    def require(self, name: str | None) -> None:
        """Raises `adapter_missing` unless `name` is an adapter here or `None`."""
        if name is not None and name not in self.names:
            known = ', '.join(self.names) or 'none'
            raise WorkerError(
                'adapter_missing', f'There is no adapter {name!r} (loaded: {known}).', known=self.names
            )

    def create(self, spec: AdapterCreate) -> int:
        """A fresh LoRA adapter that changes nothing yet; returns its number of parameters."""
        targets: Any = spec.target_modules
        config = LoraConfig(
            task_type='CAUSAL_LM',
            r=spec.rank,
            lora_alpha=spec.alpha,  # type: ignore[arg-type]  # PEFT divides by the rank; a float is fine
            lora_dropout=spec.dropout,
            target_modules=targets,
            base_model_name_or_path=str(self._base.source),
        )
        with torch.random.fork_rng(devices=_cuda_devices(self._base.device)):
            torch.manual_seed(spec.seed)
            self._add(spec.name, config)
        return sum(weight.numel() for weight in self.weights(spec.name).values())

    def load(self, name: str, path: str, trainable: bool) -> str:
        """Reads an adapter folder; returns the fingerprint of its weights.

        Raises `model_load_failed` if a weight is absent or left over: an adapter of another
        architecture must not load in part.
        """
        folder = resolve_folder(path, None)
        file = folder / WEIGHTS
        if not file.is_file():
            raise WorkerError('model_load_failed', f'{folder} holds no {WEIGHTS}.')
        try:
            config = PeftConfig.from_pretrained(str(folder))
            weights = load_file(file)
        except Exception as error:
            raise WorkerError('model_load_failed', f'{folder} is not a usable adapter: {error}') from error
        config.inference_mode = False
        self._add(name, config)
        try:
            outcome: Any = set_peft_model_state_dict(self._peft, weights, adapter_name=name)
            missing = [key for key in outcome.missing_keys if f'.{name}.' in key]
            if missing or outcome.unexpected_keys:
                raise ValueError(
                    f'missing {missing[:3]}, unexpected {list(outcome.unexpected_keys)[:3]}; '
                    'it was made for another architecture'
                )
        except (RuntimeError, ValueError) as error:
            self.drop(name)
            raise WorkerError(
                'model_load_failed', f'{folder} does not fit the loaded base: {error}'
            ) from error
        self._folders[name] = folder
        if not trainable:
            self._frozen.add(name)
        return file_sha256(file)

    def save(self, name: str, path: str, head: ValueHead | None = None) -> str:
        """Writes PEFT's files, the tokenizer and the critic, if there is one, atomically.

        Returns the fingerprint of the adapter's weights.
        """
        self.require(name)
        with atomic_folder(path) as folder:
            save_file(self.weights(name), folder / WEIGHTS, metadata={'format': 'pt'})
            config = self._peft.peft_config[name]
            kept = config.inference_mode, config.target_modules
            # PEFT keeps the names in a set, whose order is another in every process.
            config.inference_mode, config.target_modules = True, _sorted(config.target_modules)
            config.save_pretrained(str(folder))
            config.inference_mode, config.target_modules = kept
            self._base.tokenizer.save_pretrained(folder)
            if head is not None:
                save_value_head(folder, head)
        return file_sha256(Path(path) / WEIGHTS)

    def folder(self, name: str | None) -> Path | None:
        """Where an adapter was loaded from; `None` for a fresh one and for the base."""
        return None if name is None else self._folders.get(name)

    def freeze(self, name: str) -> None:
        """From now on this adapter can be used and not be trained: a reference."""
        self.require(name)
        self._frozen.add(name)

    def drop(self, name: str) -> None:
        self.require(name)
        self._base.watch.forget()
        self._training = None
        self._peft.delete_adapter(name)
        self._frozen.discard(name)
        self._folders.pop(name, None)
        if not self.names:
            self._base.model = self._peft.unload()
            self._peft = None
            self._base.model.requires_grad_(False)

    def weights(self, name: str) -> dict[str, torch.Tensor]:
        """Contiguous CPU copies of an adapter's weights, named as PEFT stores them."""
        state = get_peft_model_state_dict(self._peft, adapter_name=name, save_embedding_layers=False)
        return {key: weight.detach().to('cpu', copy=True).contiguous() for key, weight in state.items()}

    def use(self, name: str | None) -> Any:
        """The model in eval mode answering as `name`, with no gradient anywhere."""
        self.require(name)
        self._training = None
        self._select(name)
        model = self._base.model
        model.requires_grad_(False)
        model.eval()
        self._cast_inputs(True)
        training_forward.remove(model)
        return model

    def evaluate(self, name: str | None) -> Any:
        """As `use`, and computing as training does: what is scored is what is trained, to the last digit."""
        model = self.use(name)
        training_forward.install(model)
        return model

    def train(self, name: str | None) -> dict[str, torch.nn.Parameter]:
        """The model in train mode answering as `name`; returns exactly the parameters to be trained.

        `None` trains every weight of the base. Raises `bad_request` for a frozen adapter.
        """
        if name in self._frozen:
            raise WorkerError('bad_request', f'Adapter {name!r} is frozen; load it again to train it.')
        if self._training is not None and self._training[0] == name:
            return self._training[1]
        model = self.evaluate(name)
        marker = None if name is None else f'.{name}.'
        tuner_parts = [f'.{other}.' for other in self.names]
        trained: dict[str, torch.nn.Parameter] = {}
        for key, parameter in model.named_parameters():
            is_tuner = any(part in key for part in tuner_parts) and (
                '.lora_' in key or '.modules_to_save.' in key
            )
            wanted = not is_tuner if marker is None else is_tuner and marker in key
            if wanted:
                parameter.requires_grad_(True)
                trained[key] = parameter
        model.train()
        # Training runs under `logprobs.half_precision`, where the weights are cast and not the inputs.
        self._cast_inputs(self._base.dtype == torch.float32)
        if name is not None:
            self._training = name, trained
        return trained

    def _select(self, name: str | None) -> None:
        if self._peft is None:
            return
        tuner = self._peft.base_model
        if name is None:
            tuner.disable_adapter_layers()
        else:
            tuner.enable_adapter_layers()
            tuner.set_adapter(name)

    def _cast_inputs(self, cast: bool) -> None:
        """Whether adapted layers bring their input to the precision of the adapter's weights."""
        for module in self._base.model.modules():
            if isinstance(module, BaseTunerLayer):
                module.cast_input_dtype_enabled = cast  # type: ignore[attr-defined]  # PEFT's own switch

    def _add(self, name: str, config: PeftConfig) -> None:
        if not _NAME.match(name) or hasattr(_RESERVED, name):
            raise WorkerError(
                'bad_request', f'{name!r} cannot name an adapter: letters, digits, - and _ only.'
            )
        if name in self.names:
            raise WorkerError('bad_request', f'There is an adapter {name!r} already; drop it first.')
        self._base.watch.forget()
        self._training = None
        try:
            if self._peft is None:
                self._peft = PeftModel(self._base.model, config, adapter_name=name)
            else:
                self._peft.add_adapter(name, config)
        except (ValueError, RuntimeError, TypeError) as error:
            raise WorkerError('bad_request', f'Adapter {name!r} does not fit this model: {error}') from error


def _cuda_devices(device: torch.device) -> list[int]:
    return [] if device.type != 'cuda' else [device.index or 0]


def _sorted(names: Any) -> Any:
    return names if names is None or isinstance(names, str) else sorted(names)
