#!/usr/bin/env bash
# The old script's three arguments: iterations, problems, GPUs.
#   ./scripts/run_oak_loop.sh 2 1500 "0,1,2,3"
set -euo pipefail
cd "$(dirname "$0")/.."
./scripts/setup.sh
exec node dist/cli/main.js oak "$@"
