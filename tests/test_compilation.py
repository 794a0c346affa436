"""Compiled functions: kept on disk, made anew when a source changes, released from the lock."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from nnatomy import compilation
from nnatomy.compilation import compiled, inlined, lies_ready

KERNEL = """
from nnatomy.compilation import compiled
from kernels.part import factor

@compiled
def scaled(values):
    total = 0.0
    for value in values:
        total += factor() * value
    return total
"""
PART = """
from nnatomy.compilation import compiled

@compiled
def factor():
    return {value}
"""
CALL = """
import sys, numpy as np
sys.path.insert(0, {folder!r})
from kernels.whole import scaled
from nnatomy.compilation import lies_ready
print(lies_ready(scaled), scaled(np.ones(3)), sum(scaled.stats.cache_hits.values()))
"""


def call(folder: Path, **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(CALL.format(folder=str(folder)))],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    return done.stdout.split()


@pytest.fixture
def kernels(tmp_path: Path) -> Path:
    package = tmp_path / "kernels"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "whole.py").write_text(KERNEL)
    (package / "part.py").write_text(PART.format(value=2.0))
    return package


def test_a_second_process_finds_the_code(kernels: Path) -> None:
    assert call(kernels.parent) == ["False", "6.0", "0"]
    assert call(kernels.parent) == ["True", "6.0", "1"]


def test_a_change_of_a_called_function_is_noticed(kernels: Path) -> None:
    assert call(kernels.parent)[1] == "6.0"
    (kernels / "part.py").write_text(PART.format(value=5.0))
    assert call(kernels.parent) == ["False", "15.0", "0"]


def test_a_change_is_noticed_in_a_chosen_folder_too(kernels: Path, tmp_path: Path) -> None:
    chosen = str(tmp_path / "chosen")
    assert call(kernels.parent, NUMBA_CACHE_DIR=chosen)[1] == "6.0"
    (kernels / "part.py").write_text(PART.format(value=5.0))
    assert call(kernels.parent, NUMBA_CACHE_DIR=chosen)[1] == "15.0"


LEARNING = """
import torch
from nnatomy.data.samples import TensorSamples
from nnatomy.models import MLP
from nnatomy.training import Settings, fit
from nnatomy.training.optimizers import OPTIMIZERS

generator = torch.Generator().manual_seed(0)
samples = TensorSamples(
    torch.randn(200, 20, generator=generator), torch.randint(0, 4, (200,), generator=generator)
)
for activation in ("relu", "tanh", "sigmoid"):
    for optimizer in OPTIMIZERS:
        torch.manual_seed(0)
        network = MLP(20, 4, hidden=(16, 8), activation=activation)
        settings = Settings(epochs=2, optimizer=optimizer, l2=0.01, engine="compiled")
        fit(network, samples, settings=settings)
        weights = torch.nn.utils.parameters_to_vector(network.parameters())
        print(activation, optimizer, weights.detach().numpy().tobytes().hex())
"""


def test_the_process_that_compiles_rounds_like_those_after_it(tmp_path: Path) -> None:
    runs = [
        subprocess.run(
            [sys.executable, "-c", LEARNING],
            capture_output=True,
            text=True,
            check=True,
            env={**os.environ, "NUMBA_CACHE_DIR": str(tmp_path / "cache")},
        ).stdout
        for _ in range(2)
    ]
    assert runs[0] == runs[1]
    assert len(runs[0].splitlines()) == 21


def test_a_folder_that_cannot_be_written(
    kernels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(elsewhere))
    monkeypatch.setattr(compilation.os, "access", lambda *_: False)
    assert compilation._cache_root(kernels) == elsewhere
    monkeypatch.undo()
    assert compilation._cache_root(kernels) == kernels / "__pycache__"


def test_no_folder_at_all_still_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    real = compilation.numba.njit

    def refusing(*arguments: object, **options: object) -> object:
        if options.pop("cache", False):
            raise RuntimeError("cannot cache function: no locator available")
        return real(*arguments, **options)

    monkeypatch.setattr(compilation.numba, "njit", refusing)

    def double(value: float) -> float:
        return 2 * value

    assert compiled(double)(3.0) == 6.0


def test_a_chosen_cache_folder_is_kept(kernels: Path, tmp_path: Path) -> None:
    chosen = tmp_path / "chosen"
    assert call(kernels.parent, NUMBA_CACHE_DIR=str(chosen))[1] == "6.0"
    assert list(chosen.rglob("*.nbc"))
    assert not list((kernels / "__pycache__").rglob("*.nbc"))


def test_inlined_parts_are_plain_functions_for_the_reader() -> None:
    @inlined
    def twice(value: float) -> float:
        return 2 * value

    assert twice.py_func(4.0) == 8.0  # type: ignore[attr-defined]
    assert not lies_ready(twice)


def test_nan_keeps_its_meaning() -> None:
    from nnatomy.training.dense_units import activate

    values = np.array([np.nan, -1.0, 2.0, np.inf])
    for code in range(9):
        out = np.empty(4)
        activate(code, values, out)
        assert np.isnan(out[0]), code
        assert np.isfinite(out[1:3]).all(), code
