"""How many copies of an in-memory data set training holds: peak memory over that of the data."""

from __future__ import annotations

import resource
import subprocess
import sys

ROWS, COLUMNS = 1_000_000, 50


def peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(way: str) -> None:
    import numpy as np
    import torch

    from nnatomy.data.samples import TensorSamples
    from nnatomy.estimators.mlp import MLPClassifier
    from nnatomy.models import MLP
    from nnatomy.training import Settings, fit

    small = np.zeros((64, COLUMNS), np.float32)
    labels = np.arange(64) % 2
    fit(MLP(COLUMNS, 2), TensorSamples(torch.from_numpy(small), torch.from_numpy(labels)),
        settings=Settings(epochs=1))  # fmt: skip
    before = peak()
    inputs = np.random.default_rng(0).standard_normal((ROWS, COLUMNS), dtype=np.float32)
    targets = (inputs[:, 0] > 0).astype(np.int64)
    data = inputs.nbytes / 2**20
    held = peak() - before
    if way == "fit":
        samples = TensorSamples(torch.from_numpy(inputs), torch.from_numpy(targets))
        fit(MLP(COLUMNS, 2, hidden=(8,)), samples, settings=Settings(epochs=1, batch_size=4096))
    else:
        MLPClassifier((8,), batch_size=4096, max_iter=1, n_iter_no_change=None).fit(inputs, targets)
    added = peak() - before
    print(f"  {way:16} data {data:5.0f} MB, held before training {held:5.0f} MB, "
          f"at most {added:5.0f} MB: {added / data:.2f} copies")  # fmt: skip


def main() -> None:
    if len(sys.argv) > 1:
        measure(sys.argv[1])
        return
    print(f"\npeak memory of {ROWS:,} × {COLUMNS} float32 records, the caller's own included")
    for way in ("fit", "MLPClassifier"):
        subprocess.run([sys.executable, "-m", "bench.memory", way], check=True)


if __name__ == "__main__":
    main()
