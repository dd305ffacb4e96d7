#!/usr/bin/env bash
# On a machine with a GPU, in under ten minutes: the tests that need one, then what it is worth.
# MIRROR_BENCH_DEVICE=cpu rehearses it where there is none.
set -euo pipefail
cd "$(dirname "$0")/../.."
make .venv/.installed
export OMP_NUM_THREADS=1
.venv/bin/pytest -q -m gpu tests/methods/test_gpu.py
.venv/bin/python -m tests.speed.on_gpu
