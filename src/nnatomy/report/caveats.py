"""What a reader should doubt: caveats found in the facts of a run by rule."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from nnatomy.data.augmentation.settings import augmentation_from, flips_characters
from nnatomy.report.facts import Facts
from nnatomy.report.wording import (
    LOWER_IS_BETTER,
    baseline_name,
    count,
    finite,
    line,
    metric_in_full,
    metric_name,
    percent,
    plural,
)

SMALL_TEST = 100
SMALL_CLASS = 10
IMBALANCE = 3.0


@dataclass(frozen=True)
class Caveat:
    """A reason for doubt.

    Args:
        code: Stable name.
        head: The doubt in a few words.
        text: What it rests on, and what would settle it.
    """

    code: str
    head: str
    text: str


def find_caveats(facts: Facts) -> list[Caveat]:
    """Every caveat that applies to a run, in the order of the rules."""
    return [caveat for rule in RULES if (caveat := rule(facts)) is not None]


def one_seed(facts: Facts) -> Caveat | None:
    """A single run says nothing about the spread over seeds."""
    seed = facts.get("result", {}).get("seed")
    return Caveat(
        "one-seed",
        "One seed",
        f"All figures come from one run with seed {line(seed, 20)}. Its intervals cover the "
        "choice of test records, not the luck of the initialization; further seeds would show it.",
    )


def small_test_set(facts: Facts) -> Caveat | None:
    """Fewer than 100 test records."""
    amount = finite(facts.get("result", {}).get("splits", {}).get("test"))
    if amount is None or amount >= SMALL_TEST:
        return None
    return Caveat(
        "small-test-set",
        "Small test set",
        f"The test set has {plural(amount, 'record')}; one record more or less right moves the "
        f"accuracy or the error visibly. At least {SMALL_TEST} records are advisable.",
    )


def small_classes(facts: Facts) -> Caveat | None:
    """Classes with fewer than 10 test records."""
    entries = (facts.get("result", {}).get("evaluation") or {}).get("per_class") or []
    few = [entry for entry in entries if (finite(entry.get("n")) or 0) < SMALL_CLASS]
    if not few:
        return None
    names = ", ".join(line(entry.get("label"), 30) for entry in few[:5])
    more = f" and {len(few) - 5} more" if len(few) > 5 else ""
    return Caveat(
        "small-classes",
        "Small classes",
        f"Fewer than {SMALL_CLASS} test records in {names}{more}: scores by class are rough there.",
    )


def imbalance(facts: Facts) -> Caveat | None:
    """The largest class is at least three times as frequent as the smallest."""
    counts = class_counts(facts)
    if len(counts) < 2 or min(counts.values()) * IMBALANCE > max(counts.values()):
        return None
    largest = max(counts, key=lambda name: counts[name])
    smallest = min(counts, key=lambda name: counts[name])
    return Caveat(
        "imbalance",
        "Unequal classes",
        f"{line(largest, 40)} makes up {percent(counts[largest] / sum(counts.values()))} of the "
        f"records ({count(counts[largest])}), {line(smallest, 40)} has {count(counts[smallest])}; "
        "judge by balanced accuracy and the scores by class rather than by accuracy.",
    )


def duplicates_across_splits(facts: Facts) -> Caveat | None:
    """The data report found equal records in different splits."""
    for finding in facts.get("data_report", {}).get("findings") or []:
        if finding.get("code") == "duplicates-across-splits":
            return Caveat("duplicates-across-splits", "Duplicates", line(finding["message"], 400))
    return None


def rejected_records(facts: Facts) -> Caveat | None:
    """Records of the source that were not used."""
    report = facts.get("data_report", {})
    rejected = report.get("rejected") or []
    if not rejected:
        return None
    amount = report.get("rejected_count", len(rejected))
    read = finite(report.get("read"))
    share = f" of {plural(read, 'record')}" if read else ""
    return Caveat(
        "rejected-records",
        "Records left out",
        f"{count(amount)}{share} could not be used; the figures hold only for records like "
        "those that could. The data section and data_report.json give the reasons.",
    )


def overlapping_baseline(facts: Facts) -> Caveat | None:
    """The network's interval overlaps that of the baseline from which nothing else parts it.

    Where the paired difference on the same records decides, it decides better than two intervals.
    """
    result = facts.get("result", {})
    if (result.get("verdict") or {}).get("outcome") in ("wins", "loses"):
        return None
    key, against = result.get("primary", ""), (result.get("verdict") or {}).get("against", "")
    ours = (result.get("metrics") or {}).get(key)
    theirs = ((result.get("baseline") or {}).get(against) or {}).get(key)
    if not ours or not theirs:
        return None
    mine, other = _reach(ours), _reach(theirs)
    if mine is None or other is None or mine[1] < other[0] or other[1] < mine[0]:
        return None
    return Caveat(
        "overlapping-baseline",
        "Not clearly different",
        f"{metric_name(key)} of the network, {metric_in_full(key, ours)}, and of "
        f"{baseline_name(against)}, {metric_in_full(key, theirs)}, overlap in their intervals: "
        "on other test records the order may be the other one.",
    )


def behind_baseline(facts: Facts) -> Caveat | None:
    """Some baseline has a better value of the primary metric."""
    result = facts.get("result", {})
    key = result.get("primary", "")
    ours = finite(((result.get("metrics") or {}).get(key) or {}).get("value"))
    if ours is None:
        return None
    sign = -1.0 if key in LOWER_IS_BETTER else 1.0
    ahead = [
        baseline_name(name)
        for name, entry in (result.get("baseline") or {}).items()
        if (value := finite((entry.get(key) or {}).get("value"))) is not None
        and sign * value > sign * ours
    ]
    if not ahead:
        return None
    return Caveat(
        "behind-baseline",
        "A simpler model is ahead",
        f"{' and '.join(ahead)} reached a better value of {metric_name(key)} on the same test "
        "records, and cost less to train and to keep.",
    )


def no_baseline(facts: Facts) -> Caveat | None:
    """No baseline was trained."""
    if facts.get("result", {}).get("baseline"):
        return None
    return Caveat(
        "no-baseline",
        "No baseline",
        "No simpler model was trained on the same records, so nothing shows what the network adds.",
    )


def chosen_on_validation(facts: Facts) -> Caveat | None:
    """Validation records chose the epoch, so that their scores are optimistic."""
    result = facts.get("result", {})
    if result.get("best_epoch") is None or not (result.get("splits") or {}).get("valid"):
        return None
    stopped = result.get("stopped")
    how = f" ({line(stopped, 100)})" if stopped else ""
    return Caveat(
        "chosen-on-validation",
        "Validation scores are optimistic",
        f"The same validation records chose the epoch that was kept{how}. Only the test figures, "
        "looked at once, are an honest estimate, as long as no setting is chosen by them.",
    )


def still_improving(facts: Facts) -> Caveat | None:
    """The last epoch was the best one."""
    best = finite(facts.get("result", {}).get("best_epoch"))
    epochs = [finite(row.get("epoch")) for row in facts.get("metrics") or []]
    known = [epoch for epoch in epochs if epoch is not None]
    if best is None or not known or best < max(known):
        return None
    return Caveat(
        "still-improving",
        "Perhaps not trained to the end",
        f"The last of {plural(len(known), 'epoch')} was the best one; more epochs may give a "
        "better network.",
    )


def varied_training_images(facts: Facts) -> Caveat | None:
    """Training images were varied, so that the training loss is of other images."""
    how = facts.get("result", {}).get("augment")
    if not how:
        return None
    return Caveat(
        "varied-training-images",
        "Training loss of varied images",
        f"Training images were varied anew in every epoch ({line(how, 200)}), validation and test "
        "images were not. The training loss may therefore lie above the validation loss; its gap "
        "does not measure overfitting.",
    )


def flipped_characters(facts: Facts) -> Caveat | None:
    """Images of characters were flipped."""
    result = facts.get("result", {})
    how = result.get("augment")
    if not how or not flips_characters(augmentation_from(how), result.get("classes") or []):
        return None
    return Caveat(
        "flipped-characters",
        "Flipped characters",
        "The classes look like characters and training images were flipped; most characters "
        "flipped are no characters or other ones. --augment characters does not flip.",
    )


def no_finite_loss(facts: Facts) -> Caveat | None:
    """Some epoch's loss is NaN or infinite."""
    rows = facts.get("metrics") or []
    broken = [row for row in rows if "loss" in row and finite(row["loss"]) is None]
    if not broken:
        return None
    first = finite(broken[0].get("epoch"))
    where = "" if first is None else f", first in epoch {count(first)}"
    return Caveat(
        "no-finite-loss",
        "Loss not finite",
        f"The loss of {plural(len(broken), 'epoch')} is not a finite number{where}.",
    )


def class_counts(facts: Facts) -> dict[str, float]:
    """Records of each class: of all the data where known, else of the test set; may be empty."""
    target = facts.get("data_report", {}).get("target") or {}
    found = target.get("classes")
    if isinstance(found, Mapping):
        return {str(name): value for name, value in found.items() if finite(value) is not None}
    entries = (facts.get("result", {}).get("evaluation") or {}).get("per_class") or []
    return {
        str(entry.get("label")): amount
        for entry in entries
        if (amount := finite(entry.get("n"))) is not None
    }


def _reach(entry: Mapping[str, Any]) -> tuple[float, float] | None:
    value = finite(entry.get("value"))
    low, high = finite(entry.get("low")), finite(entry.get("high"))
    if low is not None and high is not None:
        return low, high
    return None if value is None else (value, value)


RULES: tuple[Callable[[Facts], Caveat | None], ...] = (
    no_finite_loss,
    duplicates_across_splits,
    behind_baseline,
    overlapping_baseline,
    no_baseline,
    small_test_set,
    imbalance,
    small_classes,
    rejected_records,
    flipped_characters,
    chosen_on_validation,
    varied_training_images,
    still_improving,
    one_seed,
)
