#!/usr/bin/env bash
# Renew the lock files: every dependency pinned with hashes, for every platform, without naming any index.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python -m pip install --quiet "uv>=0.9"
compile=(.venv/bin/uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes
  --no-emit-index-url --no-annotate --quiet --custom-compile-command "make lock")
"${compile[@]}" --group dev --output-file requirements.lock "$@"
"${compile[@]}" --constraint requirements.lock --output-file requirements-runtime.lock "$@"
