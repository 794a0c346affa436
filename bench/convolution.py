"""A ResNet-18-shaped network on 32×32 images: training and inference against eager PyTorch."""

from __future__ import annotations

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


def main() -> None:
    torch.manual_seed(0)
    images, labels = torch.randn(RECORDS, 3, 32, 32), torch.randint(0, 10, (RECORDS,))
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

    difference = (eager() - ours()).abs().max().item()
    for title, raised in (("as the library is imported", False), ("as the command runs", True)):
        if raised:
            keep_freed_memory()
        print_table(
            f"training, one epoch of {RECORDS} images, {title}",
            compare(
                {
                    "raw eager loop, NCHW, Adam": lambda: raw_training(images, labels),
                    "nnatomy fit": lambda: our_training(samples),
                },
                rounds=5,
            ),
            {"nnatomy fit": 0.85},
        )
        print_table(
            f"inference of {RECORDS} images, {title} (largest difference {difference:.1e})",
            compare({"eager, NCHW": eager, "nnatomy outputs_of(for_inference)": ours}, rounds=9),
            {"nnatomy outputs_of(for_inference)": 0.75},
        )
    print(f"peak memory {peak_memory_mb():.0f} MB")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
