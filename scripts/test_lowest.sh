#!/usr/bin/env bash
# Run the tests on the oldest version of every direct dependency that pyproject.toml admits.
set -euo pipefail
cd "$(dirname "$0")/.."
rm -rf .venv-lowest && python3 -m venv .venv-lowest
.venv-lowest/bin/python -m pip install --quiet "uv>=0.9"
.venv-lowest/bin/uv pip install --quiet --python .venv-lowest --resolution lowest-direct --group dev --editable .
.venv-lowest/bin/python -m pytest -n auto -m "not slow" "$@"
