"""Writes torchvision_manifest.json and torchvision_outputs.json beside this file.

No test runs it: it needs torchvision, which nnatomy does not. The committed files are torchvision
0.29.1's. From the root: PYTHONPATH=tests python tests/models/make_torchvision_reference.py
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import torch
import torchvision
from torch import nn

from filled_weights import filled, image

HERE = Path(__file__).parent
NAMES = (
    *(
        "alexnet",
        "vgg11",
        "vgg13",
        "vgg16",
        "vgg19",
        "vgg11_bn",
        "vgg13_bn",
        "vgg16_bn",
        "vgg19_bn",
    ),
    *("googlenet", "resnet18", "resnet34", "resnet50", "resnet101", "resnet152"),
    *("densenet121", "densenet169", "densenet201"),
)
COMPUTED = ("alexnet", "vgg11_bn", "googlenet", "resnet18", "resnet50", "densenet121")
SIDE, CLASSES = 96, 5


def write(file: str, values: dict[str, dict]) -> None:
    """One line a network."""
    lines = [f'"{n}":{json.dumps(v, separators=(",", ":"))}' for n, v in values.items()]
    (HERE / file).write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")


def narrow_dense_layers(classifier: nn.Sequential) -> None:
    """Hidden layers of 64 units: the tests need not fill a hundred million weights."""
    first, second, last = (i for i, m in enumerate(classifier) if isinstance(m, nn.Linear))
    classifier[first] = nn.Linear(classifier[first].in_features, 64)
    classifier[second] = nn.Linear(64, 64)
    classifier[last] = nn.Linear(64, CLASSES)


def main() -> None:
    """Write both files."""
    warnings.simplefilter("ignore")
    with torch.device("meta"):
        networks = {name: getattr(torchvision.models, name)() for name in NAMES}
    shapes = {
        name: {key: list(value.shape) for key, value in network.state_dict().items()}
        for name, network in networks.items()
    }
    write("torchvision_manifest.json", shapes)
    outputs = {}
    for name in COMPUTED:
        network = getattr(torchvision.models, name)(num_classes=CLASSES).eval()
        if name in ("alexnet", "vgg11_bn"):
            narrow_dense_layers(network.classifier)
        network.load_state_dict(filled(network.state_dict()))
        with torch.no_grad():
            answer = network(image(SIDE))[0].tolist()
        outputs[name] = {"side": SIDE, "outputs": answer}
    write("torchvision_outputs.json", outputs)


if __name__ == "__main__":
    main()
