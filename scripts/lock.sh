#!/usr/bin/env bash
# Renew requirements.lock: every dependency pinned with hashes, for every platform, without naming any index.
set -euo pipefail
cd "$(dirname "$0")/.."
.venv/bin/python -m pip install --quiet --group lock
.venv/bin/uv pip compile pyproject.toml --group dev --universal --python-version 3.11 \
  --generate-hashes --no-emit-index-url --no-annotate --custom-compile-command "make lock" \
  --output-file requirements.lock "$@"
