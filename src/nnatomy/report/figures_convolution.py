"""A convolution or a pooling as a picture: input, window, kernel, products, sum, map."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.resources import files
from typing import TypeAlias

from torch import Tensor

from nnatomy.nn.convolution import Convolution
from nnatomy.nn.pooling import Pooling, mean_kernel
from nnatomy.report.grids import Block, Grid, Shade, entries, shade_of
from nnatomy.report.svg import Box, Drawing

Worked: TypeAlias = Convolution | Pooling
Line: TypeAlias = "list[Block | str]"

WIDTH = 1000.0  # what is wider goes on in a new line
GAP, MARGIN = 30.0, 16.0
MOST_CELLS = 20  # a side up to which the numbers are shown
MOST_CHANNELS = 4
_WHITE = 255.0


def convolution_figure(
    worked: Worked,
    position: tuple[int, int] = (0, 0),
    *,
    picture: bool = False,
    most: int = MOST_CELLS,
    side: float = 340.0,
    paper: bool = True,
) -> str:
    """Draw how one value of the map comes about, as SVG that needs no style sheet.

    Args:
        worked: The convolution or pooling.
        position: Row and column of the map, from 0.
        picture: Whether the input is a picture: grey levels 0 to 255.
        most: Rows and columns up to which numbers are shown, above it pixels.
        side: Longest side of what is shown as pixels.
        paper: On white; otherwise on what is behind it, with its text color.

    Raises:
        SettingError: The map has no such position.
    """
    if isinstance(worked, Convolution):
        lines = _of_convolution(worked, position, picture, most, side)
    else:
        lines = _of_pooling(worked, position, picture, most, side)
    lines = [part for line in lines for part in _wrapped(line)]
    width = max(map(_width, lines)) + 2 * MARGIN
    heights = [max(item.height for item in line if isinstance(item, Block)) for line in lines]
    height = sum(heights) + GAP * (len(lines) - 1) + 2 * MARGIN
    drawing = Drawing(width, height, _title(worked), _alt(worked, position))
    drawing.root.set("class", "convolution")
    drawing.style(files("nnatomy.report").joinpath("templates/convolution.css").read_text())
    if paper:
        drawing.rect(Box(0, 0, width, height), "paper")
    top = MARGIN
    for line, high in zip(lines, heights, strict=True):
        _draw_line(drawing, line, top, high)
        top += high + GAP
    return drawing.render()


def map_shade(worked: Worked, picture: bool) -> Shade:
    """The colors of the map: grey where a picture comes out again, signed for differences."""
    white = None
    if picture:
        gain = worked.kernel.sum().item() if isinstance(worked, Convolution) else 1.0
        white = _WHITE * gain if gain > 1e-6 else None
    return shade_of(_grid(worked.map), white=white)


def _of_convolution(
    done: Convolution, position: tuple[int, int], picture: bool, most: int, side: float
) -> list[Line]:
    step = done.at(*position)
    products = step.products
    shown = range(min(len(done.kernel), MOST_CHANNELS))
    several = len(done.kernel) > 1
    lines: list[Line] = []
    for c in shown:
        where = f" channel {c + 1} of {len(done.kernel)}," if several else ""
        given = _input(done, done.padded[c], position, f"input{where}", picture, most, side)
        steps: Line = []
        if max(done.kernel.shape[1:]) <= most:
            kernel, found = _grid(done.kernel[c]), _grid(products[c])
            total = f"products, sum {entries([products[c].sum().item()])[0]}"
            steps += ["×", Block(f"kernel {_size(done.kernel[c])}", kernel, shade_of(kernel)), "="]
            steps.append(Block(total, found, shade_of(found)))
        lines += _with_steps(given, Block("window", _grid(step.window[c]), given.shade), steps)
    sums = f"sum of all {entries([step.sum])[0]}, " if several else ""
    made = _map(done, done.map, position, f"{sums}map", picture, most, side)
    if several:
        return [*lines, ["→", made]]
    lines[0] += ["→", made]
    return lines


def _with_steps(given: Block, window: Block, steps: Line) -> list[Line]:
    """What becomes of an input: beside it, or below it with the window where it has no cells."""
    if not given.raster:
        return [[given, *steps]]
    return [[given], [window, *steps]] if steps else [[given]]


def _of_pooling(
    done: Pooling, position: tuple[int, int], picture: bool, most: int, side: float
) -> list[Line]:
    step = done.at(*position)
    lines: list[Line] = []
    for c in range(min(len(done.map), MOST_CHANNELS)):
        where = f" channel {c + 1} of {len(done.map)}," if len(done.map) > 1 else ""
        given = _input(done, done.padded[c], position, f"input{where}", picture, most, side)
        value = entries([step.values[c].item()])[0]
        window = Block(f"window, {done.kind} {value}", _grid(step.window[c]), given.shade)
        steps: Line = []
        if done.size <= most and done.kind == "average":
            weights = _grid(mean_kernel(done.size)[0])
            products = window.values * weights
            steps += ["×", Block(f"weights 1/{done.size**2}", weights, shade_of(weights)), "="]
            steps.append(Block(f"products, sum {value}", products, shade_of(products)))
        elif done.size <= most:
            steps += ["→", window]
        made: Line = ["→", _map(done, done.map[c], position, f"map{where}", picture, most, side)]
        if given.raster:
            lines.append([given, *made])
            if steps:
                lines.append([window, *steps] if done.kind == "average" else [window])
        else:
            lines.append([given, *steps, *made])
    return lines


def _input(
    worked: Worked,
    padded: Tensor,
    position: tuple[int, int],
    name: str,
    picture: bool,
    most: int,
    side: float,
) -> Block:
    values, padding = _grid(padded), worked.padding
    row, column = (worked.stride * place for place in position)
    if isinstance(worked, Convolution):
        (rows, columns), apart = worked.kernel.shape[1:], worked.dilation
    else:
        (rows, columns), apart = (worked.size, worked.size), 1
    raster = max(values.shape) > most
    if apart == 1 or raster:
        marks = [(row, column, apart * (rows - 1) + 1, apart * (columns - 1) + 1)]
    else:
        marks = [
            (row + apart * f, column + apart * g, 1, 1) for f in range(rows) for g in range(columns)
        ]
    inner = worked.input.shape
    title = f"{name} {inner[1]}×{inner[2]}" + (f", padding {padding}" if padding else "")
    shade = shade_of(values, white=_WHITE if picture else None)
    if raster:
        values = values.clip(min=-shade.limit)  # of the padding of max pooling
    return Block(title, values, shade, padding, marks, raster, side)


def _map(
    worked: Worked,
    made: Tensor,
    position: tuple[int, int],
    name: str,
    picture: bool,
    most: int,
    side: float,
) -> Block:
    raster = max(made.shape) > most
    marks = [(*position, 1, 1)]
    title = f"{name} {_size(made)}"
    return Block(title, _grid(made), map_shade(worked, picture), 0, marks, raster, side)


def _grid(values: Tensor) -> Grid:
    grid: Grid = values.detach().double().cpu().numpy()
    return grid


def _size(values: Tensor) -> str:
    return f"{values.shape[0]}×{values.shape[1]}"


def _width(line: Line) -> float:
    return sum(item.width + GAP if isinstance(item, Block) else GAP for item in line) - GAP


def _wrapped(line: Line) -> list[Line]:
    """The line in parts that fit; a sign goes with the block behind it."""
    parts: list[Line] = [[]]
    pending: Line = []
    for item in line:
        pending.append(item)
        if isinstance(item, Block):
            if parts[-1] and _width(parts[-1] + pending) > WIDTH:
                parts.append([])
            parts[-1] += pending
            pending = []
    return parts


def _draw_line(drawing: Drawing, line: Sequence[Block | str], top: float, high: float) -> None:
    left = MARGIN
    for item in line:
        if isinstance(item, str):
            drawing.text((left, top + high / 2 + 6), item, "sign")
            left += GAP
        else:
            item.draw(drawing, left, top + (high - item.height) / 2)
            left += item.width + GAP


def _title(worked: Worked) -> str:
    if isinstance(worked, Pooling):
        kind = "Max pooling" if worked.kind == "max" else "Average pooling"
        return f"{kind}, windows {worked.size}×{worked.size}, stride {worked.stride}"
    apart = f", dilation {worked.dilation}" if worked.dilation > 1 else ""
    return f"Convolution, stride {worked.stride}, padding {worked.padding}{apart}"


def _alt(worked: Worked, position: tuple[int, int]) -> str:
    row, column = position
    made = (
        worked.map[row, column] if isinstance(worked, Convolution) else worked.map[:, row, column]
    )
    value = ", ".join(entries(made.reshape(-1).tolist()[:MOST_CHANNELS]))
    sizes = [f"{values.shape[-2]}×{values.shape[-1]}" for values in (worked.input, worked.map)]
    return (
        f"An input of {sizes[0]} gives a map of {sizes[1]}; the value in row {row + 1}, column "
        f"{column + 1} of the map is {value}."
    )
