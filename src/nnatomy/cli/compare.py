"""nnatomy compare."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any

import typer

from nnatomy.cli.output import pairs, print_json, say


def command(
    source: Annotated[str, typer.Argument(help="As in nnatomy train.")],
    over: Annotated[
        list[str],
        typer.Option(
            metavar="NAME=VALUES",
            help="What is varied, e.g. init=zeros,normal,he or seed=0..9 or hidden=64/64,32: any "
            "setting, network or seed. Repeatable; all combinations are trained.",
        ),
    ],
    target: Annotated[str | None, typer.Option(help="Column with the answers.")] = None,
    task: Annotated[
        str | None, typer.Option(help="classification or regression; inferred when missing.")
    ] = None,
    network: Annotated[str | None, typer.Option(help="See: nnatomy list networks.")] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training records.")] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A setting of all networks. Repeatable."),
    ] = None,
    kind: Annotated[
        list[str] | None, typer.Option(metavar="COLUMN=KIND", help="Kind of a column. Repeatable.")
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(metavar="PRESET", help="Vary training images, as in nnatomy train."),
    ] = None,
    class_weight: Annotated[
        str | None, typer.Option(help="balanced: every class weighs the same.")
    ] = None,
    engine: Annotated[
        str | None, typer.Option(help="auto, compiled, stacked or autograd; same results.")
    ] = None,
    valid: Annotated[float, typer.Option(help="Share of records to compare by.")] = 0.15,
    test: Annotated[float, typer.Option(help="Share of records for the best one only.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Of the split, and where seed is not varied.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder for page and JSON; one under runs/ by default.")
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace a run or another comparison in that folder."),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Train a network for every combination of settings, side by side, and compare them."""
    from nnatomy.training.memory import keep_freed_memory

    keep_freed_memory()
    from nnatomy.cli.progress import CompilingNote
    from nnatomy.data.augmentation import augmentation_from
    from nnatomy.data.split import SplitPlan
    from nnatomy.jobs.compare import run_comparison
    from nnatomy.jobs.comparison_folder import ComparisonFolder
    from nnatomy.jobs.config import TrainConfig
    from nnatomy.jobs.grid import read_grid
    from nnatomy.jobs.interruption import leave_at_signal

    grid = read_grid(over)
    settings: dict[str, Any] = pairs("--set", setting or [])
    settings |= {k: v for k, v in {"epochs": epochs, "engine": engine}.items() if v is not None}
    base = TrainConfig(
        source=source,
        target=target,
        task=task,
        network=network,
        settings=settings,
        split=SplitPlan(valid=valid, test=test),
        kinds=pairs("--kind", kind or []),
        augment=augmentation_from(augment),
        class_weight=class_weight,
        seed=seed,
    )
    folder = ComparisonFolder(
        out or _default_folder(source, base.to_json(), grid), overwrite=overwrite
    )
    shown: dict[str, Any] = {} if quiet else {"observers": [CompilingNote()], "progress": say}
    with leave_at_signal("", then="nothing was saved, a comparison begins anew"):
        comparison = run_comparison(base, grid, folder=folder, say=say, **shown)
    folder.write(comparison)
    if as_json:
        print_json(comparison.to_json())
    else:
        print(comparison)
    say(f"page  {folder.page}")


def _default_folder(source: str, config: dict[str, Any], grid: dict[str, Any]) -> Path:
    from nnatomy.training.atomic import to_json

    digest = sha256(to_json({"config": config, "over": grid})).hexdigest()[:8]
    return Path("runs") / f"compare-{Path(source).stem or 'data'}-{digest}"
