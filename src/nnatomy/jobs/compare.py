"""Training many networks on the same records and comparing them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from torch import nn

from nnatomy.data.images import ImageSettings
from nnatomy.data.prepared import Prepared
from nnatomy.data.schema import Kind
from nnatomy.data.source import prepare
from nnatomy.data.split import SplitPlan
from nnatomy.errors import SettingError
from nnatomy.jobs.comparison import ComparedRow, ComparedRun, Comparison, rows_of
from nnatomy.jobs.config import Plan, TrainConfig, resolve, source_name
from nnatomy.jobs.grid import combinations
from nnatomy.jobs.weighting import weighted
from nnatomy.models.catalog import build_network
from nnatomy.report.comparison import settings_text
from nnatomy.training.devices import seeded
from nnatomy.training.inference import evaluate
from nnatomy.training.many import fit_many
from nnatomy.training.objectives import objective_named
from nnatomy.training.observers import Observer
from nnatomy.training.session import Session

_MOST_NAMES = 12


@dataclass(frozen=True)
class Candidate:
    """A network of the comparison before it is trained."""

    settings: dict[str, Any]
    plan: Plan
    network: nn.Module


def compare(
    source: Any,
    target: str | None = None,
    *,
    over: Mapping[str, Sequence[Any]],
    network: str | None = None,
    settings: Mapping[str, Any] | None = None,
    task: str | None = None,
    split: SplitPlan | None = None,
    kinds: Mapping[str, str] | None = None,
    images: ImageSettings | None = None,
    class_weight: str | None = None,
    seed: int = 0,
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
            network or the training, "network" and "seed". The seed is that of initial weights,
            order and dropout; with several seeds the table has intervals.
        network: The network where it is not varied; chosen by the data when missing.
        settings: Settings that are the same for all.
        task: "classification" or "regression".
        split: Shares of validation and test records, group or time column.
        kinds: Column kinds that override the inferred ones.
        images: How images are read.
        class_weight: "balanced" weighs classes by the inverse of their frequency.
        seed: Of the split, and of the networks where it is not varied.
        observers: See every network.

    Raises:
        DataError: The data cannot be used.
        SettingError: A setting is unknown or unusable, or there are too many combinations.
    """
    base = TrainConfig(
        source=source,
        target=target,
        task=task,
        network=None if "network" in over else network,
        settings=dict(settings or {}),
        split=split or SplitPlan(),
        kinds=dict(kinds or {}),
        images=images or ImageSettings(),
        class_weight=class_weight,
        seed=seed,
    )
    return run_comparison(base, over, observers=observers)


def run_comparison(
    base: TrainConfig, over: Mapping[str, Sequence[Any]], *, observers: Sequence[Observer] = ()
) -> Comparison:
    """Do the comparison that a configuration and a grid describe; see `compare`."""
    configs = [(choice, _config(base, choice)) for choice in combinations(over)]
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
    candidates = [_candidate(choice, config, prepared) for choice, config in configs]
    sessions = _trained(candidates, prepared, base, observers)
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


def _config(base: TrainConfig, choice: Mapping[str, Any]) -> TrainConfig:
    values = dict(choice)
    seed = values.pop("seed", base.seed)
    network = values.pop("network", base.network)
    if not str(seed).isdecimal():
        raise SettingError(f"seed must be a whole number from 0, got '{seed}'")
    if "auto" in (values.get("lr"), base.settings.get("lr")):
        raise SettingError("lr=auto searches a rate for each network: compare rates by --over lr=…")
    for name in values:
        if name in base.settings:
            raise SettingError(f"'{name}' is both varied and set: leave one out")
    return replace(base, network=network, seed=int(seed), settings={**base.settings, **values})


def _candidate(choice: dict[str, Any], config: TrainConfig, prepared: Prepared) -> Candidate:
    """The network as `train` would build it for these settings."""
    plan = resolve(config, prepared.input_shape, prepared.task.kind)
    if plan.training.epochs < 1:
        raise SettingError("epochs must be at least 1: untrained networks have no best epoch")
    with seeded(config.seed):
        network = build_network(
            plan.network, prepared.input_shape, prepared.task.outputs, plan.network_settings
        )
    return Candidate({**choice, "seed": config.seed}, plan, network)


def _trained(
    candidates: Sequence[Candidate],
    prepared: Prepared,
    base: TrainConfig,
    observers: Sequence[Observer],
) -> list[Session]:
    train, valid = weighted(prepared, base.class_weight)
    groups: dict[str, list[int]] = defaultdict(list)
    for position, candidate in enumerate(candidates):
        groups[candidate.plan.objective].append(position)
    sessions: dict[int, Session] = {}
    for objective, positions in groups.items():
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


def verdict(rows: Sequence[ComparedRow], score_name: str) -> str:
    """Which setting is best, and which are behind it, level with it, or not comparable."""
    best, others = rows[0], rows[1:]
    if best.score is None:
        return "Every run diverged: lower the learning rates or clip gradients."
    if best.diverged:
        return (
            "Every setting diverged in some of its runs, so that none is best: lower the learning "
            f"rates or clip gradients. The fewest: {_named([best])}."
        )
    words = f"Best: {settings_text(best.settings)} with {score_name} {best.score:.4g}"
    words += f" over {best.runs} seeds." if best.runs > 1 else "."
    if best.runs < 2:
        words += " One seed each: differences may be luck; add --over seed=0..9."
        others = [row for row in others if row.diverged]
    groups = {
        "behind": "Behind it",
        "not distinguishable": "Not distinguishable from it",
        "not comparable": "Not comparable with it",
    }
    for standing, title in groups.items():
        members = [row for row in others if row.standing == standing]
        if members:
            words += f" {title}: {_named(members)}."
    return words


def _named(rows: Sequence[ComparedRow]) -> str:
    names = [
        settings_text(row.settings) + (f" ({row.reason})" if row.reason else "")
        for row in rows[:_MOST_NAMES]
    ]
    more = len(rows) - len(names)
    return "; ".join([*names, f"{more} more"] if more else names)
