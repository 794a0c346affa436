"""The check of parameters that are not trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nnatomy.diagnose.case import Case
from nnatomy.diagnose.finding import Evidence, Finding
from nnatomy.diagnose.signs import known, setting

NAMED = 3
"""Parameters that are named for a reason; there may be hundreds."""

REASONS: Mapping[str, tuple[str, str]] = {
    "optimizer": (
        "are unknown to the optimizer",
        "Make the optimizer from network.parameters(), after all layers are made.",
    ),
    "rate": (
        "have learning rate 0",
        "Set the lr of their parameter group.",
    ),
    "uncalled": (
        "belong to layers that are never called",
        "Call these layers in forward, or leave them out.",
    ),
    "cut": (
        "get no gradient: nothing connects them to the loss",
        "Connect them to the loss: look for detach(), no_grad(), .data or an output that no loss "
        "uses.",
    ),
    "zero": (
        "have a gradient of 0 at every step",
        "Look at what follows them: dead units, or weights of 0, pass no gradient on; or what is "
        "multiplied with them is 0.",
    ),
    "requires_grad": (
        "are not trained (requires_grad=False)",
        "Set requires_grad of these parameters, unless it is meant so.",
    ),
}
"""What is said of them, and what to do; the gravest reasons first."""


def frozen_parameters(case: Case) -> Finding | None:
    """Weights that are not trained, or not connected to the loss.

    In a loop of the user's own, parameters that are frozen by requires_grad alone are probably
    meant to be: a note.
    """
    reasons = case.structure.get("untrained")
    found = _of_layers(case) if reasons is None else _by_reason(reasons)
    if not found:
        return None
    meant = reasons is not None and set(found) == {"requires_grad"}
    said = "; ".join(f"{_names(names)} {REASONS[reason][0]}" for reason, names in found.items())
    evidence = (
        Evidence(f"parameters or layers that {REASONS[reason][0].split(':')[0]}", len(names), "> 0")
        for reason, names in found.items()
    )
    return Finding(
        "frozen_parameters",
        "note" if meant else "warning",
        f"Weights that are not trained: {said}.",
        tuple(evidence),
        " ".join(REASONS[reason][1] for reason in found),
        "O10",
    )


def _by_reason(reasons: Mapping[str, str]) -> dict[str, list[str]]:
    found = {key: [name for name, why in reasons.items() if why == key] for key in REASONS}
    return {key: names for key, names in found.items() if names}


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


def _of_layers(case: Case) -> dict[str, list[str]]:
    """Of a run: the parameters that are frozen, and the layers without any gradient.

    Without those that its setting "freeze" names: they are meant to be.
    """
    frozen = case.structure.get("frozen")
    if frozen is None:
        return {}
    rows = case.column("gradient")
    still = [
        i for i in range(len(case.layers)) if rows and not any(known([row[i] for row in rows]))
    ]
    if len(still) == len(case.layers):
        still = []  # the loss has no gradient at all: another illness
    meant = [f"{part}." for part in setting(case, "freeze") or ()]
    frozen = [name for name in frozen if not name.startswith(tuple(meant))]
    found: dict[str, list[str]] = {"uncalled": [], "cut": [], "requires_grad": frozen}
    for i in still:
        name = case.layers[i].name
        if f"{name}.".startswith(tuple(meant)):
            continue
        if not any(own.rpartition(".")[0] == name for own in frozen):
            found["cut" if _called(case, i) else "uncalled"].append(name)
    return {reason: names for reason, names in found.items() if names}


def _called(case: Case, layer: int) -> bool:
    """Whether a layer was heard at any step, or nobody listened."""
    rows = case.column("fed_mean")
    return not rows or any(row[layer] is not None for row in rows)
