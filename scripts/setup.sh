#!/usr/bin/env bash
# Installs what is missing into this checkout (node_modules, .venv) and builds. Idempotent; quick the second time.
#   scripts/setup.sh          what a run needs
#   scripts/setup.sh --dev    also what the tests need
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "setup: $1" >&2
  echo "setup: $2" >&2
  exit 3
}

command -v node >/dev/null || fail "Node is not installed." "Install Node 20.19 or newer (https://nodejs.org), then run this again."
node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
  fail "Node $(node --version) is too old." "Install Node 20.19 or newer, then run this again."
command -v npm >/dev/null || fail "npm is not installed." "Install npm (it comes with Node), then run this again."

python=""
for candidate in "${ELENCHUS_PYTHON:-}" python3 python3.13 python3.12 python3.11; do
  [ -n "$candidate" ] && command -v "$candidate" >/dev/null || continue
  if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
    python="$candidate"
    break
  fi
done
[ -n "$python" ] || fail "No Python 3.11 or newer was found." "Install one, or set ELENCHUS_PYTHON to its path, then run this again."

requirements=requirements.txt
[ "${1:-}" = "--dev" ] && requirements=requirements-dev.txt

# A stamp holds the hash of what an installation was made from: the same hash means nothing to do.
mkdir -p .setup
hash_of() { cat "$@" | node -e 'process.stdout.write(require("crypto").createHash("sha256").update(require("fs").readFileSync(0)).digest("hex"))'; }
stale() { [ "$(cat ".setup/$1" 2>/dev/null)" != "$2" ]; }

wanted="$(hash_of package.json package-lock.json)"
if [ ! -d node_modules ] || stale npm "$wanted"; then
  echo "setup: installing Node packages" >&2
  # Not `npm ci`: a registry without the packages of other platforms leaves them out of the lock file, and ci refuses it.
  npm install --no-save --no-audit --no-fund --loglevel=error >&2
  echo "$wanted" >.setup/npm
fi

if [ ! -x .venv/bin/python ]; then
  echo "setup: making .venv with $("$python" --version)" >&2
  "$python" -m venv .venv || fail "Python cannot make a virtual environment." \
    "Install the venv module (Debian, Ubuntu: apt-get install python3-venv), then run this again."
  rm -f .setup/pip .setup/pip-dev
fi
wanted="$(hash_of requirements.txt py-runtime/pyproject.toml)"
wanted_dev="$(hash_of requirements.txt requirements-dev.txt py-runtime/pyproject.toml)"
# The development set contains the runtime set.
if [ "$requirements" = requirements.txt ] && { ! stale pip "$wanted" || ! stale pip-dev "$wanted_dev"; }; then
  :
elif [ "$requirements" = requirements-dev.txt ] && ! stale pip-dev "$wanted_dev"; then
  :
else
  echo "setup: installing Python packages from $requirements (a few minutes the first time)" >&2
  .venv/bin/python -m pip install --quiet --disable-pip-version-check -r "$requirements" >&2
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --editable py-runtime >&2
  if [ "$requirements" = requirements.txt ]; then echo "$wanted" >.setup/pip; else echo "$wanted_dev" >.setup/pip-dev; fi
fi

wanted="$(find src -name '*.ts' -print0 | LC_ALL=C sort -z | xargs -0 cat tsconfig.json tsconfig.build.json package-lock.json | hash_of)"
if [ ! -e dist/cli/main.js ] || stale build "$wanted"; then
  npm run --silent build >&2
  chmod +x dist/cli/main.js
  echo "$wanted" >.setup/build
fi
echo "setup: ready" >&2
