"""Do the maps of trained networks lie on the object? Every family, on scenes whose place is known.

Networks learn generated scenes (`nnatomy.data.scenes`) from several starts, with the rule, rate
and schedule that the catalog has for them; nothing is tuned and no start is left out. On held-out
scenes the map of the true shape is asked for. The table has the pointing game (the share of maps
whose highest value lies in the object's box), also of the scenes classified rightly alone, the
faithfulness, and the rank correlation with occlusion. The picture shows the first start's maps.

Run: python -m bench.pointing [--starts 5] [--scenes 2000] [--epochs 15] [--batch 64]
     [--only NAME ...] [--device auto] [--processes N] [--out FILE.json] [--picture FILE.png]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from scipy.stats import spearmanr
from torch import Tensor, nn

from bench.processes import side_by_side
from nnatomy.data.samples import TensorSamples
from nnatomy.data.scenes import SHAPES, Scenes, scenes
from nnatomy.explain import Explanation, cam, occlusion
from nnatomy.models.catalog import build_network, entry_of
from nnatomy.models.resnet import BasicBlock, ResNet
from nnatomy.models.summary import count_parameters
from nnatomy.report.overlay import overlay, png, with_box
from nnatomy.training import Settings, fit
from nnatomy.training.devices import pick_device, processors
from nnatomy.training.memory import keep_freed_memory

SIDE, HELD_OUT, FEW, AT_ONCE = 48, 500, 24, 100
"""Of the scenes; how many are held out, and how many of these are asked what is slow to answer."""
CATALOG_NETWORKS: dict[str, dict[str, Any]] = {
    "densenet121": {"growth": 8},  # the slowest ones first
    "resnet50": {"width": 8},
    "googlenet": {"width": 16},
    "resnet18": {"width": 8},
    "vgg11_bn": {"width": 16, "hidden": 128},
    "alexnet": {"width": 16, "hidden": 128},
    "lenet": {},
}
SMALL_RESNETS = {"resnet20": (3, 3, 3), "resnet14": (2, 2, 2), "resnet8": (1, 1, 1)}
"""Three groups of blocks, as the networks for CIFAR of He et al. 2016, section 4.2."""
SMALL_WIDTH = 16
NAMES = (*CATALOG_NETWORKS, *SMALL_RESNETS)
TITLES = {
    "lenet": "LeNet",
    "alexnet": "AlexNet, width 16",
    "vgg11_bn": "VGG-11 (bn), width 16",
    "googlenet": "GoogLeNet, width 16",
    "resnet8": "ResNet (1, 1, 1), width 16",
    "resnet14": "ResNet (2, 2, 2), width 16",
    "resnet20": "ResNet (3, 3, 3), width 16",
    "resnet18": "ResNet-18, width 8",
    "resnet50": "ResNet-50, width 8",
    "densenet121": "DenseNet-121, growth 8",
}
"""In the order of the table and of the picture."""
SHOWN, FACTOR, GAP, LABEL, HEAD, TYPE, DOT = 6, 2, 10, 214, 24, 14, 4
INK, MUTED, PAPER = (27, 30, 35), (91, 98, 109), (255, 255, 255)


@dataclass(frozen=True)
class Plan:
    """What all networks have in common."""

    scenes: int
    epochs: int
    batch: int
    device: str


@dataclass(frozen=True)
class Result:
    """One network from one start.

    Args:
        name: One of NAMES.
        start: Seed of its weights and of the order of its records.
        parameters: How many it has.
        method: "cam" or "grad-cam".
        places: Rows of its last maps.
        accuracy: On the held-out scenes.
        pointing: Share of all maps whose highest value lies in the object's box.
        pointing_right: The same of the scenes classified rightly; None where there is none.
        faithfulness: Mean over a few scenes.
        agreement: Mean rank correlation with occlusion over the same.
        seconds: Training and asking.
        maps: Those that the picture shows, at the size of the scenes.
    """

    name: str
    start: int
    parameters: int
    method: str
    places: int
    accuracy: float
    pointing: float
    pointing_right: float | None
    faithfulness: float
    agreement: float
    seconds: float
    maps: NDArray[np.float32]


def build(name: str) -> nn.Module:
    if name in SMALL_RESNETS:
        depths = SMALL_RESNETS[name]
        return ResNet(BasicBlock, depths, num_classes=len(SHAPES), stem="small", width=SMALL_WIDTH)
    return build_network(name, (3, SIDE, SIDE), len(SHAPES), CATALOG_NETWORKS[name])


def settings_of(name: str, plan: Plan, start: int) -> Settings:
    """The catalog's, but as many epochs for all; small ResNets learn as ResNet-18 does."""
    usual = entry_of(name if name in CATALOG_NETWORKS else "resnet18").defaults
    own = {"epochs": plan.epochs, "batch_size": plan.batch, "device": plan.device, "seed": start}
    return Settings(**{**usual, **own})


def inputs_of(made: Scenes) -> Tensor:
    return torch.from_numpy(made.images).permute(0, 3, 1, 2).float().sub(127.5).div(40).contiguous()


def hits(values: NDArray[Any], made: Scenes) -> NDArray[np.bool_]:
    """Whether the highest value of each map lies in the object's box.

    Source: Zhang et al. 2018, Top-down neural attention by excitation backprop, section 4.1.
    """
    rows, columns = highest(values)
    left, top, right, bottom = made.boxes[: len(values)].T
    return (left <= columns) & (columns < right) & (top <= rows) & (rows < bottom)


def highest(values: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row and column of the highest value of each map."""
    return np.divmod(values.reshape(len(values), -1).argmax(1), values.shape[2])


def pictured(made: Scenes) -> list[int]:
    """The first scene of each shape, then the second ones, until there are enough."""
    turns = [int((made.labels[:k] == label).sum()) for k, label in enumerate(made.labels)]
    return sorted(range(len(made)), key=lambda k: (turns[k], made.labels[k]))[:SHOWN]


def chance(made: Scenes) -> float:
    """The pointing game of a random pixel."""
    sides = made.boxes[:, 2:] - made.boxes[:, :2]
    return float((sides.prod(1) / made.masks[0].size).mean())


def examine(job: tuple[str, int, Plan]) -> Result:
    """Train one network from one start and ask it."""
    name, start, plan = job
    began = time.perf_counter()
    shown, held_out = scenes(plan.scenes, size=SIDE, seed=0), scenes(HELD_OUT, size=SIDE, seed=1)
    torch.manual_seed(start)
    network = build(name)
    samples = TensorSamples(inputs_of(shown), torch.from_numpy(shown.labels))
    fit(network, samples, settings=settings_of(name, plan, start))
    device = pick_device(plan.device)
    inputs, truth = inputs_of(held_out).to(device), torch.from_numpy(held_out.labels).to(device)
    found = [
        cam(network, some, labels)
        for some, labels in zip(inputs.split(AT_ONCE), truth.split(AT_ONCE), strict=True)
    ]
    right = _array(torch.cat([part.scores for part in found]).argmax(1) == truth)
    values = _array(torch.cat([part.values for part in found]))
    hit = hits(values, held_out)
    few = cam(network, inputs[:FEW], truth[:FEW])
    slow = occlusion(network, inputs[:FEW], truth[:FEW], size=8, stride=4)
    return Result(
        name=name,
        start=start,
        parameters=count_parameters(network),
        method=few.method,
        places=few.maps.shape[1],
        accuracy=float(right.mean()),
        pointing=float(hit.mean()),
        pointing_right=float(hit[right].mean()) if right.any() else None,
        faithfulness=float(few.faithfulness.mean()),
        agreement=_agreement(few, slow),
        seconds=time.perf_counter() - began,
        maps=values[pictured(held_out)],
    )


def _array(tensor: Tensor) -> NDArray[Any]:
    return tensor.detach().cpu().numpy()


def _agreement(found: Explanation, slow: Explanation) -> float:
    """Mean rank correlation of two maps; one that is constant agrees with nothing."""
    pairs = zip(_array(found.values), _array(slow.values), strict=True)
    each = [
        spearmanr(a.ravel(), b.ravel()).statistic if np.ptp(a) and np.ptp(b) else 0.0
        for a, b in pairs
    ]
    return float(np.mean(each))


def examine_all(names: Iterable[str], starts: int, plan: Plan, processes: int) -> list[Result]:
    """Every network from every start, several at a time."""
    jobs = [(name, start, plan) for name in names for start in range(starts)]
    return [_told(result) for result in side_by_side(examine, jobs, min(processes, len(jobs)))]


def _told(result: Result) -> Result:
    print(
        f"  {result.name:12} start {result.start}: accuracy {result.accuracy:.3f}, pointing game "
        f"{result.pointing:.3f}, {result.seconds:.0f} s",
        flush=True,
    )
    return result


def by_name(results: Iterable[Result]) -> dict[str, list[Result]]:
    ordered = sorted(results, key=lambda result: result.start)
    found = {name: [r for r in ordered if r.name == name] for name in TITLES}
    return {name: own for name, own in found.items() if own}


def table(results: Iterable[Result]) -> str:
    rows = [
        "| network | parameters | method | last maps | accuracy | pointing game | of those "
        "classified rightly | faithfulness | rank correlation with occlusion |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, own in by_name(results).items():
        first = own[0]
        right = [r.pointing_right for r in own if r.pointing_right is not None]
        rows.append(
            f"| {TITLES[name]} | {first.parameters:,} | `{first.method}` | "
            f"{first.places}×{first.places} | {_percent([r.accuracy for r in own])} | "
            f"{_percent([r.pointing for r in own])} | {_percent(right)} | "
            f"{np.mean([r.faithfulness for r in own]):.2f} | "
            f"{np.mean([r.agreement for r in own]):.2f} |"
        )
    return "\n".join(rows)


def _percent(shares: Sequence[float]) -> str:
    """Mean (lowest–highest)."""
    if not shares:
        return "–"
    mean, low, high = (100 * float(f(shares)) for f in (np.mean, min, max))
    return f"{mean:.1f} % ({low:.1f}–{high:.1f})"


def picture(results: Iterable[Result], made: Scenes) -> Image.Image:
    """A row of scenes, and one of their maps for each network: its first start."""
    groups, shown = by_name(results), pictured(made)
    cell = FACTOR * SIDE
    size = (LABEL + SHOWN * (cell + GAP), HEAD + (len(groups) + 1) * (cell + GAP) + HEAD)
    sheet = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(TYPE)

    def row(number: int, words: Sequence[str], pictures: Iterable[Image.Image]) -> None:
        top = HEAD + number * (cell + GAP)
        for line, text in enumerate(words):
            place = (GAP, top + cell // 2 + 20 * line - 10 * len(words))
            pen.text(place, text, fill=MUTED if line else INK, font=font)
        for k, drawn in enumerate(pictures):
            sheet.paste(drawn, (LABEL + k * (cell + GAP), top))

    for k, scene in enumerate(shown):
        place = (LABEL + k * (cell + GAP) + cell // 2, 4)
        pen.text(place, SHAPES[made.labels[scene]], fill=INK, font=font, anchor="ma")
    nearest = Image.Resampling.NEAREST
    plain = (Image.fromarray(made.images[k]).resize((cell, cell), nearest) for k in shown)
    row(0, ["the scene"], plain)
    for number, (name, own) in enumerate(groups.items(), start=1):
        first = own[0]
        places = f"{first.method}, {first.places} by {first.places} places"
        hit = f"pointing game {100 * first.pointing:.1f} %"
        drawn = (_cell(made, k, values) for k, values in zip(shown, first.maps, strict=True))
        row(number, [TITLES[name], places, hit], drawn)
    words = "blue: for the shape    orange: against it    frame: the object    dot: highest value"
    pen.text((LABEL, sheet.height - HEAD), words, fill=INK, font=font)
    return sheet


def _cell(made: Scenes, k: int, values: NDArray[np.float32]) -> Image.Image:
    drawn = overlay(made.images[k], values, FACTOR * SIDE)
    drawn = with_box(drawn, made.boxes[k].tolist(), SIDE)
    row, column = (FACTOR * (int(place[0]) + 0.5) for place in highest(values[None]))
    ends = (column - DOT, row - DOT, column + DOT, row + DOT)
    ImageDraw.Draw(drawn).ellipse(ends, fill=PAPER, outline=INK)
    return drawn


def main() -> None:
    parser = argparse.ArgumentParser(description="The pointing game on generated scenes.")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--scenes", type=int, default=2000, help="to learn from")
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--processes", type=int, default=processors())
    parser.add_argument("--out", type=Path, help="also write the figures here, as JSON")
    parser.add_argument("--picture", type=Path, help="draw the maps here, as PNG")
    given = parser.parse_args()
    began = time.perf_counter()
    torch.set_num_threads(1)
    keep_freed_memory()
    plan = Plan(given.scenes, given.epochs, given.batch, given.device)
    names = [name for name in NAMES if name in given.only]
    held_out = scenes(HELD_OUT, size=SIDE, seed=1)
    print(f"{plan}, {given.starts} starts, {HELD_OUT} held-out scenes", flush=True)
    results = examine_all(names, given.starts, plan, given.processes)
    print(f"\n{table(results)}\n\nby chance {100 * chance(held_out):.1f} %")
    print(f"{time.perf_counter() - began:.0f} s")
    if given.out:
        figures = [{k: v for k, v in vars(result).items() if k != "maps"} for result in results]
        given.out.write_text(json.dumps({"plan": vars(plan), "results": figures}, indent=1))
    if given.picture:
        given.picture.write_bytes(png(picture(results, held_out), colors=256))


if __name__ == "__main__":
    main()
