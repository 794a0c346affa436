"""Convolution and pooling to look at: from what a user has to numbers, text and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from markupsafe import Markup
from numpy.typing import NDArray
from torch import Tensor

from nnatomy.data.matrices import Matrix, read_matrix
from nnatomy.errors import DataError, SettingError, nearest
from nnatomy.nn import convolution, pooling
from nnatomy.nn.convolution import Convolution
from nnatomy.nn.kernels import KERNELS, named_kernel
from nnatomy.nn.pooling import Kind, Pooling
from nnatomy.report.convolution_text import (
    NOTE,
    convolution_text,
    headline,
    positions,
    size_formula,
    steps_text,
)
from nnatomy.report.figures_convolution import Worked, convolution_figure, map_shade
from nnatomy.report.grids import png
from nnatomy.report.html import template
from nnatomy.training.atomic import write_bytes

Numbers: TypeAlias = "str | Path | Sequence[Any] | NDArray[Any] | Tensor"
"""A matrix or a stack of them; numbers typed out; or the path of a CSV, TSV or image file."""

MOST_STEPS = 400
"""Positions up to which all of them are listed in pages."""
MOST_VALUES = 10_000
"""Values up to which a matrix is given in `facts`."""
_FORMATS = (".svg", ".html", ".png", ".csv", ".tsv")
_NOTEBOOK_CELLS, _NOTEBOOK_PIXELS = 12, 110.0  # a snippet has at most 30 KB
_SMALL_PICTURE = 256


@dataclass(frozen=True, repr=False)
class Illustration:
    """A worked convolution or pooling that shows itself: as text, in a notebook, in a file.

    Args:
        worked: All numbers: padded input, windows, products, map.
        position: Row and column of the map, from 0, whose making is shown.
        picture: Whether the input was an image file, with grey levels 0 to 255.
    """

    worked: Worked
    position: tuple[int, int] = (0, 0)
    picture: bool = False

    @property
    def map(self) -> NDArray[np.float64]:
        """The result: (h, w) of a convolution, (C, h, w) of a pooling."""
        values: NDArray[np.float64] = self.worked.map.numpy()
        return values

    def at(self, row: int, column: int) -> Illustration:
        """The same with another position shown; rows and columns count from 0.

        Raises:
            SettingError: The map has no such position.
        """
        convolution.check_position(self.worked.map, row, column)
        return replace(self, position=(row, column))

    def text(self, *, every: bool = False) -> str:
        """Input, kernel, one step (or `every` step), and map; rows and columns count from 1."""
        return convolution_text(self.worked, None if every else self.position)

    def facts(self, *, every: bool = False) -> dict[str, Any]:
        """Everything as plain data for JSON; rows and columns count from 1, as in the text.

        A matrix of more than 10,000 values is None.
        """
        worked = self.worked
        shown = positions(worked) if every else [self.position]
        facts: dict[str, Any] = {
            "operation": "cross-correlation",
            "input": _listed(worked.input),
            "stride": worked.stride,
            "padding": worked.padding,
            "steps": [_step(worked, *place) for place in shown],
            "input_shape": list(worked.input.shape),
            "map_shape": list(worked.map.shape),
            "map": _listed(worked.map),
        }
        if isinstance(worked, Pooling):
            return facts | {"operation": f"{worked.kind} pooling", "size": worked.size}
        return facts | {"kernel": _listed(worked.kernel), "dilation": worked.dilation}

    def svg(self) -> str:
        """The picture, on white, needing nothing else."""
        return convolution_figure(self.worked, self.position, picture=self.picture)

    def html(self) -> str:
        """A page with the picture and, of a small map, every step; it needs no network."""
        few = len(positions(self.worked)) <= MOST_STEPS
        figure = convolution_figure(self.worked, self.position, picture=self.picture, paper=False)
        return template("convolution.html.j2").render(
            headline=headline(self.worked),
            formula=size_formula(self.worked),
            svg=Markup(figure),
            steps=steps_text(self.worked) if few else "",
            note="" if isinstance(self.worked, Pooling) else NOTE[0].upper() + NOTE[1:],
        )

    def save(self, path: str | Path) -> Path:
        """Write a picture (.svg), a page (.html), or the map alone (.png, .csv, .tsv).

        Raises:
            SettingError: The name ends in something else.
            RunError: The file cannot be written.
        """
        path = Path(path)
        suffix = ".html" if path.suffix.lower() == ".htm" else path.suffix.lower()
        if suffix not in _FORMATS:
            raise SettingError(f"{path}: a convolution is written as {', '.join(_FORMATS)}")
        if suffix in (".svg", ".html"):
            data = (self.svg() if suffix == ".svg" else self.html()).encode()
        elif suffix == ".png":
            data = png(self._pixels())
        else:
            data = self._table("," if suffix == ".csv" else "\t").encode()
        write_bytes(path, data)
        return path

    def __repr__(self) -> str:
        return self.text()

    def _repr_html_(self) -> str:
        return f"<div>{self._snippet(paper=False)}</div>"

    def _repr_svg_(self) -> str:
        return self._snippet(paper=True)

    def _snippet(self, *, paper: bool) -> str:
        return convolution_figure(
            self.worked,
            self.position,
            picture=self.picture,
            most=_NOTEBOOK_CELLS,
            side=_NOTEBOOK_PIXELS,
            paper=paper,
        )

    def _single(self) -> NDArray[np.float64]:
        if self.map.ndim == 3 and len(self.map) > 1:
            raise SettingError(
                f"the map has {len(self.map)} channels, a file of it holds one: save .svg or .html"
            )
        return self.map.reshape(self.map.shape[-2:])

    def _pixels(self) -> NDArray[np.uint8]:
        pixels = map_shade(self.worked, self.picture).pixels(self._single())
        times = 1 if self.picture else max(1, _SMALL_PICTURE // max(pixels.shape[:2]))
        return pixels.repeat(times, 0).repeat(times, 1)

    def _table(self, mark: str) -> str:
        rows = self._single().tolist()
        return "".join(mark.join(f"{value:.15g}" for value in row) + "\n" for row in rows)


def convolve(
    input: Numbers,  # noqa: A002 - the field's name for it
    kernel: Numbers,
    *,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
) -> Illustration:
    """Lay a kernel on every window of an input, and show every product and sum.

    Args:
        input: Numbers, typed out ("1 0 1 / 0 1 0", channels apart by "|"), or the path of a CSV,
            TSV or image file; of an image the grey levels 0 to 255.
        kernel: The same, or a name such as "sharpen" (`nnatomy list kernels`).
        stride: Pixels from one window to the next.
        padding: Zeros added at every border.
        dilation: Pixels from one weight of the kernel to the next.

    Raises:
        DataError: Input or kernel is no full block of finite numbers, or a sum overflows.
        SettingError: A number is out of range, the kernel does not fit, or its name is unknown.

    >>> convolve("1 2 / 3 4", "1 1 / 0 0").map.tolist()
    [[3.0]]
    """
    image, picture = _tensor("input", input)
    weights = _kernel(kernel)
    done = convolution.convolve(image, weights, stride=stride, padding=padding, dilation=dilation)
    _refuse_overflow(done)
    return Illustration(done, picture=picture)


def pool(
    input: Numbers,  # noqa: A002 - the field's name for it
    size: int = 2,
    *,
    kind: Kind = "max",
    stride: int | None = None,
    padding: int = 0,
) -> Illustration:
    """One value for each window of an input, its maximum or its mean, shown as `convolve` does.

    Args:
        input: As for `convolve`.
        size: Side of the window.
        kind: "max" or "average".
        stride: None for windows side by side.
        padding: Pixels at every border, at most half the window.

    Raises:
        DataError: The input is no full block of finite numbers, or a sum overflows.
        SettingError: A number is out of range, or the window does not fit.

    >>> pool("1 2 / 3 4").map.tolist()
    [[[4.0]]]
    """
    image, picture = _tensor("input", input)
    done = pooling.pool(image, size, kind=kind, stride=stride, padding=padding)
    _refuse_overflow(done)
    return Illustration(done, picture=picture)


def _tensor(name: str, given: Numbers) -> tuple[Tensor, bool]:
    if isinstance(given, str | Path):
        read: Matrix = read_matrix(given)
        return torch.from_numpy(read.values), read.is_picture
    try:
        values = given if isinstance(given, Tensor) else torch.as_tensor(np.asarray(given))
    except (TypeError, ValueError):
        raise DataError(f"{name}: rows of one length, with numbers in them, are needed") from None
    if values.is_complex() or values.dtype == torch.bool:
        raise DataError(f"{name}: numbers are needed, not {values.dtype}")
    values = values.detach().cpu().double()
    if not bool(torch.isfinite(values).all()):
        raise DataError(f"{name}: a value is not finite; put a number in its place")
    return values, False


def _refuse_overflow(done: Worked) -> None:
    if not bool(torch.isfinite(done.map).all()):
        raise DataError(
            "a sum is beyond 1e308, the largest number there is: make the values smaller"
        )


def _kernel(given: Numbers) -> Tensor:
    if not isinstance(given, str):
        return _tensor("kernel", given)[0]
    if given in KERNELS:
        return named_kernel(given)
    if given.strip() and not Path(given).suffix and given.strip()[0].isalpha():
        raise SettingError(
            f"kernel '{given}' is unknown: {nearest(given, KERNELS)}; a kernel of your own is "
            'typed as "0 1 0 / 1 -4 1 / 0 1 0"'
        )
    return _tensor("kernel", given)[0]


def _listed(values: Tensor) -> list[Any] | None:
    return None if values.numel() > MOST_VALUES else list(values.tolist())


def _step(worked: Worked, row: int, column: int) -> dict[str, Any]:
    found: dict[str, Any] = {"row": row + 1, "column": column + 1}
    if isinstance(worked, Convolution):
        step = worked.at(row, column)
        products = _listed(step.products)
        return found | {"window": _listed(step.window), "products": products, "sum": step.sum}
    pooled = worked.at(row, column)
    # JSON has no infinity: what lies in the padding of max pooling is left open.
    window = [
        [[value if np.isfinite(value) else None for value in line] for line in channel]
        for channel in pooled.window.tolist()
    ]
    return found | {"window": window, "values": pooled.values.tolist()}
