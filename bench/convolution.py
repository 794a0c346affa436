"""A ResNet-18-shaped network on 32×32 images: training and inference against eager PyTorch."""

from __future__ import annotations

import subprocess
import sys
import warnings

import torch
from torch.nn import functional

from bench.residual import SmallResNet
from bench.timing import compare, peak_memory_mb, print_table
from nnatomy.data.samples import TensorSamples
from nnatomy.training import Settings, fit, outputs_of
from nnatomy.training.folding import for_inference
from nnatomy.training.memory import keep_freed_memory

RECORDS, BATCH = 256, 64


def raw_training(images: torch.Tensor, labels: torch.Tensor) -> None:
    torch.manual_seed(0)
    network = SmallResNet()
    optimizer = torch.optim.Adam(network.parameters())
    order = torch.randperm(RECORDS)
    for start in range(0, RECORDS, BATCH):
        chosen = order[start : start + BATCH]
        optimizer.zero_grad()
        functional.cross_entropy(network(images[chosen]), labels[chosen]).backward()
        optimizer.step()


def our_training(samples: TensorSamples) -> None:
    torch.manual_seed(0)
    fit(SmallResNet(), samples, settings=Settings(epochs=1, batch_size=BATCH))


def training(images: torch.Tensor, labels: torch.Tensor) -> None:
    samples = TensorSamples(images, labels)
    ways = {
        "raw eager loop, NCHW, Adam": lambda: raw_training(images, labels),
        "nnatomy fit": lambda: our_training(samples),
    }
    title = f"training, one epoch of {RECORDS} images"
    print_table(title, compare(ways, rounds=7), {"nnatomy fit": 0.85})


def inference(images: torch.Tensor, labels: torch.Tensor) -> None:
    samples = TensorSamples(images, labels)
    network = SmallResNet().eval()
    with torch.no_grad():
        for module in network.modules():  # running averages as after training, not 0 and 1
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1)
                module.running_var.uniform_(0.5, 1.5)
    fast = for_inference(network)

    @torch.no_grad()
    def eager() -> torch.Tensor:
        return torch.cat([network(part) for part in images.split(BATCH)])

    def ours() -> torch.Tensor:
        return outputs_of(fast, samples)[0]

    outputs = eager()
    difference = ((outputs - ours()).abs().max() / outputs.abs().max()).item()
    title = (
        f"inference of {RECORDS} images (largest difference {difference:.1e} of the largest output)"
    )
    name = "nnatomy outputs_of(for_inference)"
    timings = compare({"eager, NCHW": eager, name: ours}, rounds=15)
    print_table(title, timings, {name: 0.75})


PARTS = {"training": training, "inference": inference}


def main() -> None:
    """Each part in a process of its own: what ran before changes what the C library gives back."""
    if len(sys.argv) == 1:
        for memory in ("default", "kept"):
            for part in PARTS:
                print(f"\n-- {part}, freed memory: {memory}", flush=True)
                subprocess.run(
                    [sys.executable, "-m", "bench.convolution", part, memory], check=True
                )
        return
    part, memory = sys.argv[1:]
    if memory == "kept":
        keep_freed_memory()
    torch.manual_seed(0)
    images, labels = torch.randn(RECORDS, 3, 32, 32), torch.randint(0, 10, (RECORDS,))
    PARTS[part](images, labels)
    print(f"  peak memory {peak_memory_mb():.0f} MB")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
