#!/usr/bin/env bash
# Installs what is missing, then runs a whole pipeline for real on this machine, without any download of a model.
# Run again, it goes on where it was interrupted, or shows the finished run's table; with other settings it first moves the
# run that is there to DIR.1.
#   ./scripts/quickstart.sh [oak|abel] [--set key=value ...]
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
exec node dist/cli/main.js run "configs/tiny.$pipeline.yaml" --resume --set-aside "$@"
