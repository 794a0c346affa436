"""What a class activation map costs beside the forward pass that it explains, in turn."""

from __future__ import annotations

import torch
from torch import nn

from bench.residual import SmallResNet
from bench.timing import compare, print_table
from nnatomy.explain import cam, occlusion
from nnatomy.models import lenet
from nnatomy.models.catalog import build_network

LIMIT = 1.15
BATCH = 64
FAMILIES = ("alexnet", "vgg11_bn", "googlenet", "resnet18", "densenet121")
"""One network of each, as the catalog builds it for small images."""


def cases() -> dict[str, tuple[nn.Module, int]]:
    """Networks and the side of their images."""
    found: dict[str, tuple[nn.Module, int]] = {
        "ResNet, width 32": (SmallResNet(), 32),
        "LeNet, 32": (lenet((3, 32, 32), 10), 32),
        "LeNet, 64": (lenet((3, 64, 64), 10), 64),
    }
    for name in FAMILIES:
        found[name] = (build_network(name, (3, 32, 32), 10, {}), 32)
    return found


def main() -> None:
    torch.set_num_threads(2)
    for name, (network, side) in cases().items():
        torch.manual_seed(0)
        images = torch.randn(BATCH, 3, side, side)
        network.eval()

        def forward(network=network, images=images) -> None:
            with torch.no_grad():
                network(images)

        ways = {
            "forward pass": forward,
            "cam": lambda network=network, images=images: cam(network, images),
        }
        method = cam(network, images[:2]).method
        title = f"{name}, {BATCH} images of 3×{side}×{side}, {method}"
        print_table(title, compare(ways, rounds=15), {"cam": LIMIT})
    asked_for(*cases()["ResNet, width 32"])


def asked_for(network: nn.Module, side: int) -> None:
    """What is not computed unless it is asked for."""
    images = torch.randn(8, 3, side, side)
    network.eval()
    ways = {
        "cam": lambda: cam(network, images),
        "cam and its faithfulness": lambda: cam(network, images).faithfulness,
        "occlusion": lambda: occlusion(network, images),
    }
    print_table(f"ResNet, width 32, 8 images of 3×{side}×{side}", compare(ways, rounds=3))


if __name__ == "__main__":
    main()
