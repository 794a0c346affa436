"""C10: residual networks, their depths and sizes, and what depth does to plain ones."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nnatomy.lecture.curves import columns, draw_starts, last
from nnatomy.lecture.digits import digit_pictures
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim, compare
from nnatomy.lecture.sketches import dense_layers_of, layers_in_line, millions, sketch
from nnatomy.models.resnet import (
    BasicBlock,
    ResNet,
    plain18,
    plain34,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
)
from nnatomy.models.summary import count_parameters
from nnatomy.models.vgg import vgg19
from nnatomy.training.many import fit_many
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

RESNETS = {18: resnet18, 34: resnet34, 50: resnet50, 101: resnet101, 152: resnet152}
PUBLISHED = {
    18: 11_689_512,
    34: 21_797_672,
    50: 25_557_032,
    101: 44_549_160,
    152: 60_192_808,
}
"""Parameters of torchvision's networks."""
DEPTHS, SEEDS, RATES = (8, 32), 3, (0.03, 0.1, 0.3)
MUCH = 0.2
"""Share of what depth adds to the loss of the plain network."""
_SETTINGS = Settings(epochs=6, batch_size=100, optimizer="momentum", device="cpu", threads=1)


def build(depth: int, skip: bool, seed: int) -> ResNet:
    """A network of 6 n + 2 layers, 4, 8 and 16 maps wide: the form of the paper, 4.2."""
    torch.manual_seed(seed)
    blocks = ((depth - 2) // 6,) * 3
    return ResNet(
        BasicBlock, blocks, num_classes=10, in_channels=1, stem="small", width=4, skip=skip
    )


@functools.cache
def trained(depth: int, skip: bool, rate: float) -> list[Session]:
    """Several starts of a network on 1,000 digits, with 500 held out."""
    train, valid = digit_pictures(1000, 500)
    networks = [build(depth, skip, seed) for seed in range(SEEDS)]
    settings = [replace(_SETTINGS, lr=rate, seed=seed) for seed in range(SEEDS)]
    return fit_many(networks, train, valid, settings=settings)


def best_rate(depth: int, skip: bool) -> float:
    """The rate with the lowest mean training loss at the end."""
    return min(RATES, key=lambda rate: float(last(trained(depth, skip, rate), "loss").mean()))


def at_best(depth: int, skip: bool) -> list[Session]:
    """The runs at that rate."""
    return trained(depth, skip, best_rate(depth, skip))


def residual() -> Experiment:
    """Counts of the published networks, and plain against residual ones of two depths."""
    return Experiment([*_counts(), *_depth_hurts()], [_figure()])


def _counts() -> list[Row]:
    networks = {depth: sketch(build) for depth, build in RESNETS.items()}
    counts = {depth: count_parameters(network) for depth, network in networks.items()}
    twins = {resnet18: plain18, resnet34: plain34}
    shortcuts = [
        count_parameters(sketch(own)) - count_parameters(sketch(plain))
        for own, plain in twins.items()
    ]
    vgg = count_parameters(sketch(vgg19))
    return [
        compare(
            "C10",
            "layers with weights of the deepest, one after the other",
            slide=152,
            computed=layers_in_line(networks[152]),
        ),
        claim(
            "C10",
            "the same of ResNet-18, 34, 50, 101 and 152",
            [layers_in_line(network) for network in networks.values()] == list(RESNETS),
            [layers_in_line(network) for network in networks.values()],
        ),
        claim(
            "C10",
            "dense layers of ResNet-18, 34, 50, 101 and 152",
            all(dense_layers_of(network) == 1 for network in networks.values()),
            [dense_layers_of(network) for network in networks.values()],
            slide="remove fully connected layer",
            reason="the one that is left gives the outputs; there is no hidden one",
        ),
        claim(
            "C10",
            "parameters in millions of ResNet-18, 34, 50, 101 and 152",
            counts == PUBLISHED and max(counts.values()) < vgg,
            [millions(count) for count in counts.values()],
            slide="less parameters are required",
            reason=f"VGG-19 has {millions(vgg)}; these are to the unit the published counts",
        ),
        claim(
            "C10",
            "parameters of the shortcuts of ResNet-18 and 34, against the plain networks",
            shortcuts == [_projections()] * 2,
            shortcuts,
            reason="three 1×1 projections where the width doubles, with their normalization; all "
            "other shortcuts are free",
        ),
    ]


def _projections() -> int:
    """By hand: widths 64 to 128, 128 to 256, 256 to 512, each with a scale and a shift a map."""
    return sum(w * 2 * w + 2 * 2 * w for w in (64, 128, 256))


def _depth_hurts() -> list[Row]:
    shallow, deep = DEPTHS
    plain, own = [
        [last(at_best(depth, skip), "loss") for depth in DEPTHS] for skip in (False, True)
    ]
    added = [float(losses[1].mean() - losses[0].mean()) for losses in (plain, own)]
    scores = [float(last(at_best(deep, skip), "valid_score").mean()) for skip in (False, True)]
    after = f"training loss after {_SETTINGS.epochs} epochs"
    return [
        claim(
            "C10",
            f"plain network: {after} with {shallow} and with {deep} layers",
            bool(plain[1].min() > plain[0].max()),
            ", ".join(map(_range, plain)),
            reason="depth hurts: it is the training loss that rises, so this is no overfitting; "
            + _how(False),
        ),
        claim(
            "C10",
            f"residual network: {after} with {shallow} and with {deep} layers",
            bool(own[1].max() < plain[1].min()) and added[1] < MUCH * added[0],
            ", ".join(map(_range, own)),
            slide="better gradient flow (we can make a really deep network)",
            reason=f"depth adds {added[1]:.3f} where it adds {added[0]:.3f} to the plain network; "
            f"it holds when that is less than {MUCH:.0%} and every deep residual network is below "
            f"every deep plain one; " + _how(True),
        ),
        claim(
            "C10",
            f"{deep} layers, accuracy on 500 digits held out: plain, and residual",
            scores[1] > scores[0],
            [round(score, 3) for score in scores],
            reason=f"means of {SEEDS} starts",
        ),
    ]


def _range(values: NDArray[np.float64]) -> str:
    return f"{values.mean():.3f} ({values.min():.3f}–{values.max():.3f})"


def _how(skip: bool) -> str:
    best = " and ".join(f"{best_rate(depth, skip):g}" for depth in DEPTHS)
    rates = ", ".join(f"{rate:g}" for rate in RATES)
    return (
        f"mean and range of {SEEDS} starts on 1,000 digits, momentum 0.9, rates {rates}, of which "
        f"the best are {best}"
    )


def _figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, ORANGE, label_ends, whole_ticks

        panels = canvas.subplots(1, 2, sharey=True)
        for axes, skip, title in zip(panels, (False, True), ("plain", "residual"), strict=True):
            ends = []
            for depth, color in zip(DEPTHS, (BLUE, ORANGE), strict=True):
                curves = columns(at_best(depth, skip), "loss")
                ends.append(draw_starts(axes, curves, f"{depth} layers", color))
            axes.set(title=title, xlabel="epoch", xlim=(1, _SETTINGS.epochs), ylim=(0, 2.4))
            whole_ticks(axes)
            label_ends(axes, ends)
        panels[0].set_ylabel("training loss")

    return Figure(
        "C10_plain_and_residual",
        "Depth hurts plain networks, residual ones hardly",
        f"1,000 digits of 8×8; networks of 3×3 convolutions, each normalized, with and without "
        f"shortcuts; {SEEDS} starts and their mean, each at its best rate.",
        draw,
    )
