"""A training session: parameters, optimiser and the rules of numbered steps.

Knows when a step may run, be replayed or must be refused, and what happens when memory runs out. Knows no
loss: `train_sft`, `train_dpo` and `train_ppo` leave their gradients in the parameters.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from . import checkpoint, guards, train_dpo, train_ppo, train_sft
from .adapters import Adapters
from .checkpoint import Checkpoint, State
from .errors import WorkerError
from .job import Job
from .layout import Layout
from .models import Base, release
from .optimiser import Optimiser
from .outcome import Outcome
from .policy_outputs import policy_outputs
from .protocol import (
    Batch,
    Blobs,
    DpoBatch,
    LmIdsBatch,
    PpoBatch,
    SftBatch,
    SftIdsBatch,
    TrainBegin,
    TrainStep,
)
from .rows import Row
from .score import PerTarget, evaluate_rows
from .value_head import ValueHead, load_value_head


@dataclass(frozen=True)
class Prepared:
    """A batch that has been read: its rows, and `accumulate(budget, before)` to run it.

    `budget` is in tokens read per micro-batch; `before(k)` is called before micro-batch k.
    """

    rows: list[Row]
    accumulate: Callable[[int, Callable[[int], None]], Outcome]


class Session:
    """Opened by `train.begin`; at most one step is taken per number, however often it is asked for."""

    def __init__(self, spec: TrainBegin, base: Base, adapters: Adapters) -> None:
        self.policy = spec.policy
        self.step_number = 0
        self._spec = spec
        self._base = base
        self._adapters = adapters
        self._budget = spec.micro_batch_tokens
        self._last_result: dict[str, Any] | None = None
        self._must_move = True
        self._parameters = adapters.train(spec.policy)
        guards.something_trains(self._parameters)
        self.value_head = self._make_value_head() if spec.value_head else None
        critic = {} if self.value_head is None else self.value_head.named()
        self._parameters |= critic
        self._optimiser = Optimiser(self._parameters, spec.optimizer, frozenset(critic))
        if spec.gradient_checkpointing:
            base.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={'use_reentrant': False})

    def _make_value_head(self) -> ValueHead:
        """A fresh critic, or the one that lies beside the adapter that is trained on."""
        if self._spec.algorithm != 'ppo':
            raise WorkerError('bad_request', f'A {self._spec.algorithm} session has no value head.')
        base = self._base
        head = ValueHead(base.model.get_output_embeddings().weight.shape[1], base.device)
        folder = self._adapters.folder(self.policy)
        if folder is not None:
            load_value_head(folder, head)
        return head

    @property
    def trainable_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self._parameters.values())

    def weights_fingerprint(self) -> str:
        """SHA-256 over names and values of what is trained."""
        digest = hashlib.sha256()
        for name, weight in sorted(self._weights().items()):
            digest.update(name.encode())
            digest.update(weight.numpy().tobytes())
        return digest.hexdigest()

    def step(self, spec: TrainStep, blobs: Blobs, job: Job) -> dict[str, Any]:
        """One optimiser step on one global batch; the result's body.

        A failure before the optimiser's step leaves the weights as they were, so the same number may be
        tried again.
        """
        if spec.step == self.step_number and self._last_result is not None:
            return self._last_result
        if spec.step != self.step_number + 1:
            raise WorkerError(
                'step_out_of_order',
                f'Step {spec.step} was asked for, the next one is {self.step_number + 1}.',
                expected=self.step_number + 1,
            )
        job.enter('first_step' if self._last_result is None else 'step')
        prepared = self._prepare(spec.batch, blobs)
        self._adapters.train(self.policy)
        outcome = self._accumulate_within_memory(prepared, spec.step, job)
        guards.finite('The loss', outcome.loss, spec.step)
        grad_norm = self._optimiser.clip()
        guards.finite('The gradient norm', grad_norm, spec.step)
        if outcome.apply:
            self._update(spec, grad_norm)
        else:
            self._optimiser.clear()
        self.step_number = spec.step
        self._last_result = {
            'step': spec.step,
            'loss': outcome.loss,
            'grad_norm': grad_norm,
            'tokens': outcome.tokens,
            'truncated': outcome.truncated,
            'metrics': outcome.metrics | {'micro_batch_tokens': float(self._budget)},
        }
        return self._last_result

    def _update(self, spec: TrainStep, grad_norm: float) -> None:
        # Advantages may all be 0, and then nothing has to move yet.
        idle = isinstance(spec.batch, PpoBatch) and grad_norm == 0
        must_move = self._must_move and spec.learning_rate > 0 and not idle
        before = guards.checksums(self._parameters) if must_move else None
        critic_rate = spec.batch.value_learning_rate if isinstance(spec.batch, PpoBatch) else 0.0
        self._optimiser.step(spec.learning_rate, critic_rate)
        self._optimiser.clear()
        if self.policy is None:
            self._base.trained = True
        if before is not None:
            guards.weights_changed(before, self._parameters)
            self._must_move = False

    def _prepare(self, batch: Batch, blobs: Blobs) -> Prepared:
        """Reads a batch once, so that it can be accumulated again with smaller micro-batches."""
        base = self._base
        if _algorithm_of(batch) != self._spec.algorithm:
            raise WorkerError(
                'bad_request', f'A {self._spec.algorithm} session takes no {_algorithm_of(batch)} batch.'
            )
        if isinstance(batch, PpoBatch):
            data = train_ppo.read_rows(base, batch, blobs, self.value_head)
            return Prepared(
                data.rows,
                lambda budget, before: train_ppo.accumulate(
                    base, data, batch, self.value_head, budget, before
                ),
            )
        if isinstance(batch, DpoBatch):
            graph = train_dpo.read_graph(base, batch, blobs)
            return Prepared(
                graph.rows,
                lambda budget, before: train_dpo.accumulate(base, graph, batch, budget, before),
            )
        match batch:
            case SftBatch():
                rows = train_sft.rows_from_text(base, batch)
            case SftIdsBatch():
                rows = train_sft.rows_from_ids(base, batch, blobs)
            case LmIdsBatch():
                rows = train_sft.rows_from_mask(base, blobs)
        return Prepared(
            rows.rows,
            lambda budget, before: train_sft.accumulate(base, rows, budget, before),
        )

    def _accumulate_within_memory(self, prepared: Prepared, step: int, job: Job) -> Outcome:
        """Halves the micro-batch for as long as memory runs out; the global batch stays the same."""

        def before(micro_batch: int) -> None:
            job.advance()
            # Dropout depends on the seed and the place in the run alone, so a step can be repeated.
            torch.manual_seed(((self._spec.seed * 1_000_003 + step) * 1_000_003 + micro_batch) % 2**63)

        while True:
            self._optimiser.clear()
            try:
                return prepared.accumulate(self._budget, before)
            except torch.OutOfMemoryError as error:
                self._optimiser.clear()
                total = sum(len(row.ids) for row in prepared.rows)
                batches = self._base.micro_batches(prepared.rows, self._budget)
                if self._budget < total and all(len(members) == 1 for members in batches):
                    raise WorkerError('out_of_memory', 'A single row does not fit into memory.') from error
                self._budget = max(1, min(self._budget, total) // 2)
            release()

    @torch.no_grad()
    def score(self, rows: list[Row], temperature: float, budget: int, job: Job) -> dict[str, list[PerTarget]]:
        """Log-probabilities, entropies and, with a critic, values of the targets, by the training kernel."""
        model = self._adapters.use(self.policy)
        names = ('logprobs', 'entropies', *(() if self.value_head is None else ('values',)))

        def evaluate(layout: Layout) -> torch.Tensor:
            said = policy_outputs(model, self._base.plain_head, layout, temperature, self.value_head)
            columns = [said.logprobs, said.entropies, *([] if said.values is None else [said.values])]
            return torch.stack(columns, dim=1)

        table = evaluate_rows(self._base, rows, evaluate, budget, job)
        return {name: [row[:, column] for row in table if row.ndim == 2] for column, name in enumerate(names)}

    # Checkpoints

    def _plain(self, name: str) -> str:
        """A parameter's name without the adapter's, so that a checkpoint fits whatever it is called."""
        return name if self.policy is None else name.replace(f'.{self.policy}.', '.')

    def _weights(self) -> dict[str, torch.Tensor]:
        return {
            self._plain(name): parameter.detach().to('cpu', copy=True).contiguous()
            for name, parameter in self._parameters.items()
        }

    def save(self, path: str, cursor: Any) -> int:
        state = State(
            format=checkpoint.FORMAT,
            algorithm=self._spec.algorithm,
            step=self.step_number,
            seed=self._spec.seed,
            cursor=cursor,
            last_result=self._last_result,
            sha256={},
        )
        moments = {self._plain(name): value for name, value in self._optimiser.state().items()}
        return checkpoint.save(path, Checkpoint(state, self._weights(), moments))

    def load(self, path: str) -> State:
        """Puts weights, optimiser and step number back.

        Raises `checkpoint_corrupt` if it was written by another kind of session.
        """
        stored = checkpoint.load(path)
        state = stored.state
        names = {self._plain(name): name for name in self._parameters}
        same_shapes = set(names) == set(stored.weights) and all(
            self._parameters[names[plain]].shape == weight.shape for plain, weight in stored.weights.items()
        )
        if not same_shapes or (state.algorithm, state.seed) != (self._spec.algorithm, self._spec.seed):
            raise WorkerError(
                'checkpoint_corrupt',
                f'{path} was written by another session ({state.algorithm}, seed {state.seed}).',
                hint='Restore the settings of the run that wrote it, or start anew.',
            )
        with torch.no_grad():
            for plain, weight in stored.weights.items():
                self._parameters[names[plain]].copy_(weight)
        moments = {}
        for key, value in stored.optimizer.items():
            part, _, plain = key.partition(':')
            moments[f'{part}:{names.get(plain, plain)}'] = value
        self._optimiser.load(moments)
        self.step_number = state.step
        self._last_result = state.last_result
        self._must_move = False
        if self.policy is None:
            self._base.trained = True
        return state

    def end(self) -> None:
        """Drops gradients and moments. The weights stay as trained."""
        self._optimiser.clear()
        if self._spec.gradient_checkpointing:
            self._base.model.gradient_checkpointing_disable()
        self._adapters.use(self.policy)
        release()


def _algorithm_of(batch: Batch) -> str:
    match batch:
        case PpoBatch():
            return 'ppo'
        case DpoBatch():
            return 'dpo'
        case _:
            return 'sft'
