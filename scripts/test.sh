#!/usr/bin/env bash
# Sets up, then checks everything: formatting, lint, types and tests of both languages.
set -euo pipefail
cd "$(dirname "$0")/.."
./scripts/setup.sh --dev

step() {
  echo "== $*" >&2
  "$@"
}
step npm run --silent format:check
step npm run --silent lint
step npm run --silent types
step npm run --silent check:package
step .venv/bin/ruff check py-runtime
step .venv/bin/ruff format --check py-runtime
step npm run --silent types:py
export OMP_NUM_THREADS=1
step .venv/bin/python -m pytest -q -n 2 --dist worksteal py-runtime/tests
step npm run --silent test
# Skips aloud where network namespaces may not be made.
step ./scripts/test-multinode.sh
