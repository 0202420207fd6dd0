"""Hands rows of `metrics.jsonl` to Weights & Biases. Decides nothing; imports no torch.

Reads JSON lines from stdin: first `{id, dir, project, config}`, then `{stage, step, values}`. Prints a line
when it is ready. Each stage has an axis of its own, `<stage>/step`, and no step of it is logged twice.
"""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any


def begin(settings: dict[str, Any]) -> Any:
    """The run at W&B: new, or continued under the same id."""
    import wandb

    folder = Path(settings['dir'])
    folder.mkdir(parents=True, exist_ok=True)
    if wandb.setup().settings.mode in ('offline', 'dryrun'):
        # Nobody can say what an earlier attempt has stored; all rows come again, so it is not needed.
        for earlier in (folder / 'wandb').glob(f'offline-run-*-{settings["id"]}'):
            shutil.rmtree(earlier)
    return wandb.init(
        id=settings['id'],
        project=settings['project'],
        config=settings['config'],
        dir=str(folder),
        resume='allow',
    )


def last_steps(run: Any) -> dict[str, int]:
    """The last step of each stage that W&B has from earlier attempts."""
    return {
        key.removesuffix('/step'): int(value)
        for key, value in dict(run.summary).items()
        if key.endswith('/step') and isinstance(value, int | float)
    }


def main() -> None:
    run = begin(json.loads(sys.stdin.readline()))
    logged = last_steps(run)
    defined: set[str] = set()
    print('ready', flush=True)
    for line in sys.stdin:
        row = json.loads(line)
        stage, step = row['stage'], row['step']
        if step <= logged.get(stage, -1):
            continue
        if stage not in defined:
            run.define_metric(f'{stage}/*', step_metric=f'{stage}/step')
            defined.add(stage)
        run.log({f'{stage}/step': step} | {f'{stage}/{name}': value for name, value in row['values'].items()})
        logged[stage] = step
    run.finish()


if __name__ == '__main__':
    main()
