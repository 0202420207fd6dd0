"""The other side of `ppo.py`: the clipped policy gradient as the papers write it, on the stock model."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from shapes import Work, make_model, plain_name, scatter_lora
from sides import answer


def main() -> None:
    spec = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    device = torch.device(spec['device'])
    cuda = device.type == 'cuda'
    model = make_model(spec['shape'], device, torch.bfloat16 if cuda else torch.float32)
    work = Work(**spec['work'], vocab=model.config.vocab_size)
    prompts, rows = torch.tensor(work.prompts()), work.rows()
    completions = torch.from_numpy(np.stack(work.completions()).astype(np.int64))
    ids = torch.cat([prompts[rows], completions], dim=1).to(device)
    width = work.completion_tokens
    random = np.random.default_rng(3)
    advantages = torch.from_numpy(random.standard_normal(len(ids)).astype('<f4')).to(device)

    def logprobs(some: torch.Tensor) -> torch.Tensor:
        logits = model(input_ids=some, use_cache=False, logits_to_keep=width + 1).logits[:, :-1].float()
        picked = logits.gather(2, some[:, -width:, None]).squeeze(2)
        return picked - torch.stack([row.logsumexp(-1) for row in logits])

    with torch.no_grad():
        old = torch.cat([logprobs(part) for part in ids.split(2)])
    if spec['weights'] == 'lora':
        config = LoraConfig(
            task_type='CAUSAL_LM', r=16, lora_alpha=32, lora_dropout=0.0, target_modules='all-linear'
        )
        model = get_peft_model(model, config)
        scatter_lora((name, p) for name, p in model.named_parameters() if p.requires_grad)
    else:
        model.requires_grad_(True)
    model.train()
    if spec['gradient_checkpointing']:
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={'use_reentrant': False})
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=1e-6, betas=(0.9, 0.999), weight_decay=0.0, fused=True)

    def backward(batch_size: int) -> None:
        for start in range(0, len(ids), batch_size):
            part = slice(start, start + batch_size)
            ratio = (logprobs(ids[part]) - old[part]).exp()
            gain = advantages[part, None]
            loss = -torch.minimum(ratio * gain, ratio.clamp(0.8, 1.2) * gain)
            (loss.sum() / (len(ids) * width)).backward()

    def step(batch_size: int) -> dict[str, Any]:
        backward(batch_size)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return {'tokens': ids.numel()}

    def gradient(path: str, batch_size: int) -> None:
        backward(batch_size)
        save_file(
            {
                plain_name(name): p.grad.contiguous()
                for name, p in model.named_parameters()
                if p.grad is not None
            },
            path,
        )
        optimiser.zero_grad(set_to_none=True)

    answer(cuda, step, gradient)


if __name__ == '__main__':
    main()
