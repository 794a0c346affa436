"""The network as a drawing: its layers as blocks whose faces follow the shapes of their outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nnatomy.report.document import Figure
from nnatomy.report.svg import Box, Drawing
from nnatomy.report.wording import count, line, plain, plural, shape

WIDTH = 720
SLOTS = 7  # most blocks in a row
ROW = 226  # pixels from one row of blocks to the next
MOST_BLOCKS = 48
TALLEST = 96.0


@dataclass(frozen=True)
class Stage:
    """One block: a layer with weights or a change of shape, and the layers that only follow it.

    Args:
        part: First component of the layer's name: "features", "head" …
        layer: Kind of the layer with its main numbers.
        output: Shape of its output.
        parameters: Weights of the block.
        followers: Kinds of the layers after it that keep the shape and have no weights.
        layers: How many layers the block stands for.
    """

    part: str
    layer: str
    output: tuple[int, ...]
    parameters: int
    followers: tuple[str, ...] = ()
    layers: int = 1


def stages(architecture: Sequence[Mapping[str, Any]]) -> list[Stage]:
    """Gather layers into the blocks to draw.

    A layer without weights that keeps the shape (an activation, dropout) joins the block before
    it. Where more than 48 blocks remain, neighbors of the same part and shape are merged.
    """
    found: list[Stage] = []
    for entry in architecture:
        if not entry.get("output"):  # not part of prediction
            continue
        stage = Stage(
            part=plain(entry.get("name", "")).split(".")[0],
            layer=plain(entry.get("layer", "")),
            output=tuple(int(size) for size in entry.get("output") or ()),
            parameters=int(entry.get("parameters") or 0),
        )
        before = found[-1] if found else None
        if before and not stage.parameters and stage.output == before.output:
            found[-1] = _joined(before, stage, (*before.followers, _type(stage.layer)))
        else:
            found.append(stage)
    return found if len(found) <= MOST_BLOCKS else _merged(found)


def network_figure(architecture: Sequence[Mapping[str, Any]]) -> Figure | None:
    """Draw the layer stack, rows of blocks to be read like lines of text.

    The height of a block follows the height of its maps (or the length of its vector), the
    slant their width, the thickness the number of channels, all on a logarithmic measure.

    Returns:
        The figure, or None where there are no layers.
    """
    drawn = stages(architecture)[: 2 * MOST_BLOCKS]
    if not drawn:
        return None
    alt = "; ".join(_in_words(stage) for stage in drawn) + "."
    rows = math.ceil(len(drawn) / SLOTS)
    slots = math.ceil(len(drawn) / rows)
    drawing = Drawing(WIDTH, rows * ROW - 10, "Layer stack", alt)
    pitch = min(WIDTH / slots, 132.0)
    largest = _largest(drawn)
    for position, stage in enumerate(drawn):
        row, column = divmod(position, slots)
        center, middle = (column + 0.5) * pitch, row * ROW + 92
        if column:
            _draw_arrow(drawing, (center - pitch / 2 + 6, middle))
        _draw_block(drawing, stage, (center, middle), largest)
        _draw_words(drawing, stage, (center, middle + 68), round(pitch / 7.4))
    _draw_parts(drawing, drawn, slots, pitch)
    caption = (
        "Each block is the output of a layer, in reading order: its height and slant follow the "
        "size of the maps, its thickness the number of channels (logarithmic). Layers that keep "
        "the shape and have no weights are named under the block they follow."
    )
    return Figure("Layer stack", alt, drawing.render(), caption)


def _type(layer: str) -> str:
    return layer.split("(")[0].strip() or "layer"


def _joined(first: Stage, second: Stage, followers: tuple[str, ...]) -> Stage:
    return Stage(
        part=first.part,
        layer=first.layer,
        output=second.output,
        parameters=first.parameters + second.parameters,
        followers=followers,
        layers=first.layers + second.layers,
    )


def _merged(found: Sequence[Stage]) -> list[Stage]:
    merged: list[Stage] = []
    for stage in found:
        if merged and (merged[-1].part, merged[-1].output) == (stage.part, stage.output):
            merged[-1] = _joined(merged[-1], stage, ())
        else:
            merged.append(stage)
    return merged


def _largest(drawn: Sequence[Stage]) -> tuple[int, int, int]:
    """The most channels, the greatest side of a map and the greatest length of a vector."""
    maps = [stage.output for stage in drawn if len(stage.output) >= 2]
    channels = max((sizes[-3] if len(sizes) >= 3 else sizes[0] for sizes in maps), default=1)
    side = max((max(sizes[-2:]) if len(sizes) >= 3 else sizes[1] for sizes in maps), default=1)
    length = max((stage.output[0] for stage in drawn if len(stage.output) == 1), default=1)
    return channels, side, length


def _extent(size: int, largest: int, pixels: float) -> float:
    return max(pixels * math.log2(size + 1) / math.log2(max(largest, 1) + 1), 4.0)


def _sizes(output: tuple[int, ...], largest: tuple[int, int, int]) -> tuple[float, float, float]:
    """Thickness, height and slant of a block, in pixels."""
    channels, side, length = largest
    if len(output) >= 3:
        slant = _extent(output[-1], side, 26.0)
        return _extent(output[-3], channels, 40.0), _extent(output[-2], side, 80.0), slant
    if len(output) == 2:
        return _extent(output[0], channels, 56.0), _extent(output[1], side, 80.0), 0.0
    return 12.0, _extent(output[0] if output else 1, length, TALLEST), 0.0


def _draw_arrow(drawing: Drawing, tip: tuple[float, float]) -> None:
    x, y = tip
    drawing.line((x - 14, y), (x, y), "flow")
    drawing.curve([(x - 5, y - 4), (x, y), (x - 5, y + 4)], "flow")


def _draw_block(
    drawing: Drawing, stage: Stage, center: tuple[float, float], largest: tuple[int, int, int]
) -> None:
    wide, tall, slant = _sizes(stage.output, largest)
    lift = slant * 0.6
    left, top = center[0] - (wide + slant) / 2, center[1] - (tall - lift) / 2
    right, bottom = left + wide, top + tall
    css = "block" if stage.parameters else "block bare"
    if slant:
        roof = [(left, top), (left + slant, top - lift), (right + slant, top - lift), (right, top)]
        side = [
            (right, top),
            (right + slant, top - lift),
            (right + slant, bottom - lift),
            (right, bottom),
        ]
        drawing.curve(roof, f"{css} roof", closed=True)
        drawing.curve(side, f"{css} side", closed=True)
    drawing.rect(Box(left, top, right, bottom), css)


def _draw_words(drawing: Drawing, stage: Stage, place: tuple[float, float], letters: int) -> None:
    x, y = place
    whole = stage.layers > 1 + len(stage.followers)
    name = f"{stage.layers} layers" if whole else _type(stage.layer).removeprefix("Adaptive")
    drawing.text((x, y), line(name, letters), "strong", "middle")
    drawing.text((x, y + 18), shape(stage.output), "", "middle")
    if stage.parameters:
        drawing.text((x, y + 35), f"{count(stage.parameters)} weights", "muted", "middle")
    if stage.followers:
        words = line("+ " + ", ".join(dict.fromkeys(stage.followers)), letters + 2)
        drawing.text((x, y + (52 if stage.parameters else 35)), words, "muted", "middle")


def _draw_parts(drawing: Drawing, drawn: Sequence[Stage], slots: int, pitch: float) -> None:
    """A rule over neighboring blocks of one part, with its name."""
    start = 0
    for position in range(1, len(drawn) + 1):
        if position < len(drawn) and position % slots and drawn[position].part == drawn[start].part:
            continue
        top = start // slots * ROW
        left, right = (start % slots) * pitch + 6, ((position - 1) % slots + 1) * pitch - 6
        drawing.line((left, top + 24), (right, top + 24), "axis")
        drawing.text((left, top + 16), line(drawn[start].part, int((right - left) / 7)), "muted")
        start = position


def _in_words(stage: Stage) -> str:
    words = f"{stage.layer} gives {shape(stage.output)}"
    if stage.layers > 1 + len(stage.followers):
        words = f"{stage.layers} layers of {stage.part} give {shape(stage.output)}"
    if stage.parameters:
        words += f" with {plural(stage.parameters, 'weight')}"
    if stage.followers:
        words += f", then {', '.join(stage.followers)}"
    return words
