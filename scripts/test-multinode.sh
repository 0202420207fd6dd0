#!/usr/bin/env bash
# Two "machines": network namespaces joined by a veth pair. torchrun on two nodes over CURVE: rollouts, with the link cut
# in the middle, and DPO steps. --all: the command launcher as well. Needs Linux, root and iproute2; skips aloud without.
# All traffic stays in the two namespaces, which it removes again.
set -euo pipefail
cd "$(dirname "$0")/.."

skip() {
  echo "SKIPPED test-multinode: $*" >&2
  exit 0
}
[ "$(uname)" = Linux ] || skip 'needs Linux'
[ "$(id -u)" = 0 ] || skip 'needs root'
command -v ip > /dev/null || skip 'needs iproute2'
a="elenchus-a-$$" b="elenchus-b-$$"
folder=$(mktemp -d /tmp/elm-XXXXXX)
clean() {
  ip netns delete "$a" 2> /dev/null || true
  ip netns delete "$b" 2> /dev/null || true
  rm -rf "$folder"
}
trap clean EXIT
ip netns add "$a" 2> /dev/null || skip 'may not make network namespaces here'
ip netns add "$b"
ip link add "va$$" netns "$a" type veth peer name "vb$$" netns "$b" 2> /dev/null || skip 'may not make veth pairs here'
ip -n "$a" address add 10.77.0.1/24 dev "va$$"
ip -n "$b" address add 10.77.0.2/24 dev "vb$$"
for side in "$a va$$" "$b vb$$"; do
  read -r namespace device <<< "$side"
  ip -n "$namespace" link set lo up
  ip -n "$namespace" link set "$device" up
done

npm run --silent build:scripts
# What was compiled there looks for these beside itself.
for name in py-runtime package.json requirements.txt; do ln -sfn "../$name" ".build/$name"; done
export ELENCHUS_PYTHON=${ELENCHUS_PYTHON:-$PWD/.venv/bin/python}
timeout 540 ip netns exec "$a" node .build/scripts/multinode/main.js "$folder" "$a" "$b" "va$$" "${1:-}"
