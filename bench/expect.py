"""What to expect of a machine: images a second that networks learn from, and that they judge.

One epoch by `fit` and one pass by the copy for inference, with the defaults of the catalog: narrow
networks and published ones on 32×32 images, published ones on 224×224. Run on an idle machine:

    python -m bench.expect
"""

from __future__ import annotations

import time
from typing import Any

import torch

from bench.images import as_trained
from nnatomy.data.samples import TensorSamples
from nnatomy.models.catalog import build_network
from nnatomy.models.summary import count_multiplications, count_parameters
from nnatomy.training import Settings, fit, outputs_of
from nnatomy.training.devices import processors
from nnatomy.training.folding import for_inference
from nnatomy.training.memory import keep_freed_memory

NARROW: dict[str, dict[str, Any]] = {
    "lenet": {},
    "alexnet": {"width": 16},
    "vgg11_bn": {"width": 16},
    "googlenet": {"width": 16},
    "resnet18": {"width": 16},
    "densenet121": {"growth": 12},
}
PUBLISHED: dict[str, dict[str, Any]] = {
    name: {} for name in ("alexnet", "vgg11_bn", "googlenet", "resnet18", "resnet50", "densenet121")
}
SECONDS = 6.0
"""Of each measurement, at least one batch."""


def learned(name: str, own: dict[str, Any], shape: tuple[int, int, int], batch: int) -> float:
    """Images a second of training."""
    settings = Settings(epochs=1, batch_size=batch)

    def epoch(count: int) -> None:
        torch.manual_seed(0)
        fit(build_network(name, shape, 10, own), samples_of(shape, count), settings=settings)

    epoch(batch)  # the first batch finds its memory
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS:
        epoch(4 * batch)
        count += 4 * batch
    return count / (time.perf_counter() - began)


def judged(name: str, own: dict[str, Any], shape: tuple[int, int, int]) -> float:
    """Images a second of prediction."""
    network = for_inference(as_trained(build_network(name, shape, 10, own)))
    samples = samples_of(shape, 64 if shape[1] < 100 else 8)
    outputs_of(network, samples)
    count, began = 0, time.perf_counter()
    while time.perf_counter() - began < SECONDS / 2:
        outputs_of(network, samples)
        count += len(samples)
    return count / (time.perf_counter() - began)


def samples_of(shape: tuple[int, int, int], count: int) -> TensorSamples:
    return TensorSamples(torch.randn(count, *shape), torch.arange(count) % 10)


def table(title: str, networks: dict[str, dict[str, Any]], side: int, batch: int) -> None:
    print(f"\n{title}, batch {batch}")
    print("| network | parameters, millions | million products | learns | judges | 6,000 images |")
    print("|---|---|---|---|---|---|")
    shape = (3, side, side)
    for name, own in networks.items():
        network = build_network(name, shape, 10, own)
        products = count_multiplications(network, shape) / 1e6
        settings = ", ".join(f"{k}={v}" for k, v in own.items())
        trains, answers = learned(name, own, shape, batch), judged(name, own, shape)
        print(
            f"| `{name}` {settings} | {count_parameters(network) / 1e6:.2f} | {products:,.0f} | "
            f"{trains:,.0f} | {answers:,.0f} | {_minutes(6000 / trains)} |",
            flush=True,
        )


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def main() -> None:
    print(f"{processors()} processors; images a second; time of an epoch of 6,000 images")
    table("narrow networks, 32×32", NARROW, 32, 64)
    table("published widths, 32×32", PUBLISHED, 32, 64)
    table("as published, 224×224", PUBLISHED, 224, 8)


if __name__ == "__main__":
    keep_freed_memory()
    main()
