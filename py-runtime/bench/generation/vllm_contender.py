"""vLLM on the same shape and work, where it is installed. Random weights of its own (`load_format=dummy`)."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path
from typing import Any

from elenchus_runtime.models import Base

from .work import Work


def run_vllm(base: Base, work: Work, runs: int) -> list[float]:
    """Tokens per second of each run. Start-up is not counted."""
    import vllm  # type: ignore[import-not-found]

    with tempfile.TemporaryDirectory() as scratch:
        config = base.model.config.to_dict() | {'architectures': [type(base.model).__name__]}
        (Path(scratch) / 'config.json').write_text(json.dumps(config, default=str))
        base.tokenizer.save_pretrained(scratch)
        engine: Any = vllm.LLM(scratch, load_format='dummy', dtype='bfloat16', gpu_memory_utilization=0.5)
        prompts = [{'prompt_token_ids': prompt} for prompt, _ in work.sequences]
        sampling = [
            vllm.SamplingParams(temperature=1.0, max_tokens=length, ignore_eos=True, logprobs=0)
            for length in work.lengths
        ]
        rates: list[float] = []
        for _ in range(runs):
            started = time.perf_counter()
            engine.generate(prompts, sampling, use_tqdm=False)
            rates.append(work.tokens / (time.perf_counter() - started))
        return rates
