#!/usr/bin/env bash
# Make .venv-peers: the packages that benchmarks compare us with. They are never needed to run or test the optimizer.
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON="${PYTHON:-python3}"
test -x .venv-peers/bin/python || "$PYTHON" -m venv .venv-peers
pip=(.venv-peers/bin/python -m pip install --quiet)
"${pip[@]}" numpy scipy pandas scikit-learn contextualbandits mabwiser river bayesianbandits pybandits vowpalwabbit tqdm PyYAML seaborn
# obp 0.5.7 pins the libraries of 2022 and Python below 3.11; it runs on later ones, so only what it imports is added.
# It imports torch at the top, for estimators that are not compared here: the build without GPU is a tenth of the size.
"${pip[@]}" "torch==2.13.0+cpu" || "${pip[@]}" torch
"${pip[@]}" --no-deps --ignore-requires-python obp==0.5.7
.venv-peers/bin/python -c "import contextualbandits, mabwiser, obp.ope, obp.simulator, river, vowpalwabbit; print('peers are ready')"
