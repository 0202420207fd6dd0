"""The bench of the engine's host side: it runs the engine itself, on texts that end as they should."""

from __future__ import annotations

import argparse
import random
from pathlib import Path
from typing import Any

import pytest
from conftest import make_tokenizer
from transformers import AutoTokenizer

from elenchus_runtime.detokenise import Detokeniser

BENCH = Path(__file__).parents[1] / 'bench'


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    import engine_host

    return engine_host


@pytest.mark.parametrize('accelerator', [False, True])
def test_every_case_is_written_to_its_end(bench: Any, accelerator: bool, tmp_path: Path) -> None:
    tokenizer = AutoTokenizer.from_pretrained(make_tokenizer(tmp_path))
    options = argparse.Namespace(slots=8, sequences=24, samples=4, tokens=2000, accelerator=accelerator)
    for name, case in bench.cases(random.Random(1), options.tokens).items():
        scripts = [tokenizer.encode(text, add_special_tokens=False) for text in case.texts]
        found = bench.measure(case, scripts, Detokeniser(tokenizer), options)
        # The first token of a sequence comes with its prompt.
        assert 1 <= found['tokens_per_step'] <= 8 + 24 / found['steps']
        # Texts that are stopped need fewer steps than those that run to their limit.
        assert (found['steps'] < 3 * 1999) == (name != 'unstopped')
        if accelerator:
            assert 1 <= found['captures'] < 20


def test_the_texts_are_those_of_the_pipelines(bench: Any, tmp_path: Path) -> None:
    texts = Detokeniser(AutoTokenizer.from_pretrained(make_tokenizer(tmp_path)))
    for name, reason in {'oak': 'stop', 'abel': 'stop', 'unstopped': 'length'}.items():
        case = bench.cases(random.Random(1), 3000)[name]
        (sample,) = bench.completions(case, texts, 1)
        ids = texts._tokenizer.encode(case.texts[0], add_special_tokens=False)
        for place in range(3000):
            if sample.completion.push(ids[place % len(ids)], -1.0):
                break
        assert sample.completion.finish_reason in (reason, 'segment_length')
