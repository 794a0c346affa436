"""From a source of data to a finished run folder."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from torch import nn

from nnatomy.data.augmentation import Augmentation, augmentation_from
from nnatomy.data.images import ImageSettings
from nnatomy.data.prepared import Prepared
from nnatomy.data.schema import Kind
from nnatomy.data.source import prepare
from nnatomy.data.split import SplitPlan
from nnatomy.diagnose.probe import Probe
from nnatomy.diagnose.record import record
from nnatomy.errors import (
    DataError,
    IntegrityError,
    InterruptedRunError,
    NonFiniteError,
    OccupiedError,
    RunError,
    SettingError,
    signal_words,
)
from nnatomy.jobs.augmenting import augmented, say_augmentation
from nnatomy.jobs.config import Plan, TrainConfig, resolve
from nnatomy.jobs.data_lines import Say, say_data, silent
from nnatomy.jobs.diagnosis import diagnosis_of, write_diagnosis
from nnatomy.jobs.interruption import leave_at_signal
from nnatomy.jobs.run import Run
from nnatomy.jobs.transfer import begin, inputs_like
from nnatomy.jobs.weighting import weighted
from nnatomy.models.catalog import build_network
from nnatomy.training.atomic import discard, write_json
from nnatomy.training.checkpointing import Checkpointer, resume
from nnatomy.training.devices import seeded
from nnatomy.training.fit import fit
from nnatomy.training.lr_finder import find_learning_rate
from nnatomy.training.objectives import objective_named
from nnatomy.training.observers import Observer
from nnatomy.training.run_folder import RunFolder
from nnatomy.training.session import Session
from nnatomy.training.signals import StopRequest, catch_signals
from nnatomy.training.starting import images_like, start_for
from nnatomy.training.weight_source import Start

_CHECKPOINT_SECONDS = 30.0


def train(
    source: Any,
    target: str | None = None,
    *,
    network: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | str | None = None,
    optimizer: str | None = None,
    settings: Mapping[str, Any] | None = None,
    task: str | None = None,
    split: SplitPlan | None = None,
    kinds: Mapping[str, str] | None = None,
    images: ImageSettings | None = None,
    augment: Augmentation | str | Mapping[str, Any] | None = None,
    class_weight: str | None = None,
    heal: bool = False,
    start: str | Path | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    observers: Sequence[Observer] = (),
) -> Run:
    """Train a network on a source of data and write a run folder with model and report.

    Calling it again with the same arguments goes on where an interrupted run stopped, and reads
    a finished one back. Frames and arrays have no name by which they could be told apart: other
    ones are an error in the same folder, for which `out` or `overwrite` is the way out.

    Args:
        source: A table (CSV, TSV, Parquet, XLSX, frame, 2-D array), images (folder of class
            folders, CSV of paths and labels, array), or the name of a bundled data set.
        target: Column with the answers; inferred when missing.
        network: A name in nnatomy.models.CATALOG; chosen by the data when missing.
        epochs: Passes over the training records at most.
        batch_size: Records a step.
        lr: Learning rate; "auto" searches one.
        optimizer: A name in nnatomy.training.OPTIMIZERS.
        settings: Further settings of the network and of the training by name, e.g.
            {"hidden": (64, 32), "patience": 30}, or {"freeze": "features"} with a start.
        task: "classification" or "regression"; inferred when missing.
        split: Shares of validation and test records, group or time column.
        kinds: Column kinds that override the inferred ones.
        images: How images are read.
        augment: How training images are varied in every epoch: a preset such as "standard",
            settings such as "flip=0.5,rotate=15", or an Augmentation.
        class_weight: "balanced" weighs classes by the inverse of their frequency.
        heal: Try remedies against what is found wrong with the training, and keep what helps.
        start: Weights to start from: the folder or the model of an earlier run, whose network and
            settings are then the default, or a safetensors file in torchvision's format.
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
    named = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "optimizer": optimizer}
    config = TrainConfig(
        source=source,
        target=target,
        task=task,
        network=network,
        settings={**(settings or {}), **{k: v for k, v in named.items() if v is not None}},
        split=split or SplitPlan(),
        kinds=dict(kinds or {}),
        images=images or ImageSettings(),
        augment=augmentation_from(augment),
        class_weight=class_weight,
        heal=heal,
        start=None if start is None else str(start),
        seed=seed,
    )
    return run_training(config, out=out, overwrite=overwrite, observers=observers)


def run_training(
    config: TrainConfig,
    *,
    out: str | Path | None = None,
    overwrite: bool = False,
    observers: Sequence[Observer] = (),
    say: Say = silent,
    progress: Say = silent,
) -> Run:
    """Do the training job that a configuration describes; see `train`.

    Args:
        config: The job.
        out: The run folder.
        overwrite: Start anew where the folder holds another run.
        observers: See every step and epoch.
        say: Receives one line on each thing the user should know.
        progress: Receives one line on each thing that is begun after training.
    """
    if config.settings.get("engine") == "stacked":
        raise SettingError(
            "engine 'stacked' trains several networks at once (nnatomy compare): use auto, "
            "compiled or autograd"
        )
    path = Path(out) if out is not None else config.default_folder()
    with _taken(path, config, overwrite=overwrite) as folder:
        if folder.finished:
            say(f"{path} holds the finished run of this command; --overwrite trains anew")
            _compare_source(config, folder, say)
            return Run(path)
        for change in folder.environment_changes:
            say(f"the machine is not as it was when the run began: {change}")
        with leave_at_signal("before training; nothing is lost"):
            start = start_for(config.start, config.network)
            prepared = _prepare(config, folder, start, say)
            plan = resolve(config, prepared.input_shape, prepared.task.kind, start)
            network = _build(plan, prepared, config)
            if start is not None:
                begin(start, network, plan.network, prepared, folder=folder, say=say)
            plan = _with_rate(network, plan, prepared, config, say)
        watch, failure = Probe(), ""
        try:
            session = _fit(network, plan, prepared, folder, config, [watch, *observers], say)
        except NonFiniteError as error:
            _keep_failure(folder, watch, str(error))
            if not config.heal or watch.session is None:
                raise NonFiniteError(f"{error} More: nnatomy diagnose {path}") from error
            session, failure = watch.session, str(error)
        finally:
            watch.close()
        with leave_at_signal("after training; the trained state is saved"):
            # What judges and draws is imported when training is over, not before the first epoch.
            from nnatomy.jobs.conclude import conclude
            from nnatomy.jobs.healing import Healed, heal_run

            end = Healed(plan, session, record(session, watch, failure), [])
            if config.heal:
                end = heal_run(end, prepared, config.class_weight, say)
                if end.session is not session:
                    folder.replace_metrics(end.session.history)
            if end.case.failure:
                raise NonFiniteError(f"{failure} No remedy helped: nnatomy diagnose {path}")
            conclude(folder, config, prepared, end, progress)
    return Run(path)


def _keep_failure(folder: RunFolder, watch: Probe, failure: str) -> None:
    """Leave behind what was measured of a run that broke off, for nnatomy diagnose."""
    if watch.session is None:
        return
    with suppress(RunError):  # a full disk must not hide why training broke off
        case = record(watch.session, watch, failure)
        write_diagnosis(folder.diagnosis, diagnosis_of(case))


@contextmanager
def _taken(path: Path, config: TrainConfig, *, overwrite: bool) -> Iterator[RunFolder]:
    """The run folder; a mistake in data or settings leaves none behind, nor an old run harmed."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    new = not path.is_dir() or {entry.name for entry in path.iterdir()} <= {"LOCK"}
    if overwrite and not new:
        with leave_at_signal("before training; nothing is lost"):
            _try_out(config)
    try:
        with _opened(path, config, overwrite) as folder:
            try:
                yield folder
            except (DataError, SettingError, IntegrityError):
                if new:
                    _empty(folder)
                if missing:  # renamed away with its lock, so that nobody finds half of it
                    discard(path)
                raise
    except (DataError, SettingError, IntegrityError):
        for parent in missing[1:]:
            with suppress(OSError):  # has become another run's
                parent.rmdir()
        raise


def _opened(path: Path, config: TrainConfig, overwrite: bool) -> RunFolder:
    """The folder; what is wrong with the job itself is named before what the folder holds."""
    try:
        return RunFolder.open(path, config.to_json(), overwrite=overwrite)
    except OccupiedError:
        with leave_at_signal("before training; nothing is lost"):
            _try_out(config)
        raise


def _empty(folder: RunFolder) -> None:
    for entry in list(folder.path.iterdir()):
        if entry != folder.lock:
            discard(entry)


def _try_out(config: TrainConfig) -> None:
    """Raise what is wrong with the job, before an earlier run makes place for it."""
    start = start_for(config.start, config.network)
    prepared = _read(config, None, start)
    plan = resolve(config, prepared.input_shape, prepared.task.kind, start)
    train, _ = weighted(prepared, config.class_weight)
    network = _build(plan, prepared, config)
    if start is not None:
        begin(start, network, plan.network, prepared)
    with seeded(config.seed):
        Session(network, train, None, objective_named(plan.objective), plan.training).close()


def _compare_source(config: TrainConfig, folder: RunFolder, say: Say) -> None:
    """Whether a finished run is that of this source: files by their time, other data by content.

    Raises:
        RunError: It learned from other data in memory.
    """
    if not isinstance(config.source, str | Path):
        prepared = _read(config, None, start_for(config.start, config.network))
        _check_unchanged(folder, prepared.report.fingerprint)
        return
    path = Path(config.source)
    if path.is_file() and path.stat().st_mtime > folder.result.stat().st_mtime:
        say(f"{path} was changed after that run; --overwrite trains on it as it is now")


def _check_unchanged(folder: RunFolder, fingerprint: str) -> None:
    earlier = json.loads(folder.data_report.read_bytes()).get("fingerprint")
    if earlier != fingerprint:
        raise RunError(
            f"the data of {folder.path} have changed since the run began; add --overwrite to "
            "start anew or choose another --out"
        )


def _heed(stop: StopRequest, when: str) -> None:
    if stop.signal_number is not None:
        raise InterruptedRunError(
            f"stopped by {signal_words(stop.signal_number)} {when}: "
            "run the same command again to go on",
            stop.signal_number,
        )


def _read(config: TrainConfig, scratch: Path | None, start: Start | None) -> Prepared:
    prepared = prepare(
        config.source,
        target=config.target,
        task=config.task,
        kinds=cast("Mapping[str, Kind]", config.kinds),
        plan=config.split,
        images=images_like(config.images, start),
        scratch=scratch,
        like=inputs_like(start, config.network),
    )
    if not len(prepared.test):
        raise SettingError("no records are left to judge the network by: give test a larger share")
    return augmented(prepared, config.augment)


def _prepare(config: TrainConfig, folder: RunFolder, start: Start | None, say: Say) -> Prepared:
    prepared = _read(config, folder.path, start)
    report = prepared.report.to_json()
    if folder.data_report.exists():
        _check_unchanged(folder, report["fingerprint"])
    write_json(folder.data_report, report)
    say_data(prepared.report, say, folder.data_report)
    say_augmentation(prepared, config.augment, say)
    return prepared


def _build(plan: Plan, prepared: Prepared, config: TrainConfig) -> nn.Module:
    with seeded(config.seed):
        return build_network(
            plan.network, prepared.input_shape, prepared.task.outputs, plan.network_settings
        )


def _with_rate(
    network: nn.Module, plan: Plan, prepared: Prepared, config: TrainConfig, say: Say
) -> Plan:
    """The plan with a learning rate that was searched, where that was asked for."""
    if config.settings.get("lr") == "auto":
        curve = find_learning_rate(
            network,
            prepared.train,
            objective=objective_named(plan.objective),
            settings=plan.training,
        )
        plan = replace(plan, training=replace(plan.training, lr=curve.suggestion))
        say(f"learning rate found: {curve.suggestion:.3g}")
    return plan


def _fit(
    network: nn.Module,
    plan: Plan,
    prepared: Prepared,
    folder: RunFolder,
    config: TrainConfig,
    observers: Sequence[Observer],
    say: Say,
) -> Session:
    state = resume(folder)
    if state is not None:
        say(f"going on from step {state.values['step']} of an earlier start")
    train, valid = weighted(prepared, config.class_weight)
    with catch_signals() as stop:
        saving = Checkpointer(folder, every_seconds=_CHECKPOINT_SECONDS, stop=stop)
        session = fit(
            network,
            train,
            valid,
            objective=plan.objective,
            settings=plan.training,
            # Those who measure come before what saves their measurements.
            observers=[*observers, saving],
            state=state,
            stop=stop,
        )
    _heed(stop, "after training; the trained state is saved")
    return session
