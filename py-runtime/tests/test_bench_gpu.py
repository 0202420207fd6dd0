"""The measurements for a GPU, as far as they can be tried without one: every step asks for what there is."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[1] / 'bench'


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(str(BENCH))
    import gpu

    return gpu


def options(dry_run: bool) -> argparse.Namespace:
    return argparse.Namespace(shape='qwen3-8b', runs=3, dry_run=dry_run, only=None, json=False, out='')


@pytest.mark.parametrize('dry_run', [True, False])
def test_every_step_has_flags_that_its_bench_knows(
    bench: Any, dry_run: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(BENCH / 'training'))
    import generate
    import sides

    for step in bench.steps(options(dry_run)):
        assert (BENCH / step.file).is_file()
        if step.file == 'generate.py':
            monkeypatch.setattr(sys, 'argv', ['generate.py', *step.arguments])
            parsed = generate.parse()
        else:
            parsed = sides.options('').parse_args(step.arguments)
        assert parsed.device == ('cpu' if dry_run else 'cuda')
        assert parsed.json


def test_a_step_that_fails_is_named_and_costs_the_others_nothing(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(command: list[str], **_: Any) -> subprocess.CompletedProcess[bytes]:
        if 'ppo' in command[1]:
            return subprocess.CompletedProcess(command, 1, b'')
        if 'dpo' in command[1]:
            case = {'lora': {'mfu': 0.43}}
            return subprocess.CompletedProcess(command, 0, json.dumps({'cases': case}).encode())
        document = {
            'results': [{'engine': 'native', 'tokens_per_s': 9000.0}],
            'roofline': {'qwen3-8b': {'share': 0.5}},
            'rollouts': {'qwen3-8b': {'total_s': 149.0}},
        }
        return subprocess.CompletedProcess(command, 0, json.dumps(document).encode())

    monkeypatch.setattr(bench.subprocess, 'run', run)
    monkeypatch.setattr(sys, 'argv', ['gpu.py', '--shape', 'qwen3-8b', '--out', str(tmp_path)])
    with pytest.raises(SystemExit) as ended:
        bench.main()
    assert ended.value.code == 1
    found = json.loads((tmp_path / 'gpu.json').read_text())
    assert found['failed'] == [f'ppo-{count}' for count in bench.QUESTIONS]
    verdicts = {row['what']: (row['found'], row['reached']) for row in found['targets']}
    assert verdicts['qwen3-8b, generated tokens/s'] == (9000.0, False)
    assert verdicts['500 x 8 rollouts, seconds from imports on'] == (149.0, True)
    assert verdicts['LoRA DPO, MFU, 8 questions'] == (0.43, True)
    assert verdicts['share of the measured roofline'] == (0.5, None)
    assert verdicts['LoRA PPO, MFU, 2 questions'] == (None, None)
    assert 'not measured' in capsys.readouterr().out


def test_what_no_longer_fits_is_left_out_and_taken_by_the_next_call(
    bench: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken: list[str] = []
    limits: list[float] = []
    clock = [0.0]

    def run(command: list[str], **settings: Any) -> subprocess.CompletedProcess[bytes]:
        taken.append(Path(command[1]).stem)
        limits.append(settings['timeout'])
        clock[0] += 30
        case = {'cases': {'lora': {'mfu': 0.43}}, 'results': [{'tokens_per_s': 9000.0}]}
        return subprocess.CompletedProcess(command, 0, json.dumps(case).encode())

    def call() -> Any:
        taken.clear()
        clock[0] = 0.0
        with pytest.raises(SystemExit) as ended:
            bench.main()
        assert ended.value.code == 0
        return json.loads((tmp_path / 'gpu.json').read_text())

    monkeypatch.setattr(bench.subprocess, 'run', run)
    monkeypatch.setattr(bench.time, 'monotonic', lambda: clock[0])
    monkeypatch.setattr(sys, 'argv', ['gpu.py', '--out', str(tmp_path), '--minutes', str(100 / 60)])
    names = [step.name for step in bench.steps(options(False))]
    first = call()
    assert taken == ['generate', 'dpo', 'dpo']
    assert limits == [100, 70, 40]
    assert first['left_out'] == names[3:]
    assert 'left out, time was up' in capsys.readouterr().out
    second = call()
    assert taken == ['dpo', 'dpo', 'dpo']
    assert list(second['steps']) == names[:6]
    # A kill or a full disk may leave half a document; one that is not of this bench may lie there, too.
    for name, text in ((names[0], ''), (names[1], '{"cases": {"lo'), (names[2], '{}'), (names[3], '[]')):
        bench.document_of(name, tmp_path).write_text(text)
    assert list(call()['steps']) == [*names[:3], *names[4:6]]
    assert taken == ['generate', 'dpo', 'dpo']
    # Whoever asks for a step by name wants it measured now.
    monkeypatch.setattr(sys, 'argv', ['gpu.py', '--out', str(tmp_path), '--only', names[1]])
    assert list(call()['steps']) == [names[1]]
    assert taken == ['dpo']
    monkeypatch.setattr(sys, 'argv', ['gpu.py', '--out', str(tmp_path), '--only', 'dop-4'])
    with pytest.raises(SystemExit, match='no step dop-4; there are sampling, dpo-4'):
        bench.main()
