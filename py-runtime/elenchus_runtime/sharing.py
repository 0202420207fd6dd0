"""Whether a model can read shared contexts once. Tried out, not assumed.

Knows models and layouts. A model that cannot is trained with rows side by side, at more cost; that is said
when it is loaded.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from .branch_attention import counted_calls
from .layout import pad, share
from .logprobs import target_states
from .rows import completion_row


@torch.no_grad()
def cannot_share(model: Any, plain_head: bool) -> str | None:
    """Why rows of this model are put side by side, or `None` if contexts can be shared."""
    config = model.config
    if not plain_head:
        return 'its output layer does more than one matrix product'
    if any(kind != 'full_attention' for kind in getattr(config, 'layer_types', None) or []):
        return 'some of its layers have no full attention'
    ids = np.arange(config.vocab_size)
    rows = [
        completion_row(np.resize(ids, 3).tolist(), np.resize(ids[start:], length).astype(np.int32))
        for start, length in ((3, 4), (7, 2), (9, 1))
    ]
    try:
        with counted_calls() as calls:
            shared = target_states(model, share(rows, model.device)).float()
        padded = target_states(model, pad(rows, model.device)).float()
    except Exception as error:
        return f'{config.model_type} refuses it: {error}'
    if calls.count != config.num_hidden_layers:
        return f'{config.model_type} has an attention of its own'
    gap = float((shared - padded).norm() / padded.norm())
    if gap > (1e-4 if model.dtype == torch.float32 else 0.03):
        return f'{config.model_type} answers differently then (relative gap {gap:.1e})'
    return None
