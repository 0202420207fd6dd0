"""A training session: parameters, optimiser and the rules of numbered steps.

Knows when a step may run, be replayed or must be refused, what happens when memory runs out, and that the
batch may be one shard of a larger one. Knows no loss: `train_sft`, `train_dpo` and `train_ppo` leave their
gradients in the parameters.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from . import checkpoint, guards, train_dpo, train_ppo, train_sft
from .adapters import Adapters
from .agreement import ShardReport, report_of, whole_outcome
from .blobs import Blobs
from .checkpoint import Checkpoint, State
from .collective import Collective
from .errors import WorkerError
from .job import Job
from .layout import Layout
from .models import Base, release
from .optimiser import Optimiser
from .outcome import NOTHING, Outcome
from .policy_outputs import policy_outputs
from .protocol import Batch, DpoBatch, LmIdsBatch, PpoBatch, SftBatch, SftIdsBatch, TrainBegin, TrainStep
from .rows import Row
from .score import PerTarget, evaluate_rows
from .sharding import ShardedModel
from .value_head import ValueHead, load_value_head
from .work import ADAPTER, ALL_WEIGHTS, FORWARD


@dataclass(frozen=True)
class Prepared:
    """A batch that has been read: its rows, and `accumulate(budget, before)` to run it.

    `budget` is in tokens read per micro-batch; `before(k)` is called before micro-batch k.
    """

    rows: list[Row]
    accumulate: Callable[[int, Callable[[int], None]], Outcome]


class Session:
    """Opened by `train.begin`; at most one step is taken per number, however often it is asked for.

    With a `collective`, every rank of it has such a session and is given its shard of each batch.
    """

    def __init__(
        self, spec: TrainBegin, base: Base, adapters: Adapters, collective: Collective | None = None
    ) -> None:
        self.policy = spec.policy
        self.step_number = 0
        self._spec = spec
        self._base = base
        self._adapters = adapters
        self._collective = collective
        self._budget = spec.micro_batch_tokens
        # Before it may be taken apart.
        self._sizes = base.sizes
        self._last_result: dict[str, Any] | None = None
        self._must_move = True
        trained = adapters.train(spec.policy)
        guards.something_trains(trained)
        self.value_head = self._make_value_head() if spec.value_head else None
        critic = {} if self.value_head is None else self.value_head.named()
        self._sharded = self._shard() if spec.sharding == 'fsdp2' else None
        # What the optimiser steps, and what gradients come to: the same, unless the former are shards.
        self._parameters = (trained if self._sharded is None else self._sharded.parameters) | critic
        self._live = (trained if self._sharded is None else adapters.train(spec.policy)) | critic
        self._critic = critic
        self._optimiser = Optimiser(self._parameters, spec.optimizer, frozenset(critic))
        if spec.gradient_checkpointing:
            base.model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={'use_reentrant': False})

    def _shard(self) -> ShardedModel:
        if self._collective is None or self.policy is not None or self._adapters.names:
            raise WorkerError(
                'bad_request', 'Only all weights of a base without adapters are sharded, and over a group.'
            )
        self._base.sharded = True
        return ShardedModel(self._base.model, self._collective)

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
        outcome = self._whole_batch(spec, blobs, job)
        grad_norm = self._optimiser.clip()
        guards.finite('The gradient norm', grad_norm, spec.step)
        metrics = dict(outcome.metrics)
        apply = True
        if isinstance(spec.batch, PpoBatch):
            apply = train_ppo.applies(spec.batch, metrics)
            metrics['applied'] = float(apply)
        if apply:
            self._update(spec, grad_norm)
        else:
            self._clear()
        self.step_number = spec.step
        self._last_result = {
            'step': spec.step,
            'loss': outcome.loss,
            'grad_norm': grad_norm,
            'tokens': outcome.tokens,
            'truncated': outcome.truncated,
            'metrics': {'micro_batch_tokens': float(self._budget)} | metrics,
        }
        return self._last_result

    def _whole_batch(self, spec: TrainStep, blobs: Blobs, job: Job) -> Outcome:
        """Leaves the gradient of the whole batch in the parameters, and in all ranks the same.

        Either this succeeds on every rank or it fails on every rank.
        """
        if self._collective is None:
            outcome = self._own_shard(spec, blobs, job)
            _refuse_empty(outcome)
            guards.finite('The loss', outcome.loss, spec.step)
            return outcome
        own = NOTHING
        failure: Exception | None = None
        try:
            own = self._own_shard(spec, blobs, job)
            report = report_of(own, self._budget, self._have_gradients())
        except Exception as error:
            failure = error
            report = ShardReport(error=error.code if isinstance(error, WorkerError) else 'internal')
        reports = self._collective.exchange(report)
        try:
            if failure is not None:
                raise failure
            whole = whole_outcome(reports)
            _refuse_empty(whole)
            guards.finite('The loss', whole.loss, spec.step)
        except Exception:
            self._clear()
            raise
        trained = bytes(map(max, zip(*(each.trained for each in reports), strict=True)))
        self._add_up(own.weight / whole.weight, trained)
        return whole

    def _own_shard(self, spec: TrainStep, blobs: Blobs, job: Job) -> Outcome:
        job.check()
        prepared = self._prepare(spec.batch, blobs)
        self._adapters.train(self.policy)
        outcome = self._accumulate_within_memory(prepared, spec.step, job)
        tokens = self._base.tokens_read(prepared.rows)
        targets = sum(row.num_targets for row in prepared.rows)
        job.did('trained', tokens, self._sizes.flop(tokens, targets, self._passes(spec.batch)))
        return outcome

    def _passes(self, batch: Batch) -> int:
        if isinstance(batch, PpoBatch) and batch.value_only:
            return FORWARD
        return ALL_WEIGHTS if self.policy is None else ADAPTER

    def _have_gradients(self) -> bytes:
        """One byte per parameter, in their order."""
        return bytes(parameter.grad is not None for parameter in self._live.values())

    def _add_up(self, share: float, trained: bytes) -> None:
        """Gradients of the shards to that of the batch; parameters that nobody has one for get none."""
        assert self._collective is not None
        names = [name for name, flag in zip(self._live, trained, strict=True) if flag]
        plain = self._live if self._sharded is None else self._critic
        self._collective.add_up({name: self._live[name] for name in names if name in plain}, share)
        if self._sharded is not None:
            with self._collective.together():
                self._sharded.scatter_gradients(share, frozenset(names))

    def _clear(self) -> None:
        self._optimiser.clear()
        for parameter in self._live.values():
            parameter.grad = None

    def _update(self, spec: TrainStep, grad_norm: float) -> None:
        # Advantages may all be 0, and then nothing has to move yet.
        idle = isinstance(spec.batch, PpoBatch) and grad_norm == 0
        must_move = self._must_move and spec.learning_rate > 0 and not idle
        before = guards.checksums(self._live) if must_move else None
        critic_rate = spec.batch.value_learning_rate if isinstance(spec.batch, PpoBatch) else 0.0
        self._base.watch.forget()
        self._optimiser.step(spec.learning_rate, critic_rate)
        self._clear()
        if self._sharded is not None and self._collective is not None:
            with self._collective.together():
                self._sharded.gather()
        if self.policy is None:
            self._base.trained = True
        if before is not None:
            guards.weights_changed(before, self._live)
            self._must_move = False

    def _prepare(self, batch: Batch, blobs: Blobs) -> Prepared:
        """Reads a batch once, so that it can be accumulated again with smaller micro-batches."""
        base = self._base
        if _algorithm_of(batch) != self._spec.algorithm:
            raise WorkerError(
                'bad_request', f'A {self._spec.algorithm} session takes no {_algorithm_of(batch)} batch.'
            )
        if _is_empty(batch, blobs):
            return Prepared([], lambda _budget, _before: NOTHING)
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
        if not any(row.num_targets for row in rows.rows):
            nothing = dataclasses.replace(NOTHING, truncated=rows.truncated)
            return Prepared([], lambda _budget, _before: nothing)
        return Prepared(
            rows.rows,
            lambda budget, before: train_sft.accumulate(base, rows, budget, before),
        )

    def _accumulate_within_memory(self, prepared: Prepared, step: int, job: Job) -> Outcome:
        """Halves the micro-batch for as long as memory runs out; the global batch stays the same."""

        rank = 0 if self._collective is None else self._collective.rank

        def before(micro_batch: int) -> None:
            job.advance()
            # Dropout depends on the seed, the rank and the place in the run alone, so a step can be repeated.
            own_seed = self._spec.seed + (rank << 40)
            torch.manual_seed(((own_seed * 1_000_003 + step) * 1_000_003 + micro_batch) % 2**63)

        while True:
            self._clear()
            try:
                return prepared.accumulate(self._budget, before)
            except torch.OutOfMemoryError as error:
                self._clear()
                total = sum(len(row.ids) for row in prepared.rows)
                batches = self._base.micro_batches(prepared.rows, self._budget)
                if self._budget < total and all(len(members) == 1 for members in batches):
                    raise WorkerError('out_of_memory', 'A single row does not fit into memory.') from error
                self._budget = max(1, min(self._budget, total) // 2)
            release()

    @torch.no_grad()
    def score(self, rows: list[Row], temperature: float, budget: int, job: Job) -> dict[str, list[PerTarget]]:
        """Log-probabilities, entropies and, with a critic, values of the targets, by the training kernel."""
        model = self._adapters.evaluate(self.policy)
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
            for name, parameter in self._live.items()
        }

    def save(self, path: str, cursor: Any) -> int:
        """Writes a checkpoint, if this is rank 0; returns its size in bytes."""
        whole = None if self._sharded is None else self._sharded.whole
        moments = {self._plain(name): value for name, value in self._optimiser.state(whole).items()}
        if self._collective is not None and self._collective.rank > 0:
            return 0
        state = State(
            format=checkpoint.FORMAT,
            algorithm=self._spec.algorithm,
            step=self.step_number,
            seed=self._spec.seed,
            cursor=cursor,
            last_result=self._last_result,
            sha256={},
        )
        return checkpoint.save(path, Checkpoint(state, self._weights(), moments))

    def load(self, path: str) -> State:
        """Puts weights, optimiser and step number back.

        Raises `checkpoint_corrupt` if it was written by another kind of session.
        """
        stored = checkpoint.load(path)
        state = stored.state
        names = {self._plain(name): name for name in self._parameters}
        same_shapes = set(names) == set(stored.weights) and all(
            self._live[names[plain]].shape == weight.shape for plain, weight in stored.weights.items()
        )
        if not same_shapes or (state.algorithm, state.seed) != (self._spec.algorithm, self._spec.seed):
            raise WorkerError(
                'checkpoint_corrupt',
                f'{path} was written by another session ({state.algorithm}, seed {state.seed}).',
                hint='Restore the settings of the run that wrote it, or start anew.',
            )
        self._base.watch.forget()
        with torch.no_grad():
            for plain, weight in stored.weights.items():
                self._parameters[names[plain]].copy_(self._part(weight, names[plain]))
        if self._sharded is not None:
            self._sharded.gather()
        moments = {}
        for key, value in stored.optimizer.items():
            part, _, plain = key.partition(':')
            name = names.get(plain, plain)
            moments[f'{part}:{name}'] = self._part(value, name) if value.ndim else value
        self._optimiser.load(moments)
        self.step_number = state.step
        self._last_result = state.last_result
        self._must_move = False
        if self.policy is None:
            self._base.trained = True
        return state

    def _part(self, value: torch.Tensor, name: str) -> torch.Tensor:
        """What this rank's optimiser holds of a value of the whole parameter."""
        if self._sharded is None or name not in self._sharded.parameters:
            return value
        return self._sharded.shard(value, self._sharded.parameters[name])

    def end(self) -> None:
        """Drops gradients and moments. The weights stay as trained."""
        self._clear()
        if self._spec.gradient_checkpointing:
            self._base.model.gradient_checkpointing_disable()
        self._adapters.use(self.policy)
        release()


def _is_empty(batch: Batch, blobs: Blobs) -> bool:
    """Whether a batch is the shard of a rank that has nothing to do."""
    if isinstance(batch, LmIdsBatch):
        return len(blobs.get('ids_lengths', ())) == 0
    return not batch.prompts


def _refuse_empty(outcome: Outcome) -> None:
    if outcome.weight > 0:
        return
    if outcome.truncated:
        raise WorkerError('prompt_too_long', 'No prompt leaves room for a target within max_length.')
    raise WorkerError('bad_request', 'The batch has no target token.')


def _algorithm_of(batch: Batch) -> str:
    match batch:
        case PpoBatch():
            return 'ppo'
        case DpoBatch():
            return 'dpo'
        case _:
            return 'sft'
