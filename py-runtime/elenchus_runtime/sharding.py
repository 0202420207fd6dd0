"""Every weight trained on several ranks without each holding the whole optimiser: FSDP2 (`fully_shard`).

Between two steps every rank holds the whole weights, so that it can generate and score alone. In a step
gradients are accumulated locally, reduce-scattered once, each rank steps its own shard of weights and
moments, and the weights are gathered once. There is no communication within a forward or backward pass:
ranks may split their shards into micro-batches as their memory allows.

The loaded model is changed for good: it has to be loaded anew once the training has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from .collective import Collective

Sharded = dict[str, torch.nn.Parameter]


class ShardedModel:
    """A model whose parameters are `DTensor`s, sharded over the ranks of a group, while a step is taken."""

    def __init__(self, model: Any, collective: Collective) -> None:
        self._model = model
        self._size = collective.size
        self._device = collective.device
        self._mesh = init_device_mesh(collective.device.type, (collective.size,))
        for block in _blocks(model):
            fully_shard(block, mesh=self._mesh, reshard_after_forward=False)
        fully_shard(model, mesh=self._mesh, reshard_after_forward=False)
        model.set_reshard_after_backward(False)
        model.set_requires_gradient_sync(False)
        for module in self._modules():
            # The shares of the ranks add up to 1 already.
            module.set_force_sum_reduction_for_comms(True)
            module.set_gradient_divide_factor(1.0)
        self.parameters: Sharded = dict(model.named_parameters())
        self.gather()
        # Makes the whole model the root, although training calls its inner parts.
        with torch.no_grad():
            model(input_ids=self._nothing(), use_cache=False)

    def _modules(self) -> list[FSDPModule]:
        return [module for module in self._model.modules() if isinstance(module, FSDPModule)]

    def gather(self) -> None:
        """The whole weights on every rank, from the shards as they are now."""
        for module in self._modules():
            module.reshard()
            module.unshard()

    def scatter_gradients(self, share: float, trained: frozenset[str]) -> None:
        """Leaves in each rank's shards the sum over ranks of share times gradient.

        Parameters outside `trained` get none, as nobody has one.
        """
        for weight in self._model.parameters():
            if weight.grad is not None:
                weight.grad.mul_(share)
        self._model.set_requires_gradient_sync(True)
        # A pass that adds nothing takes the accumulated gradients with it.
        with torch.enable_grad():
            (self._model(input_ids=self._nothing(), use_cache=False).logits.sum() * 0.0).backward()
        self._model.set_requires_gradient_sync(False)
        for name, weight in self.parameters.items():
            if name not in trained:
                weight.grad = None

    def _nothing(self) -> torch.Tensor:
        return torch.zeros((1, 1), dtype=torch.int64, device=self._device)

    def whole(self, tensor: torch.Tensor) -> torch.Tensor:
        """A sharded tensor, whole, on every rank."""
        return tensor.full_tensor() if isinstance(tensor, DTensor) else tensor

    def shard(self, tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """This rank's part of a tensor that every rank has, sharded as `like` is."""
        assert isinstance(like, DTensor)
        return distribute_tensor(tensor.to(self._device), self._mesh, like.placements, src_data_rank=None)


def _blocks(model: Any) -> list[torch.nn.Module]:
    """The decoder layers; a model without a list of them is sharded as one."""
    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    return list(max(lists, key=len)) if lists else []


def whole_weights(model: Any) -> Mapping[str, torch.Tensor]:
    """What `state_dict` would give, which takes the gathered weights apart again."""
    weights = dict(model.named_parameters(remove_duplicate=False))
    kept = {
        f'{prefix}.{name}' if prefix else name: buffer
        for prefix, module in model.named_modules()
        for name, buffer in module.named_buffers(recurse=False)
        if name not in module._non_persistent_buffers_set
    }
    return weights | kept
