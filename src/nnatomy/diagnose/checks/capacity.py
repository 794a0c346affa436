"""Checks of what the network can fit, and what it fits too well."""

from __future__ import annotations

import math

from nnatomy.diagnose.case import Case
from nnatomy.diagnose.finding import Evidence, Finding
from nnatomy.diagnose.signs import fact, gap_of, gone, hidden_layers, learned, setting

GAPS = {"classification": 0.1, "regression": 0.3}
"""Training score minus validation score, of accuracy and of R²."""
KNOWN_BY_HEART = {"classification": 0.99, "regression": 0.9}
"""Share of the guessing loss that is gone on the training records."""
WIDE = 2
"""Times the gap, from which on less has to be known by heart."""
MOSTLY_KNOWN = {"classification": 0.9, "regression": 0.7}
"""That share."""
LITTLE = 0.7
"""Share of the guessing loss gone that a layer of one or two units hardly passes."""
NARROWEST = 4
"""Units of a hidden layer up to which a network may be too small."""
LEAST_PENALTY, LEAST_DROPOUT = 0.02, 0.6
"""λ / records a step, and the rate, from which on they may hold a network back."""
SHORT = 0.1
"""How far the training score stays below what nearest neighbors or trees reach on records that
they have not seen."""


def overfitting(case: Case) -> Finding | None:
    """The training records are learned by heart while others get worse."""
    task, losses = str(case.facts.get("task")), case.curve("valid_loss")
    if task not in GAPS or len(losses) < 5:
        return None
    gap = gap_of(case)
    wide = gap > WIDE * GAPS[task] and learned(case) > MOSTLY_KNOWN[task]
    if not wide and not (gap > GAPS[task] and learned(case) > KNOWN_BY_HEART[task]):
        return None
    limits = (WIDE * GAPS[task], MOSTLY_KNOWN[task]) if wide else (GAPS[task], KNOWN_BY_HEART[task])
    lowest, last = min(losses), losses[-1]
    return Finding(
        "overfitting",
        "warning",
        f"The training records are learned by heart (score {fact(case, 'train_score'):.3g}), "
        f"others are not ({fact(case, 'valid_score'):.3g}); the validation loss was lowest in "
        f"epoch {losses.index(lowest) + 1} of {len(losses)}.",
        (
            Evidence("training score - validation score", gap, f"> {limits[0]:g}"),
            Evidence("share of the guessing loss gone", learned(case), f"> {limits[1]:g}"),
            Evidence("last validation loss / lowest", last / max(lowest, 1e-12), ""),
        ),
        "Stop early (patience), add dropout or L2, use a smaller network or more records.",
        "O15",
    )


def _below_reference(case: Case) -> float:
    """How much the training score misses of what others reach on new records; NaN if unknown."""
    return fact(case, "reference_score") - fact(case, "train_score")


def too_little_capacity(case: Case) -> Finding | None:
    """The network is too small for what there is to learn: it does not even fit its records."""
    if len(case.layers) < 2:
        return None
    narrow = min((layer.units for layer in hidden_layers(case)), default=NARROWEST + 1)
    short = _below_reference(case)
    hardly = narrow <= 2 and learned(case) < LITTLE
    if not (narrow <= NARROWEST and (short > SHORT or hardly)):
        return None
    if over_regularized(case) is not None:
        return None
    seen, evidence = [], []
    if short > SHORT:
        seen.append(
            f"score {fact(case, 'train_score'):.3g}, where neighbors or trees reach "
            f"{fact(case, 'reference_score'):.3g} on records they have not seen"
        )
        evidence.append(Evidence("reference score - training score", short, f"> {SHORT:g}"))
    if hardly:
        seen += [] if seen else [gone(case)]
        evidence.append(Evidence("share of the guessing loss gone", learned(case), f"< {LITTLE:g}"))
    limit = NARROWEST if short > SHORT else 2
    return Finding(
        "too_little_capacity",
        "warning",
        f"The network does not fit its own training records: {seen[0]}. "
        f"Its narrowest layer has {narrow} unit{'s' if narrow > 1 else ''}.",
        (*evidence, Evidence("units of the narrowest hidden layer", narrow, f"<= {limit}")),
        "Use more hidden units or another layer.",
        "O6",
    )


def penalty(case: Case) -> float:
    """The strongest penalty on weights: λ / records a step."""
    batch = setting(case, "batch_size") or 1
    l2, l1 = (float(setting(case, name) or 0.0) / batch for name in ("l2", "l1"))
    decoupled = setting(case, "optimizer") == "adamw"  # there it is a share of the step
    decay = 0.0 if decoupled else float(setting(case, "weight_decay") or 0.0)
    return max(l2, l1, decay)


def strongest_dropout(case: Case) -> float:
    """The highest rate of dropout."""
    return max(case.structure.get("dropout", ()), default=0.0)


def over_regularized(case: Case) -> Finding | None:
    """Penalties or dropout keep the network from fitting even its training records."""
    strongest, held = strongest_dropout(case), penalty(case)
    if strongest < LEAST_DROPOUT and held < LEAST_PENALTY:
        return None
    gained, short = learned(case), _below_reference(case)
    if not (gained < 0.7 or short > 0.03):
        return None
    what = f"dropout {strongest:g}" if strongest >= LEAST_DROPOUT else f"a penalty of {held:.2g} w"
    return Finding(
        "over_regularized",
        "warning",
        f"The network is held back by {what}: {_held_back(case)}.",
        (
            Evidence("share of the guessing loss that is gone", gained, "< 0.7"),
            Evidence("highest dropout rate", strongest, f">= {LEAST_DROPOUT:g}"),
            Evidence("penalty λ / records a step", held, f">= {LEAST_PENALTY:g}"),
        ),
        "Lower l1, l2 or dropout by a factor of ten.",
        "P5",
    )


def _held_back(case: Case) -> str:
    """What is missing on the training records themselves."""
    gained = learned(case)
    if not math.isnan(gained):
        return (
            f"of the loss of guessing only {max(0.0, gained):.0%} is gone on the training records "
            "themselves"
        )
    return (
        f"score {fact(case, 'train_score'):.3g} on the training records themselves, where "
        f"neighbors or trees reach {fact(case, 'reference_score'):.3g} on others"
    )


def majority_collapse(case: Case) -> Finding | None:
    """Every record gets the same answer."""
    share, majority = fact(case, "predicted_share"), fact(case, "majority")
    classes = fact(case, "classes")
    if not (share > 0.9 and classes > 1 and fact(case, "balanced") < 1 / classes + 0.15):
        return None
    return Finding(
        "majority_collapse",
        "critical",
        f"{share:.0%} of the answers are the same class, though it is {majority:.0%} of the "
        "records at most.",
        (
            Evidence("share of the most frequent answer", share, "> 0.9"),
            Evidence("mean recall", fact(case, "balanced"), f"< {1 / classes + 0.15:.2g}"),
        ),
        "Weigh the classes (class_weight=balanced), train longer, or collect the rare ones.",
        "O3",
    )
