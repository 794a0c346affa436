"""nnatomy augment."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from nnatomy.cli.output import print_json, say

if TYPE_CHECKING:
    from nnatomy.data.image_decode import Fit


def command(
    source: Annotated[str, typer.Argument(help="Images, as in nnatomy train.")],
    augment: Annotated[
        str,
        typer.Option(
            "--augment",
            "--preset",
            metavar="PRESET",
            help="light, standard, strong, characters (no flips), settings such as "
            "flip=0.5,rotate=15, or both: standard,noise=0.1.",
        ),
    ] = "standard",
    target: Annotated[str | None, typer.Option(help="Column with the answers.")] = None,
    count: Annotated[int, typer.Option(help="Images, of each class in turn.")] = 6,
    versions: Annotated[int, typer.Option(help="Versions: those of the first epochs.")] = 7,
    image_size: Annotated[
        int | None, typer.Option(help="Side of the images in pixels; chosen by the data.")
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="1 for grey, 3 for color; chosen by the data.")
    ] = None,
    fit: Annotated[
        str, typer.Option(help="Images of other proportions: crop, squash or pad.")
    ] = "crop",
    seed: Annotated[int, typer.Option(help="As in nnatomy train.")] = 0,
    out: Annotated[Path, typer.Option(help="File: .png, .svg or .pdf.")] = Path("augment.png"),
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Draw what the network will see when training images are varied.

    Originals in the first column; beside them what the first epochs of nnatomy train show, with the
    same --augment and --seed.
    """
    from nnatomy.data.augmentation.settings import preset_words
    from nnatomy.data.images import ImageSettings
    from nnatomy.jobs.augmentation_sheet import augment as sheet_of

    images = ImageSettings(size=image_size, channels=channels, fit=cast("Fit", fit))
    sheet = sheet_of(
        source,
        augment,
        target=target,
        count=count,
        versions=versions,
        images=images,
        seed=seed,
    )
    sheet.write(out)
    if sheet.flips_characters:
        say("the classes look like characters: --augment characters does not flip")
    if as_json:
        print_json(sheet.to_json() | {"picture": str(out)})
        return
    facts = sheet.to_json()
    meaning = preset_words().get(facts["augment"])
    print(f"augment   {facts['augment']}" + (f" ({meaning})" if meaning else ""))
    height, width, depth = facts["size"]
    size = f"{height} × {width} × {depth}"
    print(f"images    {facts['images']} of {size}, each in {facts['versions']} versions")
    print(f"picture   {out}")
