"""C9: GoogLeNet's table, line by line from the network, and the arithmetic of 1×1 filters."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim, compare
from nnatomy.lecture.sketches import (
    convolutions_of,
    layers_in_line,
    millions,
    products_of,
    sketch,
    weights_of,
)
from nnatomy.models.googlenet import GoogLeNet, Inception
from nnatomy.models.summary import count_parameters

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

ITEM = "C9"


@dataclass(frozen=True)
class Line:
    """A line of the table.

    Args:
        name: Its first column.
        parts: The layers of the network that it stands for, by the end of their names.
        output: Size of the maps.
        depth: Layers with weights, one after the other.
        params: Weights in units of 1024; None where nothing is printed.
        ops: Multiplications in millions; None where nothing is printed.
        filters: The six numbers of an inception module.
    """

    name: str
    parts: tuple[str, ...]
    output: str
    depth: int
    params: float | None = None
    ops: float | None = None
    filters: str = ""


PRINTED = (
    Line("convolution 7×7/2", ("conv1",), "112×112×64", 1, 2.7, 34),
    Line("max pool", ("maxpool1",), "56×56×64", 0),
    Line("convolution 3×3/1", ("conv2", "conv3"), "56×56×192", 2, 112, 360),
    Line("max pool", ("maxpool2",), "28×28×192", 0),
    Line("inception (3a)", ("inception3a",), "28×28×256", 2, 159, 128, "64 96 128 16 32 32"),
    Line("inception (3b)", ("inception3b",), "28×28×480", 2, 380, 304, "128 128 192 32 96 64"),
    Line("max pool", ("maxpool3",), "14×14×480", 0),
    Line("inception (4a)", ("inception4a",), "14×14×512", 2, 364, 73, "192 96 208 16 48 64"),
    Line("inception (4b)", ("inception4b",), "14×14×512", 2, 437, 88, "160 112 224 24 64 64"),
    Line("inception (4c)", ("inception4c",), "14×14×512", 2, 463, 100, "128 128 256 24 64 64"),
    Line("inception (4d)", ("inception4d",), "14×14×528", 2, 580, 119, "112 144 288 32 64 64"),
    Line("inception (4e)", ("inception4e",), "14×14×832", 2, 840, 170, "256 160 320 32 128 128"),
    Line("max pool", ("maxpool4",), "7×7×832", 0),
    Line("inception (5a)", ("inception5a",), "7×7×832", 2, 1072, 54, "256 160 320 32 128 128"),
    Line("inception (5b)", ("inception5b",), "7×7×1024", 2, 1388, 71, "384 192 384 48 128 128"),
    Line("avg pool", ("pool",), "1×1×1024", 0),
    Line("linear", ("head",), "1×1×1000", 1, 1000, 1),
)
"""The slide's table, with the lines that compute something."""

ERRATA = {
    ("convolution 7×7/2", "params"): "7·7·3·64 = 9,408 weights, 9.4 thousand; 2.7 thousand are "
    "14·3·64, as of filters of 7×1 and 1×7",
    ("convolution 7×7/2", "ops"): "9,408 weights at 112×112 places; the printed 34 M belong to the "
    "2.7 thousand weights, which are wrong too",
    ("inception (3b)", "params"): "the filters of the line have 388,096 weights; 380 K comes "
    "out when their 640 biases are counted, which other lines leave out",
    ("inception (4a)", "params"): "the filters of the line have 375,552 weights",
    ("inception (4a)", "ops"): "375,552 weights at 14×14 places; the printed 73 M belong to the "
    "printed 364 K",
    ("inception (4b)", "params"): "the filters of the line have 448,512 weights",
    ("inception (4c)", "params"): "the filters of the line have 509,440 weights, and the printed "
    "100 M multiplications belong to them, not to 463 K",
    ("inception (4d)", "params"): "the filters of the line have 604,672 weights, and the printed "
    "119 M multiplications belong to them, not to 580 K",
    ("inception (4e)", "params"): "the filters of the line have 867,328 weights, and the printed "
    "170 M multiplications belong to them, not to 840 K",
    ("inception (5a)", "params"): "the filters of the line, those of 4e, have 1,042,432 weights",
    ("inception (5a)", "ops"): "1,042,432 weights at 7×7 places; the printed 54 M belong to the "
    "printed 1072 K",
    ("inception (5b)", "params"): "the filters of the line have 1,442,816 weights, and the printed "
    "71 M multiplications belong to them, not to 1388 K",
}


@dataclass(frozen=True)
class Measured:
    """What the network has on a line: see Line; weights and multiplications as they are."""

    output: str
    depth: int
    weights: int
    multiplications: int
    filters: str


def paper_network() -> nn.Module:
    """The network of the paper, without auxiliary heads: the table leaves them out."""
    return sketch(lambda: GoogLeNet(batch_norm=False, auxiliary=False))


@functools.cache
@torch.no_grad()
def measured() -> tuple[Measured, ...]:
    """The lines of PRINTED from the network, for an image of 224×224."""
    network = paper_network()
    maps = torch.zeros(1, 3, 224, 224, device="meta")
    found = []
    for line in PRINTED:
        depth = weights = products = 0
        for name in line.parts:
            part = network.get_submodule(name if name in ("pool", "head") else f"features.{name}")
            shape = tuple(maps.flatten(1).shape[1:] if name == "head" else maps.shape[1:])
            depth += layers_in_line(part)
            weights += weights_of(part)
            products += products_of(part, shape)
            maps = part(maps.flatten(1) if name == "head" else maps)
        filters = _filters(part) if isinstance(part, Inception) else ""
        found.append(Measured(_size(maps), depth, weights, products, filters))
    return tuple(found)


def _size(maps: torch.Tensor) -> str:
    height, width = maps.shape[2:] if maps.dim() == 4 else (1, 1)
    return f"{height}×{width}×{maps.shape[1]}"


def _filters(module: Inception) -> str:
    """Numbers of filters in the order of the table's columns, which is that of the branches."""
    return " ".join(str(layer.out_channels) for layer in convolutions_of(module))


def googlenet() -> Experiment:
    """The table, the network as a whole, and what 1×1 filters save."""
    return Experiment([*_table(), *_whole(), *_one_by_one()], [_figure()])


def _table() -> list[Row]:
    lines = list(zip(PRINTED, measured(), strict=True))
    rows = [
        compare(
            ITEM,
            "output sizes of the lines, from the first convolution to the linear layer",
            slide=", ".join(line.output for line, _ in lines),
            computed=", ".join(own.output for _, own in lines),
        ),
        compare(
            ITEM,
            "depths of the lines: layers with weights, one after the other",
            slide=[line.depth for line, _ in lines],
            computed=[own.depth for _, own in lines],
        ),
        compare(
            ITEM,
            "filters of the nine inception modules, in the order of the columns",
            slide="; ".join(line.filters for line, _ in lines if line.filters),
            computed="; ".join(own.filters for _, own in lines if own.filters),
        ),
    ]
    for line, own in lines:
        if line.params is not None and line.ops is not None:
            rows += _counts(line, own, line.params, line.ops)
    return rows


def _counts(line: Line, own: Measured, params: float, ops: float) -> list[Row]:
    digits = 0.05 if line.name == "convolution 7×7/2" else 0.5
    return [
        compare(
            ITEM,
            f"{line.name}: weights in units of 1024",
            slide=params,
            computed=round(own.weights / 1024, 2),
            tolerance=digits,
            erratum=ERRATA.get((line.name, "params"), ""),
            reason=f"{own.weights:,} weights, without biases",
        ),
        compare(
            ITEM,
            f"{line.name}: multiplications in millions",
            slide=ops,
            computed=round(own.multiplications / 1e6, 2),
            tolerance=0.5,
            erratum=ERRATA.get((line.name, "ops"), ""),
        ),
    ]


def _whole() -> list[Row]:
    network = paper_network()
    printed = 1024 * sum(line.params for line in PRINTED if line.params is not None)
    return [
        compare(
            ITEM,
            "layers with weights, one after the other",
            slide=22,
            computed=layers_in_line(network),
        ),
        claim(
            ITEM,
            "all weights in millions, without and with biases",
            abs(weights_of(network) / printed - 1) < 0.01,
            [round(weights_of(network) / 1e6, 3), round(count_parameters(network) / 1e6, 3)],
            reason=f"the printed lines make {printed / 1e6:.3f} million, less than 1 % fewer",
        ),
    ]


def _one_by_one() -> list[Row]:
    direct = sketch(lambda: nn.Conv2d(480, 48, 5, padding=2, bias=False))
    reduce = sketch(lambda: nn.Conv2d(480, 16, 1, bias=False))
    narrow = sketch(lambda: nn.Conv2d(16, 48, 5, padding=2, bias=False))
    maps = (480, 14, 14)
    products = [
        products_of(direct, maps),
        products_of(reduce, maps),
        products_of(narrow, (16, 14, 14)),
    ]
    values = [(products[0], 112.9, "5×5 filters on 480 maps"), (products[1], 1.5, "1×1 filters")]
    values += [
        (products[2], 3.8, "5×5 filters on 16 maps"),
        (products[1] + products[2], 5.3, "both together"),
    ]
    rows = [
        compare(
            ITEM,
            f"14×14, 48 maps out, {name}: multiplications in millions",
            slide=printed,
            computed=millions(count),
            tolerance=0.05,
            reason=f"{count:,}",
        )
        for count, printed, name in values
    ]
    weights = [weights_of(direct), weights_of(reduce) + weights_of(narrow)]
    ratio = weights[0] / weights[1]
    rows.append(
        compare(
            ITEM,
            "the same in parameters, in millions: without, and with 1×1 filters before",
            slide=[112.9, 5.3],
            computed=[round(count / 1e6, 3) for count in weights],
            tolerance=0.05,
            erratum="the printed numbers are multiplications, each filter being used at 14×14 "
            f"places; parameters are {weights[0]:,} and {weights[1]:,}, {ratio:.1f} times fewer",
        )
    )
    return rows


def _figure() -> Figure:
    lines = [(p, o) for p, o in zip(PRINTED, measured(), strict=True) if p.params is not None]

    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, ORANGE

        places = range(len(lines))
        panels = canvas.subplots(1, 2, sharey=True)
        columns = (
            ("params", 1024, "weights", "weights, units of 1024"),
            ("ops", 1e6, "multiplications", "multiplications, millions"),
        )
        for axes, (printed, unit, own, label) in zip(panels, columns, strict=True):
            theirs = [getattr(line, printed) for line, _ in lines]
            ours = [getattr(found, own) / unit for _, found in lines]
            axes.hlines(places, theirs, ours, color="#bbbbbb", linewidth=2)
            axes.plot(theirs, places, "o", color=ORANGE, markersize=11, fillstyle="none", mew=2.5)
            axes.plot(ours, places, "o", color=BLUE, markersize=7)
            axes.set(xlabel=label, xlim=(0, None))
            axes.grid(axis="y", color="#eeeeee")
        panels[0].set_yticks(places, [line.name for line, _ in lines])
        panels[0].invert_yaxis()
        for height, name, color in ((0.97, "printed", ORANGE), (0.9, "from the network", BLUE)):
            panels[0].text(
                *(0.98, height, name),
                color=color,
                ha="right",
                va="top",
                transform=panels[0].transAxes,
            )

    return Figure(
        "C9_googlenet_table",
        "GoogLeNet's table: most printed weights are not those of its filters",
        "Printed numbers (rings) and those of the network (dots); where they agree the dot is in "
        "the ring.",
        draw,
    )
