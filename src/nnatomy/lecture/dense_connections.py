"""C11: dense connections need fewer parameters."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from nnatomy.lecture.curves import last
from nnatomy.lecture.digits import digit_pictures
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim, compare
from nnatomy.lecture.sketches import dense_layers_of, layers_in_line, millions, sketch, weights_of
from nnatomy.models.alexnet import AlexNet
from nnatomy.models.densenet import (
    DenseLayer,
    DenseNet,
    densenet121,
    densenet169,
    densenet201,
    densenet264,
)
from nnatomy.models.googlenet import GoogLeNet
from nnatomy.models.resnet import (
    BasicBlock,
    ResNet,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
)
from nnatomy.models.summary import count_parameters
from nnatomy.models.vgg import vgg16, vgg19
from nnatomy.training.many import fit_many
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

DENSENETS = {121: densenet121, 169: densenet169, 201: densenet201, 264: densenet264}
PUBLISHED = {121: 7_978_856, 169: 14_149_480, 201: 20_013_928}
"""Parameters of torchvision's networks."""
WIDTHS, GROWTHS, SEEDS = (4, 8), (4, 6), 3
_HELD_OUT, NOISE = 700, 0.004
_SETTINGS = Settings(
    epochs=10, batch_size=50, lr=0.01, schedule="one_cycle", device="cpu", threads=1
)


def dense_connections() -> Experiment:
    """Depths and counts, how they grow, and a real run of small networks."""
    return Experiment([*_counts(), *_growth(), _trained()], [_size_figure(), _run_figure()])


def _counts() -> list[Row]:
    networks = {depth: sketch(build) for depth, build in DENSENETS.items()}
    counts = {depth: count_parameters(network) for depth, network in networks.items()}
    return [
        compare(
            "C11",
            "layers with weights of DenseNet-121, 169, 201 and 264, one after the other",
            slide=list(DENSENETS),
            computed=[layers_in_line(network) for network in networks.values()],
            erratum="the blocks that the paper gives the last (table 1: 6, 12, 64 and 48 layers of "
            "two convolutions each) make 265 with the stem, three transitions and the dense layer",
        ),
        claim(
            "C11",
            "parameters in millions of DenseNet-121, 169, 201 and 264",
            {depth: counts[depth] for depth in PUBLISHED} == PUBLISHED
            and all(dense_layers_of(network) == 1 for network in networks.values()),
            [millions(count) for count in counts.values()],
            reason="the first three are to the unit the published counts; one dense layer each",
        ),
        claim(
            "C11",
            "parameters in millions of DenseNet-201 and of ResNet-101, whose errors on ImageNet "
            "are similar",
            counts[201] < count_parameters(sketch(resnet101)) / 2,
            [millions(counts[201]), millions(count_parameters(sketch(resnet101)))],
            slide="fewer parameters",
            reason="that the errors are similar is said in Huang et al. 2017, 4.3, and not "
            "computed here",
        ),
    ]


def _filters(inputs: int, outputs: int) -> int:
    """Weights of a layer of 3×3 filters."""
    return weights_of(sketch(lambda: nn.Conv2d(inputs, outputs, 3, bias=False)))


def _growth() -> list[Row]:
    residual = [_filters(c, c) for c in (64, 128, 256)]
    dense = [_filters(layer * 12, 12) for layer in (1, 2, 3, 4)]
    wider = [_filters(4 * k, k) for k in (12, 24)]
    steps = [
        weights_of(sketch(functools.partial(DenseLayer, 64 + layer * 32, 32))) for layer in range(6)
    ]
    return [
        claim(
            "C11",
            "weights of a layer of 3×3 filters from C maps to C, for C = 64, 128 and 256",
            residual == [9 * c * c for c in (64, 128, 256)],
            residual,
            slide="O(C × C)",
            reason="twice the maps, four times the weights",
        ),
        claim(
            "C11",
            "weights of the l-th layer of a dense block, which reads l·k maps and adds k = 12, for "
            "l = 1, 2, 3 and 4",
            dense == [9 * layer * 12 * 12 for layer in (1, 2, 3, 4)] and wider[1] == 4 * wider[0],
            dense,
            slide="O(l × k × k)",
            reason=f"in proportion to l, and four times as many with k = 24 ({wider[1]:,} for "
            f"l = 4)",
        ),
        claim(
            "C11",
            "weights by which the layers of DenseNet-121's first block grow, from each to the next "
            "(bottleneck layers, k = 32)",
            {b - a for a, b in pairwise(steps)} == {4 * 32 * 32},
            [b - a for a, b in pairwise(steps)],
            reason=f"4 k² each, from {steps[0]:,} in the first: a 1×1 layer to 4 k maps reads "
            "what grows; the 3×3 layer after it has 36 k² in every layer",
        ),
    ]


Built = Callable[[], nn.Module]


def networks() -> dict[str, Built]:
    """Small residual and dense networks for the digits, by name."""
    made: dict[str, Built] = {}
    for width in WIDTHS:
        made[f"residual, width {width}"] = functools.partial(
            ResNet, BasicBlock, (1, 1, 1), num_classes=10, in_channels=1, stem="small", width=width
        )
    for growth in GROWTHS:
        made[f"dense, k = {growth}"] = functools.partial(
            DenseNet, (3, 3), num_classes=10, in_channels=1, stem="small", growth=growth
        )
    return made


@functools.cache
def trained(name: str) -> list[Session]:
    """Several starts of one of these networks, on 1,000 digits."""
    train, valid = digit_pictures(1000, _HELD_OUT)
    built = []
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        built.append(networks()[name]())
    settings = [replace(_SETTINGS, seed=seed) for seed in range(SEEDS)]
    return fit_many(built, train, valid, settings=settings)


def size_and_scores(name: str) -> tuple[int, list[float]]:
    """Parameters of a network, and the accuracy of each of its starts."""
    return count_parameters(networks()[name]()), last(trained(name), "valid_score").tolist()


def _trained() -> Row:
    found = {name: size_and_scores(name) for name in networks()}
    dense, own = f"dense, k = {GROWTHS[-1]}", f"residual, width {WIDTHS[-1]}"
    means = {name: float(np.mean(scores)) for name, (_, scores) in found.items()}
    return claim(
        "C11",
        f"accuracy on {_HELD_OUT} digits held out, then parameters: {dense}, and {own}",
        means[dense] >= means[own] - NOISE and found[dense][0] < found[own][0],
        [round(means[dense], 3), round(means[own], 3), found[dense][0], found[own][0]],
        slide="fewer parameters",
        reason=f"means of {SEEDS} starts; it holds when the smaller network is at most {NOISE:g} "
        "behind, the standard error of one accuracy. "
        + "; ".join(
            f"{name}: {size:,} parameters, {min(scores):.3f}–{max(scores):.3f}"
            for name, (size, scores) in found.items()
        ),
    )


def _size_figure() -> Figure:
    families: dict[str, dict[str, Built]] = {
        "AlexNet": {"AlexNet": AlexNet},
        "VGG": {"VGG-16": vgg16, "VGG-19": vgg19},
        "GoogLeNet": {"GoogLeNet": lambda: GoogLeNet(batch_norm=False, auxiliary=False)},
        "ResNet": {
            "ResNet-18": resnet18,
            "34": resnet34,
            "50": resnet50,
            "101": resnet101,
            "152": resnet152,
        },
        "DenseNet": {"DenseNet-121": densenet121, "169": densenet169, "201": densenet201},
    }

    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import SERIES

        places = {"VGG-16": (8, -22), "GoogLeNet": (14, -7)}
        places |= {"ResNet-18": (-40, 20), "DenseNet-121": (-60, 14)}

        axes = canvas.subplots()
        for members, color in zip(families.values(), SERIES, strict=False):
            drawn = {name: sketch(build) for name, build in members.items()}
            depths = [layers_in_line(network) for network in drawn.values()]
            sizes = [count_parameters(network) / 1e6 for network in drawn.values()]
            axes.plot(depths, sizes, "o-", color=color, markersize=9)
            for name, x, y in zip(drawn, depths, sizes, strict=True):
                place = places.get(name, (8, 8))
                axes.annotate(name, (x, y), place, textcoords="offset points", color=color)
        axes.set(
            xlabel="layers with weights",
            ylabel="parameters, millions",
            xlim=(0, 225),
            ylim=(0, 165),
        )

    return Figure(
        "C11_sizes",
        "Deeper networks with fewer parameters",
        "Layers with weights on the longest way, and all parameters, for images of 224×224 and "
        "1,000 classes.",
        draw,
    )


def _run_figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, ORANGE

        axes = canvas.subplots()
        for name in networks():
            size, scores = size_and_scores(name)
            color = BLUE if name.startswith("dense") else ORANGE
            axes.plot([size] * len(scores), scores, "o", color=color, alpha=0.35, markersize=8)
            axes.plot(size, np.mean(scores), "D", color=color, markersize=11)
            axes.annotate(
                name,
                (size, float(np.mean(scores))),
                (14, -22 if color == BLUE else 10),
                textcoords="offset points",
                color=color,
            )
        axes.set_xscale("log")
        low, high = axes.get_xlim()
        axes.set(
            xlabel="parameters",
            ylabel=f"accuracy, {_HELD_OUT} digits held out",
            xlim=(low, 2.2 * high),
        )

    return Figure(
        "C11_parameters",
        "Small dense and residual networks by their size",
        f"1,000 digits of 8×8, {_SETTINGS.epochs} epochs of Adam; {SEEDS} starts (dots) and their "
        "mean.",
        draw,
    )
