"""Training many networks on the same records and comparing them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, cast

from torch import nn

from nnatomy.data.augmentation import Augmentation, augmentation_from
from nnatomy.data.images import ImageSettings
from nnatomy.data.prepared import Prepared
from nnatomy.data.schema import Kind
from nnatomy.data.source import prepare
from nnatomy.data.split import SplitPlan
from nnatomy.errors import SettingError
from nnatomy.jobs.augmenting import augmented
from nnatomy.jobs.comparison import ComparedRow, ComparedRun, Comparison, rows_of
from nnatomy.jobs.comparison_folder import ComparisonFolder
from nnatomy.jobs.config import Plan, TrainConfig, check_setting_names, resolve, source_name
from nnatomy.jobs.counted import Counted
from nnatomy.jobs.data_lines import Say, data_in_brief, say_data, silent
from nnatomy.jobs.grid import as_lists, combinations
from nnatomy.jobs.verdict import verdict
from nnatomy.jobs.weighting import weighted
from nnatomy.models.catalog import build_network
from nnatomy.report.comparison import settings_text
from nnatomy.training.devices import seeded
from nnatomy.training.inference import evaluate
from nnatomy.training.many import fit_many
from nnatomy.training.objectives import objective_named
from nnatomy.training.observers import Observer
from nnatomy.training.run_folder import environment
from nnatomy.training.session import Session

_BESIDE = ("augment", "network", "seed")
"""What can be varied besides settings."""


@dataclass(frozen=True)
class Candidate:
    """A network of the comparison before it is trained."""

    settings: dict[str, Any]
    plan: Plan
    network: nn.Module
    varied: frozenset[str]
    augment: Augmentation | None = None


def compare(
    source: Any,
    target: str | None = None,
    *,
    over: Mapping[str, Sequence[Any]],
    network: str | None = None,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    optimizer: str | None = None,
    settings: Mapping[str, Any] | None = None,
    task: str | None = None,
    split: SplitPlan | None = None,
    kinds: Mapping[str, str] | None = None,
    images: ImageSettings | None = None,
    augment: Augmentation | str | Mapping[str, Any] | None = None,
    class_weight: str | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    overwrite: bool = False,
    observers: Sequence[Observer] = (),
) -> Comparison:
    """Train a network for every combination of settings and compare them on held-out records.

    The records are split once. Networks are compared by their score on the validation records in
    their best epoch; the test records are used once, for the best of all. Intervals are over the
    seeds only: they leave out which records are validation records, and that the best epoch was
    chosen on them. Settings with runs that diverged come after those without.

    Args:
        source: As in `nnatomy.train`.
        target: Column with the answers.
        over: What is varied, e.g. {"init": ["zeros", "he"], "seed": range(10)}: any setting of the
            network or the training, "network", "augment" and "seed". The seed is that of initial
            weights, order, dropout and augmentation; with several seeds the table has intervals.
        network: The network where it is not varied; chosen by the data when missing.
        epochs: Passes over the training records at most.
        batch_size: Records a step.
        lr: Learning rate.
        optimizer: A name in nnatomy.training.OPTIMIZERS.
        settings: Further settings that are the same for all.
        task: "classification" or "regression".
        split: Shares of validation and test records, group or time column.
        kinds: Column kinds that override the inferred ones.
        images: How images are read.
        augment: How training images are varied, as in `nnatomy.train`.
        class_weight: "balanced" weighs classes by the inverse of their frequency.
        seed: Of the split, and of the networks where it is not varied.
        out: A folder for the page and the JSON file; nothing is written when missing.
        overwrite: Replace a run or another comparison that the folder holds.
        observers: See every network.

    Raises:
        DataError: The data cannot be used.
        SettingError: A setting is unknown or unusable, or there are too many combinations.
        OccupiedError: The folder holds a run or another comparison.
        RunError: The folder cannot be used.
    """
    grid = as_lists(over)
    named = {"epochs": epochs, "batch_size": batch_size, "lr": lr, "optimizer": optimizer}
    base = TrainConfig(
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
        seed=seed,
    )
    folder = None if out is None else ComparisonFolder(Path(out), overwrite=overwrite)
    comparison = run_comparison(base, grid, folder=folder, observers=observers)
    if folder is not None:
        folder.write(comparison)
    return comparison


def run_comparison(
    base: TrainConfig,
    over: Mapping[str, Sequence[Any]],
    *,
    folder: ComparisonFolder | None = None,
    observers: Sequence[Observer] = (),
    say: Say = silent,
    progress: Say = silent,
) -> Comparison:
    """Do the comparison that a configuration and a grid describe; see `compare`.

    Args:
        base: The job that is the same for all.
        over: What is varied.
        folder: Where the result is going to be written; refused here, before anything is trained.
        observers: See every network.
        say: Receives one line on each thing the user should know.
        progress: Receives one line on each network that has ended.
    """
    configs = [(choice, _config(base, choice)) for choice in combinations(over)]
    prepared = _prepared(base)
    candidates = [_candidate(choice, config, prepared) for choice, config in configs]
    asked = {**base.to_json(), "over": as_lists(over)}
    if folder is not None:
        folder.check(asked, prepared.report.fingerprint)
    say_data(prepared.report, say)
    counted = Counted({c.network: settings_text(c.settings) for c in candidates}, progress)
    sessions = _trained(candidates, prepared, base, [counted, *observers])
    counted.close()  # the last ones may have diverged
    found = _found(candidates, sessions, prepared, base)
    return replace(
        found,
        config=asked,
        common=_common(candidates),
        data=data_in_brief(prepared.report),
        env=dict(environment()),
    )


def _prepared(base: TrainConfig) -> Prepared:
    prepared = prepare(
        base.source,
        target=base.target,
        task=base.task,
        kinds=cast("Mapping[str, Kind]", base.kinds),
        plan=base.split,
        images=base.images,
        scratch=None,
    )
    if not len(prepared.valid):
        raise SettingError("no records are left to compare by: give valid a larger share")
    return prepared


def _found(
    candidates: Sequence[Candidate],
    sessions: Sequence[Session],
    prepared: Prepared,
    base: TrainConfig,
) -> Comparison:
    runs = [_run(c, s) for c, s in zip(candidates, sessions, strict=True)]
    score_name = objective_named(candidates[0].plan.objective).score_name
    rows = rows_of(runs, score_name)
    return Comparison(
        rows,
        runs,
        score_name,
        {part: len(getattr(prepared, part)) for part in ("train", "valid", "test")},
        _test_score(runs, rows[0], sessions, prepared),
        source_name(base.source),
        verdict(rows, score_name),
    )


def _common(candidates: Sequence[Candidate]) -> dict[str, Any]:
    """The settings whose values are the same for all, chosen ones included."""
    first, *others = [
        {"network": c.plan.network, **c.plan.network_settings, **asdict(c.plan.training)}
        for c in candidates
    ]
    missing = object()
    return {
        name: value
        for name, value in first.items()
        if all(settings.get(name, missing) == value for settings in others)
        and name not in candidates[0].varied
    }


def _config(base: TrainConfig, choice: Mapping[str, Any]) -> TrainConfig:
    values = dict(choice)
    if "network" in values and base.network is not None:
        raise SettingError("'network' is both varied and set: leave one out")
    seed = values.pop("seed", base.seed)
    network = values.pop("network", base.network)
    if not str(seed).isdecimal():
        raise SettingError(f"seed must be a whole number from 0, got '{seed}'")
    if "auto" in (values.get("lr"), base.settings.get("lr")):
        raise SettingError("lr=auto searches a rate for each network: compare rates by --over lr=…")
    if "augment" in values and base.augment is not None:
        raise SettingError("'augment' is both varied and set: leave one out")
    augment = augmentation_from(values.pop("augment", base.augment))
    for name in values:
        if name in base.settings:
            raise SettingError(f"'{name}' is both varied and set: leave one out")
    check_setting_names(values, network, also=_BESIDE)
    settings = {**base.settings, **values}
    return replace(base, network=network, seed=int(seed), augment=augment, settings=settings)


def _candidate(choice: dict[str, Any], config: TrainConfig, prepared: Prepared) -> Candidate:
    """The network as `train` would build it for these settings."""
    plan = resolve(config, prepared.input_shape, prepared.task.kind)
    if plan.training.epochs < 1:
        raise SettingError("epochs must be at least 1: untrained networks have no best epoch")
    with seeded(config.seed):
        network = build_network(
            plan.network, prepared.input_shape, prepared.task.outputs, plan.network_settings
        )
    varied, named = frozenset(choice), {**choice, "seed": config.seed}
    return Candidate(named, plan, network, varied, config.augment)


def _trained(
    candidates: Sequence[Candidate],
    prepared: Prepared,
    base: TrainConfig,
    observers: Sequence[Observer],
) -> list[Session]:
    groups: dict[tuple[str, Augmentation | None], list[int]] = defaultdict(list)
    for position, candidate in enumerate(candidates):
        groups[candidate.plan.objective, candidate.augment].append(position)
    sessions: dict[int, Session] = {}
    for (objective, augment), positions in groups.items():
        train, valid = weighted(augmented(prepared, augment), base.class_weight)
        done = fit_many(
            [candidates[i].network for i in positions],
            train,
            valid,
            objective=objective,
            settings=[candidates[i].plan.training for i in positions],
            observers=observers,
        )
        sessions |= dict(zip(positions, done, strict=True))
    return [sessions[i] for i in range(len(candidates))]


def _run(candidate: Candidate, session: Session) -> ComparedRun:
    best = session.rules.best_epoch
    ended = session.error is None and best > 0
    row = session.history[best - 1] if ended else {"valid_score": None, "valid_loss": None}
    return ComparedRun(
        candidate.settings,
        candidate.plan.training.seed,
        row["valid_score"],
        row["valid_loss"],
        best if ended else 0,
        session.epoch,
        session.seconds,
        session.engine,
        session.stopped if session.error is None else f"diverged: {session.error}",
        list(session.history),
    )


def _test_score(
    runs: Sequence[ComparedRun],
    row: ComparedRow,
    sessions: Sequence[Session],
    prepared: Prepared,
) -> float | None:
    """Of the run of the best row with the highest validation score."""
    own = [
        i
        for i, run in enumerate(runs)
        if run.score is not None
        and {k: v for k, v in run.settings.items() if k != "seed"} == row.settings
    ]
    if not own or not len(prepared.test):
        return None
    best = sessions[max(own, key=lambda i: cast(float, runs[i].score))]
    return best.objective.score(*evaluate(best.network, prepared.test))
