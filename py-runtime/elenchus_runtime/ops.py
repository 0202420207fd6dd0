"""Every operation of the wire: checked body in, result out.

The one place that knows models, adapters, sessions and generation together; each of those knows only
itself. Decides nothing: what to generate, score or train on arrives with the request.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import transformers

from . import protocol as wire
from .adapters import Adapters
from .blobs import Blobs, pack_ragged, unpack_ragged
from .collective import Collective
from .environment import resident_bytes
from .errors import WorkerError
from .generate import generate
from .job import Job
from .models import Base, is_current, load_base, merged_weights, plain_weights, release, write_model
from .rows import Row, completion_rows, refuse_longer_than
from .score import score_rows
from .session import Session
from .sharding import whole_weights
from .tiny import create_model, train_tokenizer
from .transport import Transport, error_body

Answer = tuple[dict[str, Any], Blobs]

_COLLECTIVE = frozenset({'train.step'})
"""Operations that the other ranks wait in: they look at cancellation where they can tell them of it."""


class Operations:
    """State of a worker between requests: the base, its adapters, the open training sessions."""

    def __init__(self, device: torch.device) -> None:
        # Bars would fill the log, which is read when something goes wrong.
        transformers.utils.logging.disable_progress_bar()
        self._device = device
        if device.type == 'cuda':
            # Where a launcher shows a rank all devices: streams, events and graphs are of the current one.
            torch.cuda.set_device(device)
        self._base: Base | None = None
        self._adapters: Adapters | None = None
        self._sessions: dict[str, Session] = {}
        self._collective: Collective | None = None
        self._started = time.monotonic()
        self._handlers: dict[str, Callable[[Any, Job], dict[str, Any] | Answer]] = {
            'tokenizer.train': self._tokenizer_train,
            'model.create': self._model_create,
            'model.load': self._model_load,
            'model.unload': self._model_unload,
            'model.save': self._model_save,
            'model.merge': self._model_merge,
            'adapter.create': self._adapter_create,
            'adapter.load': self._adapter_load,
            'adapter.save': self._adapter_save,
            'adapter.freeze': self._adapter_freeze,
            'adapter.drop': self._adapter_drop,
            'generate': self._generate,
            'encode': self._encode,
            'score': self._score,
            'group.join': self._group_join,
            'train.begin': self._train_begin,
            'train.step': self._train_step,
            'train.score': self._train_score,
            'train.verify': self._train_verify,
            'train.end': self._train_end,
            'checkpoint.save': self._checkpoint_save,
            'checkpoint.load': self._checkpoint_load,
            'stats': self._stats,
        }

    def serve(self, job: Job, transport: Transport) -> None:
        """Runs one request to its single result or error. Nothing it raises ends the worker."""
        job.begin()
        try:
            body = wire.decode_body(job.op, job.raw)
            job.limit(body.deadline_s)
            if job.op not in _COLLECTIVE:
                job.check()
            answer = self._handlers[job.op](body, job)
            result, blobs = answer if isinstance(answer, tuple) else (answer, {})
            transport.finish(job, 'result', result, blobs)
        except WorkerError as error:
            transport.finish(job, 'error', error_body(error))
        except torch.OutOfMemoryError as error:
            transport.finish(job, 'error', error_body(WorkerError('out_of_memory', str(error))))
            release()
        except Exception as error:
            traceback.print_exc()
            sys.stderr.flush()
            failure = WorkerError('internal', f'{job.op}: {type(error).__name__}: {error}')
            transport.finish(job, 'error', error_body(failure))
        finally:
            job.pulse.busy = None
            job.pulse.enter('idle')

    def _loaded(self) -> tuple[Base, Adapters]:
        if self._base is None or self._adapters is None:
            raise WorkerError('bad_request', 'No model is loaded; send model.load first.')
        return self._base, self._adapters

    def _session(self, name: str) -> Session:
        if name not in self._sessions:
            raise WorkerError('bad_request', f'There is no training session {name!r}.')
        return self._sessions[name]

    # Models

    def _tokenizer_train(self, spec: wire.TokenizerTrain, job: Job) -> dict[str, Any]:
        job.enter('load')
        return {'vocab_size': train_tokenizer(spec)}

    def _model_create(self, spec: wire.ModelCreate, job: Job) -> dict[str, Any]:
        job.enter('load')
        parameters, fingerprint = create_model(spec)
        return {'num_parameters': parameters, 'fingerprint': fingerprint}

    def _model_load(self, spec: wire.ModelLoad, job: Job) -> dict[str, Any]:
        job.enter('load')
        if spec.threads is not None:
            torch.set_num_threads(spec.threads)
        torch.use_deterministic_algorithms(spec.deterministic, warn_only=True)
        if self._base is not None and is_current(self._base, spec):
            self._base.settings = spec
        else:
            self._unload()
            self._base = load_base(spec, self._device)
            self._adapters = Adapters(self._base)
        return self._base.facts()

    def _model_unload(self, _spec: wire.ModelUnload, _job: Job) -> dict[str, Any]:
        self._unload()
        return {}

    def _unload(self) -> None:
        self._sessions.clear()
        self._base = self._adapters = None
        release()

    def _model_save(self, spec: wire.ModelSave, job: Job) -> dict[str, Any]:
        base, _ = self._loaded()
        job.enter('load')
        found = whole_weights(base.model) if base.sharded else plain_weights(base.model)
        weights = {name: tensor.detach().cpu() for name, tensor in found.items()}
        base.adopt(spec.path, write_model(base, weights, spec.path))
        return {'fingerprint': base.fingerprint}

    def _model_merge(self, spec: wire.ModelMerge, job: Job) -> dict[str, Any]:
        base, adapters = self._loaded()
        adapters.require(spec.policy)
        job.enter('load')
        return {'fingerprint': write_model(base, merged_weights(base.model, spec.policy), spec.path)}

    # Adapters

    def _adapter_create(self, spec: wire.AdapterCreate, _job: Job) -> dict[str, Any]:
        return {'trainable_parameters': self._loaded()[1].create(spec)}

    def _adapter_load(self, spec: wire.AdapterLoad, job: Job) -> dict[str, Any]:
        _, adapters = self._loaded()
        job.enter('load')
        return {'fingerprint': adapters.load(spec.name, spec.path, spec.trainable)}

    def _adapter_save(self, spec: wire.AdapterSave, job: Job) -> dict[str, Any]:
        job.enter('load')
        trained = next((each for each in self._sessions.values() if each.policy == spec.name), None)
        head = None if trained is None else trained.value_head
        return {'fingerprint': self._loaded()[1].save(spec.name, spec.path, head)}

    def _adapter_freeze(self, spec: wire.AdapterFreeze, _job: Job) -> dict[str, Any]:
        self._refuse_in_training(spec.name)
        self._loaded()[1].freeze(spec.name)
        return {}

    def _adapter_drop(self, spec: wire.AdapterDrop, _job: Job) -> dict[str, Any]:
        self._refuse_in_training(spec.name)
        self._loaded()[1].drop(spec.name)
        return {}

    def _refuse_in_training(self, adapter: str) -> None:
        for name, session in self._sessions.items():
            if session.policy == adapter:
                raise WorkerError('bad_request', f'Adapter {adapter!r} is being trained in session {name!r}.')

    # Generation and scoring

    def _generate(self, spec: wire.Generate, job: Job) -> dict[str, Any]:
        base, adapters = self._loaded()
        return generate(base, adapters.use(spec.policy), spec, job)

    def _encode(self, spec: wire.Encode, _job: Job) -> Answer:
        base, _ = self._loaded()
        return {}, pack_ragged('ids', base.encode_arrays(spec.texts, spec.special_tokens), 'i32')

    def _score(self, spec: wire.Score, job: Job) -> Answer:
        base, adapters = self._loaded()
        completions = unpack_ragged('ids', job.blobs)
        rows = completion_rows(base.encode(spec.prompts, True), spec.rows, completions, base.vocab_size)
        refuse_longer_than(rows, base.max_positions)
        job.enter('step')
        scores = score_rows(
            base, adapters.evaluate(spec.policy), rows, spec.temperature, spec.micro_batch_tokens, job
        )
        _scored(base, rows, job)
        sums = np.asarray([row.astype(np.float64).sum() for row in scores], dtype='<f8')
        return {}, pack_ragged('logprobs', scores, 'f32') | {'sums': sums}

    # Training

    def _group_join(self, spec: wire.GroupJoin, job: Job) -> dict[str, Any]:
        if self._sessions:
            raise WorkerError('bad_request', f'Session {next(iter(self._sessions))!r} is open; end it first.')
        job.enter('load')
        if self._collective is not None:
            left, self._collective = self._collective, None
            left.leave()
        self._collective = Collective(spec, self._device, job.pulse)
        return {}

    def _group(self, name: str | None) -> Collective | None:
        if name is None:
            return None
        if self._collective is None or self._collective.name != name:
            raise WorkerError('bad_request', f'This worker is not in the group {name!r}; join it first.')
        return self._collective

    def _train_begin(self, spec: wire.TrainBegin, job: Job) -> dict[str, Any]:
        base, adapters = self._loaded()
        if self._sessions:
            raise WorkerError('bad_request', f'Session {next(iter(self._sessions))!r} is open; end it first.')
        adapters.require(spec.policy)
        job.enter('load')
        torch.use_deterministic_algorithms(spec.deterministic or base.settings.deterministic, warn_only=True)
        session = Session(spec, base, adapters, self._group(spec.group))
        self._sessions[spec.session] = session
        return {
            'trainable_parameters': session.trainable_parameters,
            'weights_fingerprint': session.weights_fingerprint(),
        }

    def _train_step(self, spec: wire.TrainStep, job: Job) -> dict[str, Any]:
        return self._session(spec.session).step(spec, job.blobs, job)

    def _train_score(self, spec: wire.TrainScore, job: Job) -> Answer:
        base, _ = self._loaded()
        session = self._session(spec.session)
        completions = unpack_ragged('ids', job.blobs)
        rows = completion_rows(base.encode(spec.prompts, True), spec.rows, completions, base.vocab_size)
        refuse_longer_than(rows, base.max_positions)
        job.enter('step')
        scores = session.score(rows, spec.temperature, spec.micro_batch_tokens, job)
        _scored(base, rows, job)
        return {}, {
            name: np.concatenate([np.empty(0, dtype='<f4'), *values]) for name, values in scores.items()
        }

    def _train_verify(self, spec: wire.TrainVerify, job: Job) -> dict[str, Any]:
        job.enter('load')
        return {'weights_fingerprint': self._session(spec.session).weights_fingerprint()}

    def _train_end(self, spec: wire.TrainEnd, _job: Job) -> dict[str, Any]:
        self._session(spec.session).end()
        del self._sessions[spec.session]
        torch.use_deterministic_algorithms(self._loaded()[0].settings.deterministic, warn_only=True)
        return {}

    def _checkpoint_save(self, spec: wire.CheckpointSave, job: Job) -> dict[str, Any]:
        job.enter('load')
        return {'bytes': self._session(spec.session).save(spec.path, spec.cursor)}

    def _checkpoint_load(self, spec: wire.CheckpointLoad, job: Job) -> dict[str, Any]:
        job.enter('load')
        state = self._session(spec.session).load(spec.path)
        return {'step': state.step, 'cursor': state.cursor}

    def _stats(self, _spec: wire.Stats, _job: Job) -> dict[str, Any]:
        facts: dict[str, Any] = {
            'pid': os.getpid(),
            'rss_bytes': resident_bytes(),
            'models': [str(self._base.source)] if self._base is not None else [],
            'adapters': self._adapters.names if self._adapters is not None else [],
            'uptime_s': time.monotonic() - self._started,
        }
        if self._device.type == 'cuda':
            facts['device_memory_bytes'] = torch.cuda.memory_allocated(self._device)
        return facts


def _scored(base: Base, rows: list[Row], job: Job) -> None:
    targets = sum(row.num_targets for row in rows)
    job.did('scored', targets, base.sizes.flop(base.tokens_read(rows), targets))
