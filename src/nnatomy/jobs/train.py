"""From a source of data to a finished run folder."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from nnatomy.data.images import ImageSettings
from nnatomy.data.prepared import Prepared
from nnatomy.data.samples import TensorSamples
from nnatomy.data.schema import Kind
from nnatomy.data.source import prepare
from nnatomy.data.split import SplitPlan
from nnatomy.errors import InterruptedRunError, RunError
from nnatomy.jobs.conclude import conclude
from nnatomy.jobs.config import Plan, TrainConfig, resolve
from nnatomy.jobs.run import Run
from nnatomy.models.catalog import build_network
from nnatomy.training.atomic import write_json
from nnatomy.training.checkpointing import Checkpointer, resume
from nnatomy.training.devices import seeded
from nnatomy.training.fit import fit
from nnatomy.training.lr_finder import find_learning_rate
from nnatomy.training.objectives import objective_named
from nnatomy.training.observers import Observer
from nnatomy.training.run_folder import RunFolder
from nnatomy.training.session import Session
from nnatomy.training.signals import StopRequest, catch_signals
from nnatomy.types import Samples

_CHECKPOINT_SECONDS = 30.0

Say = Callable[[str], None]


def _silent(_message: str) -> None:
    """Say nothing."""


def train(
    source: Any,
    target: str | None = None,
    *,
    network: str | None = None,
    settings: Mapping[str, Any] | None = None,
    task: str | None = None,
    split: SplitPlan | None = None,
    kinds: Mapping[str, str] | None = None,
    images: ImageSettings | None = None,
    class_weight: str | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    observers: Sequence[Observer] = (),
) -> Run:
    """Train a network on a source of data and write a run folder with model and report.

    Calling it again with the same arguments goes on where an interrupted run stopped, and reads
    a finished one back.

    Args:
        source: A table (CSV, TSV, Parquet, XLSX, frame, 2-D array), images (folder of class
            folders, CSV of paths and labels, array), or the name of a bundled data set.
        target: Column with the answers; inferred when missing.
        network: A name in nnatomy.models.CATALOG; chosen by the data when missing.
        settings: Settings of the network and of the training by name, e.g.
            {"hidden": (64, 32), "lr": 0.01, "epochs": 50}; lr="auto" searches one.
        task: "classification" or "regression"; inferred when missing.
        split: Shares of validation and test records, group or time column.
        kinds: Column kinds that override the inferred ones.
        images: How images are read.
        class_weight: "balanced" weighs classes by the inverse of their frequency.
        seed: Of everything that is drawn.
        out: The run folder; by default one under runs/ named after source and settings.
        overwrite: Start anew where the folder holds another run.
        observers: See every step and epoch.

    Raises:
        DataError: The data cannot be used.
        SettingError: A setting is unknown or unusable.
        RunError: The run folder cannot be used.
        NonFiniteError: The training diverged.
        InterruptedRunError: A signal asked for a stop; the state is saved.
    """
    config = TrainConfig(
        source=source,
        target=target,
        task=task,
        network=network,
        settings=dict(settings or {}),
        split=split or SplitPlan(),
        kinds=dict(kinds or {}),
        images=images or ImageSettings(),
        class_weight=class_weight,
        seed=seed,
    )
    return run_training(config, out=out, overwrite=overwrite, observers=observers)


def run_training(
    config: TrainConfig,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    observers: Sequence[Observer] = (),
    say: Say = _silent,
) -> Run:
    """Do the training job that a configuration describes; see `train`.

    Args:
        config: The job.
        out: The run folder.
        overwrite: Start anew where the folder holds another run.
        observers: See every step and epoch.
        say: Receives one line on each thing the user should know.
    """
    path = Path(out) if out is not None else config.default_folder()
    with (
        catch_signals() as stop,
        RunFolder.open(path, config.to_json(), overwrite=overwrite) as folder,
    ):
        if folder.finished:
            say(f"{path} holds the finished run of this command; --overwrite trains anew")
            return Run(path)
        for change in folder.environment_changes:
            say(f"the machine is not as it was when the run began: {change}")
        prepared = _prepare(config, folder, say)
        plan = resolve(config, prepared.input_shape, prepared.task.kind)
        _heed(stop, "before training began; nothing is lost")
        network, plan = _build(plan, prepared, config)
        session = _fit(network, plan, prepared, folder, config, observers, stop, say)
        _heed(stop, "after training; the trained state is saved")
        say("fitting the baselines and writing the report")
        conclude(folder, config, plan, prepared, session)
    return Run(path)


def _heed(stop: StopRequest, when: str) -> None:
    if stop.signal_number is not None:
        raise InterruptedRunError(
            f"stopped by signal {stop.signal_number} {when}: run the same command again to go on",
            stop.signal_number,
        )


def _prepare(config: TrainConfig, folder: RunFolder, say: Say) -> Prepared:
    prepared = prepare(
        config.source,
        target=config.target,
        task=config.task,
        kinds=cast("Mapping[str, Kind]", config.kinds),
        plan=config.split,
        images=config.images,
        scratch=folder.path,
    )
    report = prepared.report.to_json()
    if folder.data_report.exists():
        earlier = json.loads(folder.data_report.read_bytes()).get("fingerprint")
        if earlier != report["fingerprint"]:
            raise RunError(
                f"the data of {folder.path} have changed since the run began; add --overwrite to "
                "start anew or choose another --out"
            )
    write_json(folder.data_report, report)
    for finding in prepared.report.findings:
        say(f"data: {finding.message}")
    return prepared


def _build(plan: Plan, prepared: Prepared, config: TrainConfig) -> tuple[nn.Module, Plan]:
    with seeded(config.seed):
        network = build_network(
            plan.network, prepared.input_shape, prepared.task.outputs, plan.network_settings
        )
    if config.settings.get("lr") == "auto":
        curve = find_learning_rate(
            network,
            prepared.train,
            objective=objective_named(plan.objective),
            settings=plan.training,
        )
        plan = replace(plan, training=replace(plan.training, lr=curve.suggestion))
    return network, plan


def _fit(
    network: nn.Module,
    plan: Plan,
    prepared: Prepared,
    folder: RunFolder,
    config: TrainConfig,
    observers: Sequence[Observer],
    stop: StopRequest,
    say: Say,
) -> Session:
    state = resume(folder)
    if state is not None:
        say(f"going on from step {state.values['step']} of an earlier start")
    return fit(
        network,
        _weighted(prepared.train, config.class_weight, len(prepared.task.classes)),
        prepared.valid,
        objective=plan.objective,
        settings=plan.training,
        observers=[Checkpointer(folder, every_seconds=_CHECKPOINT_SECONDS, stop=stop), *observers],
        state=state,
        stop=stop,
    )


def _weighted(train: Samples, class_weight: str | None, classes: int) -> Samples:
    """The training records, each class with the same total weight when that is asked for.

    The weight of a record of class k is N / (K n_k).
    """
    if class_weight is None or not classes or not isinstance(train, TensorSamples):
        return train
    counts = torch.bincount(train.targets, minlength=classes).clamp(min=1)
    weights = len(train) / (classes * counts)
    return TensorSamples(train.inputs, train.targets, weights[train.targets], train.transform)
