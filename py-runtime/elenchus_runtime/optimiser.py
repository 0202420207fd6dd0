"""AdamW over exactly the parameters given, and its state as flat named tensors.

Knows nothing of losses and schedules: the learning rate arrives with every step.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch

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
        return float(torch.nn.utils.clip_grad_norm_(self._parameters.values(), limit))

    def step(self, learning_rate: float, critic_learning_rate: float = 0.0) -> None:
        for group in self._adam.param_groups:
            group['lr'] = critic_learning_rate if group.get('critic') else learning_rate
        self._adam.step()

    def state(self) -> dict[str, torch.Tensor]:
        """Moments and step counts as `part:parameter`, on the CPU. Parameters without a step are absent."""
        return {
            f'{part}:{name}': value.detach().to('cpu', copy=True).contiguous()
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
