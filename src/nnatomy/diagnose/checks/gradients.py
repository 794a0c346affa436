"""Checks of how gradients pass through the layers."""

from __future__ import annotations

import math
from typing import Literal

from nnatomy.diagnose.case import Case
from nnatomy.diagnose.finding import Evidence, Finding
from nnatomy.diagnose.signs import fact, known, learned, middle, of_layers, start_loss

VANISHED = 1e-3
"""Gradient of the first layers as a share of the last ones', per weight, below which they stand
still while the others learn."""
RECOVERED = 0.9
"""Share of the guessing loss gone, above which it does not matter how the gradients began."""
BLOWN_UP = 30.0
"""Growth of the activations from the first hidden layer to the last."""
HUGE_LOSS = 20.0
"""Loss of the first step against that of guessing."""


def vanishing_gradients(case: Case) -> Finding | None:
    """The first layers' gradients are a tiny share of the last ones'."""
    if len(case.layers) < 3 or not case.column("gradient"):
        return None
    ratio, at_first = _fading(case, "early"), _fading(case, "first")
    if at_first < VANISHED and learned(case) < RECOVERED:
        ratio = min(ratio, at_first)
    if not ratio < VANISHED:
        return None
    names = case.layers[0].name, case.layers[-1].name
    return Finding(
        "vanishing_gradients",
        "critical",
        f"The gradient fades on its way back: per weight it is {ratio:.1g} of the later layers' in "
        f"the first ones ('{names[0]}' on), so that these hardly learn.",
        (Evidence("gradient of the first layers / later layers", ratio, f"< {VANISHED:g}"),),
        "Use ReLU with He's initialization, batch normalization or residual connections, or fewer "
        "layers.",
        "O12",
    )


def _fading(case: Case, part: Literal["first", "early"]) -> float:
    """The first layers' gradient per weight as a share of the later ones'; NaN without any."""
    gradients = of_layers(case, "gradient", range(len(case.layers)), part=part)
    each = [
        g / math.sqrt(layer.parameters) for g, layer in zip(gradients, case.layers, strict=True)
    ]
    late = max(known(each[len(each) // 2 :]), default=0.0)
    early = middle(each[: max(1, len(each) // 3)])
    return early / late if late > 0 and early > 0 else math.nan  # none: that is another illness


def exploding_gradients(case: Case) -> Finding | None:
    """Activations grow from layer to layer, and gradients with them."""
    rows = [row for row in case.rows if row.get("fed_std")]
    evidence = []
    if rows and len(case.layers) >= 2:
        first, *later = rows[0]["fed_std"]
        growth = max(known(later), default=0.0) / max(middle([first], math.inf), 1e-12)
        if growth > BLOWN_UP:
            evidence.append(
                Evidence("growth of the activations over the layers", growth, f"> {BLOWN_UP:g}")
            )
    classes = fact(case, "classes", 2.0)
    chance = max(fact(case, "chance_loss"), math.log(classes))  # of naming classes at random
    large = case.facts.get("task") == "classification" or _answers_are_large(case)
    if chance > 0 and large and start_loss(case) > HUGE_LOSS * chance:
        share = start_loss(case) / chance
        evidence.append(Evidence("first loss / loss of guessing", share, f"> {HUGE_LOSS:g}"))
    if not evidence:
        return None
    return Finding(
        "exploding_gradients",
        "critical",
        f"Numbers grow on their way through the layers: {evidence[0].what} is "
        f"{evidence[0].value:.3g}.",
        tuple(evidence),
        "Start from He's or Xavier's initialization, clip gradients (clip_norm=1), or normalize "
        "batches.",
        "P2",
    )


def _answers_are_large(case: Case) -> bool:
    """Whether the first answers spread much wider than the values that are asked for."""
    spreads = known(case.column("out_std"))
    return bool(spreads) and spreads[0] > 5 * fact(case, "target_std")


def non_finite(case: Case) -> Finding | None:
    """Training broke off at a NaN or an infinity."""
    if not case.failure and not case.facts.get("not_finite"):
        return None
    text = case.failure or "records hold values that are not finite"
    where = text.split("it began in ")[-1].split(". The weights")[0]
    number = int(case.facts.get("not_finite") or 0)
    remedy = (
        "Mend or leave out these records."
        if number
        else "Lower the learning rate, clip gradients, or scale inputs and targets."
    )
    evidence = [
        Evidence("training broke off at step", int(case.settings.get("steps") or 0) + 1, "")
    ]
    if number:
        evidence = [Evidence("records with values that are not finite", number, "> 0")]
    return Finding(
        "non_finite",
        "critical",
        f"A NaN or infinity came up; it began in {where}.",
        tuple(evidence),
        remedy,
        "O4",
    )
