#!/usr/bin/env bash
# Installs what is missing, then runs a whole pipeline for real on this machine, without any download of a model.
#   ./scripts/quickstart.sh [oak|abel] [--set key=value ...] [--resume]
set -euo pipefail
cd "$(dirname "$0")/.."
pipeline=oak
case "${1:-}" in
  oak | abel)
    pipeline=$1
    shift
    ;;
esac
./scripts/setup.sh
exec node dist/cli/main.js run "configs/tiny.$pipeline.yaml" "$@"
