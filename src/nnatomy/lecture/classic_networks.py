"""C7 and C8: AlexNet and VGG, counted."""

from __future__ import annotations

from torch import nn

from nnatomy.lecture.experiment import Experiment
from nnatomy.lecture.row import Row, claim, compare
from nnatomy.lecture.sketches import (
    convolutions_of,
    dense_layers_of,
    layers_in_line,
    millions,
    sketch,
    weights_of,
)
from nnatomy.models.alexnet import AlexNet
from nnatomy.models.summary import count_parameters, summarize
from nnatomy.models.vgg import vgg11, vgg13, vgg16, vgg19

VGGS = {11: vgg11, 13: vgg13, 16: vgg16, 19: vgg19}
PAPER_MILLIONS = {11: 133, 13: 133, 16: 138, 19: 144}
"""Table 2 of Simonyan and Zisserman 2015."""


def alexnet() -> Experiment:
    """The sizes of its filters, its layers and its parameters."""
    network = sketch(AlexNet)
    filters = convolutions_of(network)
    sides = [layer.kernel_size[0] for layer in filters]
    strides = [layer.stride[0] for layer in filters]
    outputs = [row.output for row in summarize(network, (3, 224, 224))]
    return Experiment(
        [
            claim(
                "C7",
                "side and number of the maps of the last pooling before the dense layers, for an "
                "image of 224×224",
                (256, 6, 6) in outputs,
                "6×6×256",
                slide="input size 224 by 224",
                reason="with two rows of padding, as in Krizhevsky 2014; without padding the "
                "network of 2012 needs 227×227",
            ),
            claim(
                "C7",
                "sides of the filters, then their steps, from the first convolution to the last",
                sides == sorted(sides, reverse=True) and strides[0] == max(strides) > 1,
                [*sides, *strides],
                slide="large filters with wide strides in the lower layers, small ones with "
                "narrow strides in the upper layers",
            ),
            compare("C7", "layers with weights", slide=8, computed=layers_in_line(network)),
            compare(
                "C7",
                "dense layers",
                slide=2,
                computed=dense_layers_of(network),
                erratum="two hidden ones of 4,096 units and the output layer, which has weights "
                "too; the 8 layers of another slide count it: 5 convolutions and 3 dense layers",
            ),
            *_parameters(network),
        ]
    )


def two_columns() -> nn.Module:
    """The convolutions and dense layers of 2012: the second, fourth and fifth in two halves."""
    return nn.Sequential(
        nn.Conv2d(3, 96, 11, stride=4),
        nn.Conv2d(96, 256, 5, groups=2),
        nn.Conv2d(256, 384, 3),
        nn.Conv2d(384, 384, 3, groups=2),
        nn.Conv2d(384, 256, 3, groups=2),
        nn.Linear(256 * 6 * 6, 4096),
        nn.Linear(4096, 4096),
        nn.Linear(4096, 1000),
    )


def _parameters(network: nn.Module) -> list[Row]:
    halves = count_parameters(sketch(two_columns))
    dense = sum(weights_of(m) for m in network.modules() if isinstance(m, nn.Linear))
    return [
        compare(
            "C7",
            "parameters in millions",
            slide=60,
            computed=millions(count_parameters(network)),
            tolerance=0.5,
            erratum="rounded down, as in the paper: the network of 2012, in two halves, has "
            f"{halves:,}, the one in a single column (Krizhevsky 2014), which is built here, "
            f"{count_parameters(network):,}",
        ),
        claim(
            "C7",
            "share of the weights that lies in the dense layers",
            dense > 0.9 * weights_of(network),
            round(dense / weights_of(network), 3),
        ),
    ]


def vgg() -> Experiment:
    """Depths and parameters of the four networks, and what they are made of."""
    networks = {depth: sketch(build) for depth, build in VGGS.items()}
    counts = {depth: count_parameters(network) for depth, network in networks.items()}
    filters = [layer for network in networks.values() for layer in convolutions_of(network)]
    pools = [m for n in networks.values() for m in n.modules() if isinstance(m, nn.MaxPool2d)]
    return Experiment(
        [
            claim(
                "C8",
                "convolutions of the four networks that are 3×3 with stride 1, of all",
                all(f.kernel_size == (3, 3) and f.stride == (1, 1) for f in filters),
                f"{sum(f.kernel_size == (3, 3) and f.stride == (1, 1) for f in filters)} of "
                f"{len(filters)}",
                slide="3 by 3 convolution with stride 1",
            ),
            claim(
                "C8",
                "max poolings that are 2×2 with stride 2, of all",
                all(p.kernel_size == 2 and p.stride == 2 for p in pools),
                f"{sum(p.kernel_size == 2 for p in pools)} of {len(pools)}",
                slide="2 by 2 max pooling is used",
            ),
            compare(
                "C8",
                "layers with weights of the deepest",
                slide=19,
                computed=layers_in_line(networks[19]),
            ),
            claim(
                "C8",
                "layers with weights of VGG-11, 13, 16 and 19",
                [layers_in_line(n) for n in networks.values()] == list(VGGS),
                [layers_in_line(n) for n in networks.values()],
            ),
            compare(
                "C8",
                "parameters of VGG-16 in millions",
                slide=138,
                computed=millions(counts[16]),
                tolerance=0.5,
                reason=f"{counts[16]:,}",
            ),
            claim(
                "C8",
                "parameters of VGG-11, 13, 16 and 19 in millions",
                [round(c / 1e6) for c in counts.values()] == list(PAPER_MILLIONS.values()),
                [millions(count) for count in counts.values()],
                reason="133, 133, 138 and 144 in table 2 of the paper",
            ),
            _dense_share(networks[16]),
        ]
    )


def _dense_share(network: nn.Module) -> Row:
    dense = sum(weights_of(m) for m in network.modules() if isinstance(m, nn.Linear))
    products = summarize(network, (3, 224, 224))
    of_dense = sum(r.multiplications for r in products if r.layer.startswith("Linear"))
    shares = [dense / weights_of(network), of_dense / sum(r.multiplications for r in products)]
    return claim(
        "C8",
        "VGG-16: share of the weights that lies in the dense layers, and of the multiplications",
        shares[0] > 0.85 and shares[1] < 0.05,
        [round(share, 3) for share in shares],
        reason="the memory is in the dense layers, the time in the convolutions",
    )
