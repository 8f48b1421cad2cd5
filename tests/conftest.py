"""One thread for every numeric library, before any of them loads: tests are small, and sums keep their order."""

import os

for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[name] = "1"
