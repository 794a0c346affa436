"""A convolution or a pooling in plain text: matrices side by side, and each value as its sum."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from torch import Tensor

from nnatomy.nn.convolution import Convolution
from nnatomy.nn.pooling import Pooling
from nnatomy.report.figures_convolution import MOST_CELLS, Worked
from nnatomy.report.grids import entries
from nnatomy.report.wording import count, number

NOTE = (
    "this is cross-correlation, as in every network: the kernel is laid on as it stands; a "
    "convolution in the strict sense turns it by 180 degrees first"
)
_MOST_TERMS = 30


def convolution_text(
    worked: Worked, position: tuple[int, int] | None = (0, 0), *, most: int = MOST_CELLS
) -> str:
    """Sizes, input, kernel, the step at one position or at all of them, and the map.

    Args:
        worked: The convolution or pooling.
        position: Row and column of the map, from 0; None for all. The text counts from 1.
        most: Rows and columns up to which numbers are shown.

    Raises:
        SettingError: The map has no such position.
    """
    parts = [headline(worked), size_formula(worked)]
    if max(worked.padded.shape[1:]) <= most:
        parts.append(_given(worked))
    else:
        parts.append(_extremes("input", worked.input))
    if position is None:
        parts.append(steps_text(worked))
    elif max(_window_size(worked)) <= most:
        parts.append(_step(worked, *position))
    else:
        parts.append(_short_step(worked, *position))
    if max(worked.map.shape[-2:]) <= most:
        parts.append(_beside([(_name("map", worked.map), rows_of(worked.map))]))
    else:
        parts.append(_extremes("map", worked.map))
    return "\n\n".join(parts)


def steps_text(worked: Worked) -> str:
    """Every value of the map in a line of its own, written out."""
    return "\n".join(_equation(worked, *place) for place in positions(worked))


def positions(worked: Worked) -> list[tuple[int, int]]:
    """Every row and column of the map, from 0."""
    height, width = worked.map.shape[-2:]
    return list(itertools.product(range(height), range(width)))


def headline(worked: Worked) -> str:
    """What is done, in a line."""
    sizes = [_shape(values) for values in (worked.input, worked.map)]
    if isinstance(worked, Pooling):
        what = f"{worked.kind} pooling {worked.size}×{worked.size}"
    else:
        what = f"kernel {_shape(worked.kernel)}"
    words = f"input {sizes[0]}, {what}, stride {worked.stride}, padding {worked.padding}"
    if isinstance(worked, Convolution) and worked.dilation > 1:
        words += f", dilation {worked.dilation}"
    return f"{words}: map {sizes[1]}"


def size_formula(worked: Worked) -> str:
    """The size of the map, reckoned."""
    rows, columns = _window_size(worked)
    apart = worked.dilation if isinstance(worked, Convolution) else 1
    sides = zip(worked.input.shape[1:], (rows, columns), worked.map.shape[-2:], strict=True)
    found = [
        f"floor(({h} + 2·{worked.padding} - {apart}·({f} - 1) - 1) / {worked.stride}) + 1 = {made}"
        for h, f, made in sides
    ]
    if found[0] == found[1]:
        return f"rows and columns: {found[0]}"
    return f"rows: {found[0]}; columns: {found[1]}"


def rows_of(values: Tensor) -> list[str]:
    """A matrix as lines with columns that line up; channels are set apart by an empty line."""
    lines: list[str] = []
    for channel in values if values.dim() == 3 else values[None]:
        texts = [entries(row) for row in channel.tolist()]
        wide = [max(map(len, column)) for column in zip(*texts, strict=True)]
        lines += [""] if lines else []
        lines += [
            " ".join(f"{text:>{width}}" for text, width in zip(row, wide, strict=True))
            for row in texts
        ]
    return lines


def _given(worked: Worked) -> str:
    name = _name("input", worked.input)
    if worked.padding:
        name += f", padding {worked.padding}"
    given = [(name, rows_of(worked.padded))]
    if isinstance(worked, Convolution):
        given.append((_name("kernel", worked.kernel), rows_of(worked.kernel)))
    return _beside(given)


def _step(worked: Worked, row: int, column: int) -> str:
    where = f"row {row + 1}, column {column + 1} of the map"
    if isinstance(worked, Pooling):
        pooled = worked.at(row, column)
        what = "maximum" if worked.kind == "max" else f"mean, weights 1/{worked.size**2}"
        values = ", ".join(entries(pooled.values.tolist()))
        return f"{where}\n{_beside([('window', rows_of(pooled.window))])}\n{what}: {values}"
    step = worked.at(row, column)
    shown = [("window", rows_of(step.window)), ("", ["·"])]
    shown += [("kernel", rows_of(worked.kernel)), ("", ["="])]
    shown.append(("products", rows_of(step.products)))
    return f"{where}\n{_beside(shown)}\nsum: {_sum(step.products, step.sum)}"


def _short_step(worked: Worked, row: int, column: int) -> str:
    if isinstance(worked, Convolution):
        found = [worked.at(row, column).sum]
    else:
        found = worked.at(row, column).values.tolist()
    return f"row {row + 1}, column {column + 1} of the map: {', '.join(entries(found))}"


def _equation(worked: Worked, row: int, column: int) -> str:
    """One position in a line: every product written out."""
    where = f"{row + 1},{column + 1}:"
    if isinstance(worked, Pooling):
        pooled, kind = worked.at(row, column), "max" if worked.kind == "max" else "mean"
        found = [
            f"{kind}({', '.join(entries(values.flatten().tolist()))}) = {entries([value])[0]}"
            for values, value in zip(pooled.window, pooled.values.tolist(), strict=True)
        ]
        return f"{where} {'; '.join(found)}"
    step = worked.at(row, column)
    if step.products.numel() > _MOST_TERMS:
        return f"{where} {entries([step.sum])[0]}"
    factors = zip(
        entries(step.window.flatten().tolist()),
        entries(worked.kernel.flatten().tolist()),
        strict=True,
    )
    terms = " + ".join(f"{p}·{_in_brackets(k)}" for p, k in factors)
    return f"{where} {terms} = {entries([step.sum])[0]}"


def _sum(products: Tensor, total: float) -> str:
    if products.numel() > _MOST_TERMS:
        return f"of {count(products.numel())} products: {entries([total])[0]}"
    terms = " + ".join(map(_in_brackets, entries(products.flatten().tolist())))
    return f"{terms} = {entries([total])[0]}"


def _in_brackets(text: str) -> str:
    """A number as it stands behind an operator."""
    return text if text[0].isdigit() else f"({text})"


def _beside(blocks: Sequence[tuple[str, list[str]]]) -> str:
    """Blocks of lines next to each other, each under its name; a single sign in the middle."""
    high = max(len(lines) for _, lines in blocks)
    columns = []
    for name, lines in blocks:
        body = list(lines)
        if not name:
            body = [""] * ((high - 1) // 2) + body
        wide = max(len(name), *map(len, body))
        body += [""] * (high - len(body))
        columns.append([f"{text:<{wide}}" for text in [name, *body]])
    return "\n".join("   ".join(row).rstrip() for row in zip(*columns, strict=True))


def _extremes(name: str, values: Tensor) -> str:
    low, high = number(values.min().item()), number(values.max().item())
    return f"{_name(name, values)}: from {low} to {high}, mean {number(values.mean().item())}"


def _name(name: str, values: Tensor) -> str:
    return f"{name} {_shape(values)}"


def _shape(values: Tensor) -> str:
    """Height and width, with the channels in front where there are several."""
    sizes = [str(size) for size in values.shape]
    return "×".join(sizes[1:] if len(sizes) == 3 and values.shape[0] == 1 else sizes)


def _window_size(worked: Worked) -> tuple[int, int]:
    if isinstance(worked, Pooling):
        return worked.size, worked.size
    return worked.kernel.shape[1], worked.kernel.shape[2]
