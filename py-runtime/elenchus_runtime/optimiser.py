"""AdamW over exactly the parameters given, and its state as flat named tensors.

Knows nothing of losses and schedules: the learning rate arrives with every step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch.distributed.tensor import DTensor

from .errors import WorkerError
from .protocol import OptimizerSettings


class Optimiser:
    """AdamW (Loshchilov & Hutter 2019, arXiv:1711.05101) with clipping of the global norm.

    Weight decay applies to matrices only, not to biases and norms.
    """

    def __init__(
        self,
        parameters: Mapping[str, torch.nn.Parameter],
        settings: OptimizerSettings,
        critic: frozenset[str] = frozenset(),
    ) -> None:
        """`critic` names the parameters that have a learning rate of their own, and no weight decay."""
        self._parameters = dict(parameters)
        self._max_grad_norm = settings.max_grad_norm
        others = [parameter for name, parameter in parameters.items() if name not in critic]
        matrices = [parameter for parameter in others if parameter.ndim >= 2]
        vectors = [parameter for parameter in others if parameter.ndim < 2]
        groups = [
            {'params': matrices, 'weight_decay': settings.weight_decay},
            {'params': vectors, 'weight_decay': 0.0},
            {'params': [parameters[name] for name in sorted(critic)], 'weight_decay': 0.0, 'critic': True},
        ]
        self._adam = torch.optim.AdamW(
            [group for group in groups if group['params']], betas=settings.betas, eps=settings.eps, fused=True
        )

    def clear(self) -> None:
        self._adam.zero_grad(set_to_none=True)

    def clip(self) -> float:
        """Clips the gradients to the global norm; returns the norm before that. 0 means no clipping."""
        limit = self._max_grad_norm if self._max_grad_norm > 0 else float('inf')
        with_gradient = [parameter for parameter in self._parameters.values() if parameter.grad is not None]
        # torch has no norm of shards and whole tensors together.
        kinds = [
            [parameter for parameter in with_gradient if isinstance(parameter, DTensor) == sharded]
            for sharded in (False, True)
        ]
        norms = [_norm(kind) for kind in kinds if kind]
        if not norms:
            return 0.0
        norm = norms[0] if len(norms) == 1 else torch.stack(norms).norm()
        for kind in kinds:
            torch.nn.utils.clip_grads_with_norm_(kind, limit, norm)
        return float(norm)

    def step(self, learning_rate: float, critic_learning_rate: float = 0.0) -> None:
        for group in self._adam.param_groups:
            group['lr'] = critic_learning_rate if group.get('critic') else learning_rate
        self._adam.step()

    def state(self, whole: Callable[[torch.Tensor], torch.Tensor] | None = None) -> dict[str, torch.Tensor]:
        """Moments and step counts as `part:parameter`, on the CPU. Parameters without a step are absent.

        `whole` makes a whole tensor of a shard.
        """
        return {
            f'{part}:{name}': (value if whole is None else whole(value))
            .detach()
            .to('cpu', copy=True)
            .contiguous()
            for name, parameter in self._parameters.items()
            for part, value in self._adam.state.get(parameter, {}).items()
        }

    def load(self, state: Mapping[str, torch.Tensor]) -> None:
        """Puts back what `state` gave. Raises `checkpoint_corrupt` if it is of other parameters."""
        self._adam.state.clear()
        for key, value in state.items():
            part, _, name = key.partition(':')
            parameter = self._parameters.get(name)
            if parameter is None or (value.ndim > 0 and value.shape != parameter.shape):
                raise WorkerError(
                    'checkpoint_corrupt', f'The optimiser state of {name} does not fit this session.'
                )
            self._adam.state[parameter][part] = value.to(parameter.device) if value.ndim else value.clone()


def _norm(parameters: Sequence[torch.nn.Parameter]) -> torch.Tensor:
    norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in parameters])  # type: ignore[misc]
    return norm.full_tensor() if isinstance(norm, DTensor) else norm
