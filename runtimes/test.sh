#!/usr/bin/env bash
# Tests all shims: `runtimes/test.sh [PYTHON…]`. Each Python given runs the Python suite; without any, python3 of PATH does.
# CLOUDBOX_TEST_NODE names another Node.js that the shim and the check run with: the suite itself needs 18 or newer.
# What the machine lacks is skipped with a line that says so, or is an error where CI is set.
set -u
cd "$(dirname "$0")" || exit 1
failed=0

skip() {
  echo "skipped: $1 is not installed"
  if [ -n "${CI:-}" ]; then failed=1; fi
}

if command -v node >/dev/null; then
  echo "== node $(node --version)"
  node --test node/test/*.test.cjs || failed=1
else
  skip node
fi

if [ $# -eq 0 ]; then set -- python3; fi
for python in "$@"; do
  if command -v "$python" >/dev/null; then
    echo "== $("$python" --version)"
    (cd python/test && "$python" -B -m unittest) || failed=1
  else
    skip "$python"
  fi
done

if command -v go >/dev/null; then
  echo "== $(go version)"
  (cd go && go vet ./... && go test -count=1 ./...) || failed=1
else
  skip go
fi
exit $failed
