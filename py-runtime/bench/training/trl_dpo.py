"""The other side of `dpo.py`: TRL's DPOTrainer, its own collator and loss, on the same ids.

Only its loss is called, micro-batch by micro-batch, with clipping and AdamW as ours around it: what its
training loop costs beyond that is left out. The reference is precomputed, which is its cheapest.
"""

from __future__ import annotations

import json
import sys
import tempfile
from typing import Any

import datasets
import torch
import trl
from peft import LoraConfig, get_peft_model
from safetensors.torch import save_file
from shapes import Work, make_model, make_tokenizer, plain_name, scatter_lora
from sides import answer


def main() -> None:
    spec = json.loads(sys.argv[1])
    torch.set_num_threads(1)
    device = torch.device(spec['device'])
    cuda = device.type == 'cuda'
    model = make_model(spec['shape'], device, torch.bfloat16 if cuda else torch.float32)
    work = Work(**spec['work'], vocab=model.config.vocab_size)
    tokenizer = make_tokenizer(model.config.vocab_size)
    if spec['weights'] == 'lora':
        config = LoraConfig(
            task_type='CAUSAL_LM', r=16, lora_alpha=32, lora_dropout=0.0, target_modules='all-linear'
        )
        model = get_peft_model(model, config)
        scatter_lora((name, p) for name, p in model.named_parameters() if p.requires_grad)
    else:
        model.requires_grad_(True)
    with tempfile.TemporaryDirectory() as scratch:
        trainer: Any = trl.DPOTrainer(
            model=model,
            args=trl.DPOConfig(
                output_dir=scratch,
                beta=0.1,
                use_cpu=not cuda,
                bf16=cuda,
                report_to='none',
                gradient_checkpointing=spec['gradient_checkpointing'],
                max_length=None,
                precompute_ref_log_probs=True,
                disable_tqdm=True,
            ),
            train_dataset=datasets.Dataset.from_list([{'prompt': 't5', 'chosen': 't6', 'rejected': 't7'}]),
            processing_class=tokenizer,
        )
    if spec['weights'] == 'lora':
        # TRL's reference would be a copy of the starting adapter; here, on both sides, it is the base.
        model.delete_adapter('ref')
    prompts, rows, completions = work.prompts(), work.rows(), work.completions()
    examples: list[dict[str, Any]] = [
        {
            'prompt_ids': prompts[rows[chosen]],
            'chosen_ids': completions[chosen].tolist(),
            'rejected_ids': completions[rejected].tolist(),
        }
        for chosen, rejected in work.pairs()
    ]

    def collate(part: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        return {name: value.to(device) for name, value in trainer.data_collator(part).items()}

    for start in range(0, len(examples), 2):
        part = examples[start : start + 2]
        for example, chosen, rejected in zip(
            part, *trainer.compute_ref_log_probs(model, collate(part)), strict=True
        ):
            example |= {'ref_chosen_logps': float(chosen), 'ref_rejected_logps': float(rejected)}
    model.train()
    parameters = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(parameters, lr=1e-6, betas=(0.9, 0.999), weight_decay=0.0, fused=True)

    def backward(batch_size: int) -> int:
        tokens = 0
        for start in range(0, len(examples), batch_size):
            part = examples[start : start + batch_size]
            batch = collate(part)
            tokens += batch['input_ids'].numel()
            loss = trainer.compute_loss(model, batch) * (len(part) / len(examples))
            loss.backward()
        return tokens

    def step(batch_size: int) -> dict[str, Any]:
        tokens = backward(batch_size)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return {'tokens': tokens}

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
