#!/usr/bin/env bash
# Installs what is missing, then runs a whole pipeline for real on this machine, without any download of a model.
#   ./scripts/quickstart.sh [--set key=value ...] [--resume]
set -euo pipefail
cd "$(dirname "$0")/.."
./scripts/setup.sh
exec node dist/cli/main.js run configs/tiny.oak.yaml "$@"
