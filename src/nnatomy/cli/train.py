"""nnatomy train."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from nnatomy.cli.output import pairs, print_json, say
from nnatomy.errors import SettingError

if TYPE_CHECKING:
    from nnatomy.data.image_decode import Fit
    from nnatomy.jobs.config import TrainConfig

_HEAVY = ("examples", "evaluation", "architecture")
_FILE_WIDTH = 120


_BESIDE_CONFIG = {"config", "out", "overwrite", "as_json", "quiet"}


def command(
    context: typer.Context,
    source: Annotated[
        str | None,
        typer.Argument(
            help="Table (CSV, TSV, Parquet, XLSX), folder of class folders with images, CSV of "
            "image paths and labels, or a bundled name (see: nnatomy list datasets)."
        ),
    ] = None,
    target: Annotated[str | None, typer.Option(help="Column with the answers.")] = None,
    task: Annotated[
        str | None, typer.Option(help="classification or regression; inferred when missing.")
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="See: nnatomy list networks. Chosen by the data.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="WEIGHTS",
            help="Start from an earlier run or model, or from a safetensors file in torchvision's "
            "format.",
        ),
    ] = None,
    freeze: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PART",
            help="With --from: a part that stays as it is, e.g. features or features.layer1. "
            "Repeatable.",
        ),
    ] = None,
    warm_up: Annotated[
        int | None, typer.Option(help="With --from: epochs in which only the head is trained.")
    ] = None,
    earlier_rate: Annotated[
        float | None,
        typer.Option(
            help="With --from: learning rate of each part as a share of the next part's, e.g. 0.4."
        ),
    ] = None,
    epochs: Annotated[int | None, typer.Option(help="Passes over the training records.")] = None,
    batch_size: Annotated[
        int | None, typer.Option(help="Records a step; 1 learns record by record.")
    ] = None,
    lr: Annotated[str | None, typer.Option(help="Learning rate, or auto to search one.")] = None,
    optimizer: Annotated[str | None, typer.Option(help="See: nnatomy list optimizers.")] = None,
    schedule: Annotated[str | None, typer.Option(help="See: nnatomy list schedules.")] = None,
    patience: Annotated[
        str | None,
        typer.Option(help="Epochs without improvement before stopping early, or none."),
    ] = None,
    setting: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any setting of the network or the training, e.g. hidden=64,32. Repeatable.",
        ),
    ] = None,
    class_weight: Annotated[
        str | None, typer.Option(help="balanced: every class weighs the same.")
    ] = None,
    heal: Annotated[
        bool,
        typer.Option("--heal", help="Try remedies for what is found wrong, and keep what helps."),
    ] = False,
    kind: Annotated[
        list[str] | None,
        typer.Option(
            metavar="COLUMN=KIND",
            help="Kind of a column: number, category, boolean, date, text, id. Repeatable.",
        ),
    ] = None,
    group: Annotated[
        str | None, typer.Option(help="Column whose equal values stay in one split.")
    ] = None,
    time: Annotated[
        str | None, typer.Option(help="Column to split by: the newest records are the test set.")
    ] = None,
    valid: Annotated[float, typer.Option(help="Share of records for validation.")] = 0.15,
    test: Annotated[float, typer.Option(help="Share of records for the final test.")] = 0.2,
    image_size: Annotated[
        int | None, typer.Option(help="Side of the images in pixels; chosen by the data.")
    ] = None,
    channels: Annotated[
        int | None, typer.Option(help="1 for grey, 3 for color; chosen by the data.")
    ] = None,
    fit: Annotated[
        str, typer.Option(help="Images of other proportions: crop, squash or pad.")
    ] = "crop",
    augment: Annotated[
        str | None,
        typer.Option(
            metavar="PRESET",
            help="Vary training images in every epoch: light, standard, strong, characters (no "
            "flips), or settings such as flip=0.5,rotate=15. See: nnatomy augment SOURCE.",
        ),
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda, mps.")] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            help="auto, compiled (plain dense networks) or autograd; same results. The engine "
            "stacked is for several networks at once: nnatomy compare."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything that is drawn.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; one under runs/ by default.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Start anew in a folder that holds another run.")
    ] = False,
    config: Annotated[
        Path | None, typer.Option(help="Do the job of this config.json (of an earlier run).")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress.")] = False,
) -> None:
    """Train a network on a source of data; write a run folder with the model and a report.

    The same command goes on where an interrupted run stopped.
    """
    # Before torch allocates anything.
    from nnatomy.training.memory import keep_freed_memory

    keep_freed_memory()
    from nnatomy.cli.progress import Progress
    from nnatomy.data.augmentation import augmentation_from
    from nnatomy.data.images import ImageSettings
    from nnatomy.data.split import SplitPlan
    from nnatomy.jobs.config import TrainConfig
    from nnatomy.jobs.train import run_training

    if config is not None:
        _refuse_beside_config(context)
        job = _read_config(config)
    elif source is None:
        raise SettingError("name a source of data, e.g.: nnatomy train iris")
    else:
        named = {
            "epochs": epochs,
            "batch_size": batch_size,
            "lr": lr,
            "optimizer": optimizer,
            "schedule": schedule,
            "patience": patience,
            "freeze": ",".join(freeze) if freeze else None,
            "warm_up": warm_up,
            "earlier_rate": earlier_rate,
            "device": device,
            "engine": engine,
        }
        job = TrainConfig(
            source=source,
            target=target,
            task=task,
            network=network,
            settings=_settings(setting or [], named),
            split=SplitPlan(valid=valid, test=test, group=group, time=time),
            kinds=pairs("--kind", kind or []),
            images=ImageSettings(size=image_size, channels=channels, fit=cast("Fit", fit)),
            augment=augmentation_from(augment),
            class_weight=class_weight,
            heal=heal,
            start=start,
            seed=seed,
        )
    progress = Progress()
    try:
        shown: dict[str, Any] = {} if quiet else {"observers": [progress], "progress": say}
        run = run_training(job, out=out, overwrite=overwrite, say=say, **shown)
    finally:
        progress.close()
    if as_json:
        print_json({k: v for k, v in run.result.items() if k not in _HEAVY})
        return
    from rich.console import Console

    from nnatomy.report.terminal import print_terminal

    # What is not a terminal has no width, and wrapped tables are hard to read in a file.
    print_terminal(run.facts, Console(width=None if sys.stdout.isatty() else _FILE_WIDTH))


def _settings(entries: list[str], named: dict[str, Any]) -> dict[str, Any]:
    """Settings given by --set and by options of their own, each once."""
    settings: dict[str, Any] = pairs("--set", entries)
    for name, value in named.items():
        if value is not None and name in settings:
            raise SettingError(f"--{name.replace('_', '-')} and --set both give '{name}'")
    return settings | {name: value for name, value in named.items() if value is not None}


def _refuse_beside_config(context: typer.Context) -> None:
    """config.json is the whole job: a setting beside it would have to be guessed at or dropped."""
    for parameter in context.command.params:
        name = parameter.name or ""
        given = context.get_parameter_source(name)
        if name not in _BESIDE_CONFIG and given is not None and given.name == "COMMANDLINE":
            word = "a source" if name == "source" else parameter.opts[0]
            raise SettingError(
                f"--config holds the whole job; leave out {word}, or change it in the file"
            )


def _read_config(path: Path) -> TrainConfig:
    from nnatomy.jobs.config import TrainConfig

    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingError(f"--config {path} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise SettingError(f"--config {path} holds no settings by name")
    return TrainConfig.from_json(values)
