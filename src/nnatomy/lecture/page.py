"""The lecture table as files: rows, figures, and one page that needs no network."""

from __future__ import annotations

import base64
import io
import json
import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from nnatomy.errors import RunError
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.items import ITEMS
from nnatomy.lecture.row import counts
from nnatomy.report.wording import plain

PAGE, ROWS = "index.html", "rows.json"
_DPI = 90


def write_page(folder: Path, experiments: Mapping[str, Experiment]) -> Path:
    """Write index.html, rows.json and the figures as SVG and PNG.

    Everything is made beside the folder first, so that a run that breaks off leaves no part.

    Args:
        folder: Made where it is missing; files of the same names are replaced.
        experiments: By item.

    Returns:
        The page.

    Raises:
        RunError: The folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".unfinished-") as made:
            _make(Path(made), experiments)
            for path in sorted(Path(made).iterdir()):
                shutil.move(path, folder / path.name)
    except OSError as error:
        reason = error.strerror or error
        raise RunError(f"{folder} cannot be written: {reason}; name another with --out") from None
    return folder / PAGE


def _make(folder: Path, experiments: Mapping[str, Experiment]) -> None:
    pictures: dict[str, str] = {}
    for experiment in experiments.values():
        for figure in experiment.figures:
            svg, png = drawn(figure)
            (folder / f"{figure.name}.svg").write_bytes(svg)
            (folder / f"{figure.name}.png").write_bytes(png)
            pictures[figure.name] = base64.b64encode(_small(png)).decode()
    rows = [asdict(row) for experiment in experiments.values() for row in experiment.rows]
    (folder / ROWS).write_text(json.dumps(rows, indent=1, allow_nan=False), encoding="utf-8")
    (folder / PAGE).write_text(_html(experiments, pictures), encoding="utf-8")


def drawn(figure: Figure) -> tuple[bytes, bytes]:
    """The figure as SVG and as PNG."""
    import matplotlib
    from matplotlib.figure import Figure as Canvas

    from nnatomy.report.projector import PROJECTOR

    with matplotlib.rc_context(PROJECTOR):
        canvas = Canvas(figsize=figure.size, layout="constrained")
        figure.draw(canvas)
        canvas.suptitle(figure.title)
        svg, png = io.BytesIO(), io.BytesIO()
        canvas.savefig(svg, format="svg", metadata={"Date": None})
        canvas.savefig(png, format="png", dpi=_DPI)
    return svg.getvalue(), png.getvalue()


def _small(png: bytes) -> bytes:
    """The picture in 128 colors, a third of its size."""
    from PIL import Image

    made = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(128).save(made, "png", optimize=True)
    return made.getvalue()


def _html(experiments: Mapping[str, Experiment], pictures: Mapping[str, str]) -> str:
    environment = Environment(
        loader=PackageLoader("nnatomy.lecture"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["value"] = words_of
    rows = [row for experiment in experiments.values() for row in experiment.rows]
    return environment.get_template("lecture.html.j2").render(
        items=ITEMS,
        experiments=experiments,
        pictures=pictures,
        counts=counts(rows),
        version=version("nnatomy"),
    )


def words_of(value: object) -> str:
    """A value as people read it: five significant digits, lists with commas."""
    if value is None:
        return "–"
    if isinstance(value, list | tuple):
        return ", ".join(map(words_of, value))
    if isinstance(value, float):
        return plain(f"{value:.5g}")
    return str(value)
