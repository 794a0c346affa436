"""nnatomy convolve."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from nnatomy.cli.output import print_json, say
from nnatomy.errors import SettingError, nearest

if TYPE_CHECKING:
    from nnatomy.jobs.convolution import Illustration

_OPTIONS = ("--stride", "--padding", "--dilation", "--pool", "--size", "--at", "--all", "--out")


def command(
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help='Numbers such as "1 0 / 0 1" (channels apart by "|"), a CSV, TSV or image file.',
        ),
    ],
    kernel: Annotated[
        str | None,
        typer.Argument(
            metavar="[KERNEL]", help="The same, or a name: sharpen, blur, edge, sobel-x …"
        ),
    ] = None,
    stride: Annotated[
        int | None, typer.Option(help="From window to window; default 1, of a pooling its size.")
    ] = None,
    padding: Annotated[int, typer.Option(help="Pixels added at every border.")] = 0,
    dilation: Annotated[int, typer.Option(help="From weight to weight of the kernel.")] = 1,
    pool: Annotated[
        str | None, typer.Option(metavar="max|average", help="Pool instead of a kernel.")
    ] = None,
    size: Annotated[int | None, typer.Option(help="Side of the pooled window; default 2.")] = None,
    at: Annotated[
        str, typer.Option(metavar="ROW,COLUMN", help="Show how this value of the map is made.")
    ] = "1,1",
    every: Annotated[bool, typer.Option("--all", help="Show how every value is made.")] = False,
    out: Annotated[
        Path | None,
        typer.Option(help="Picture (.svg), page (.html), or the map alone (.png, .csv, .tsv)."),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
) -> None:
    """Show a convolution or a pooling: input, kernel, window, products, sum and map."""
    _refuse_options(source, kernel)
    row, column = _position(at)
    shown = _illustrate(source, kernel, stride, padding, dilation, pool, size).at(row, column)
    if out is not None:
        shown.save(out)
    if as_json:
        print_json(shown.facts(every=every))
    else:
        print(shown.text(every=every))
    if pool is None and not as_json:
        from nnatomy.report.convolution_text import NOTE

        say(f"note: {NOTE}")
    if out is not None:
        say(f"written: {out}")


def _illustrate(
    source: str,
    kernel: str | None,
    stride: int | None,
    padding: int,
    dilation: int,
    kind: str | None,
    size: int | None,
) -> Illustration:
    from nnatomy.jobs import convolution

    if kind is None:
        if kernel is None:
            raise SettingError(
                'a kernel is missing: give numbers such as "0 -1 0 / -1 5 -1 / 0 -1 0", a name '
                "such as sharpen, or --pool max"
            )
        if size is not None:
            raise SettingError("--size belongs to --pool: a kernel has a size of its own")
        return convolution.convolve(
            source,
            kernel,
            stride=1 if stride is None else stride,
            padding=padding,
            dilation=dilation,
        )
    if kernel is not None:
        raise SettingError("give a kernel or --pool, not both: run the command once for each")
    if dilation != 1:
        raise SettingError("--dilation belongs to a kernel: pooling takes windows without gaps")
    if kind not in ("max", "average"):
        raise SettingError(f"pooling '{kind}' is unknown: {nearest(kind, ('max', 'average'))}")
    side = 2 if size is None else size
    return convolution.pool(
        source, side, kind="max" if kind == "max" else "average", stride=stride, padding=padding
    )


def _position(text: str) -> tuple[int, int]:
    """Row and column from 0, of "1,1" for the first."""
    try:
        row, column = (int(part) for part in text.replace(" ", ",").split(",") if part)
    except ValueError:
        raise SettingError(f"--at takes row,column such as 1,3, got '{text}'") from None
    return row - 1, column - 1


def _refuse_options(*words: str | None) -> None:
    """Misspelt options arrive here as arguments, since a matrix may begin with a minus sign."""
    for word in words:
        if word and (word.startswith("--") or (word[0] == "-" and word[1:2].isalpha())):
            raise SettingError(f"there is no option {word}: {nearest(word, _OPTIONS)}")
