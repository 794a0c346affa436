"""Checks of what single units and layers do."""

from __future__ import annotations

import math

from nnatomy.diagnose.case import Case
from nnatomy.diagnose.finding import Evidence, Finding
from nnatomy.diagnose.signs import hidden_fed, known, middle, of_layers, worst_of

DEAD = 0.85
"""Share of a layer's units that are zero for all records."""
SATURATED = 0.4
"""Share of a layer's activations where the derivative is below a twentieth of its largest."""
ALIKE = 1e-6
"""Largest difference between the units of a layer, as a share of the largest weight."""


def dead_relus(case: Case) -> Finding | None:
    """Units that are zero whatever they are shown."""
    places = hidden_fed(case, "relu", "")
    shares = of_layers(case, "fed_dead", places, part="late")
    worst = worst_of(shares, places)
    if worst is None or worst[0] < DEAD:
        return None
    share, name = worst[0], case.layers[worst[1]].name
    return Finding(
        "dead_relus",
        "critical" if share > 0.9 else "warning",
        f"{share:.0%} of the units that feed '{name}' are zero for every record: they have "
        "no gradient and cannot come back.",
        (Evidence(f"share of dead units before '{name}'", share, f"> {DEAD:g}"),),
        "Start with biases at 0 and He's initialization, lower the learning rate, or use leaky "
        "ReLU.",
        "O14",
    )


def saturated_units(case: Case) -> Finding | None:
    """Sigmoid or tanh units that sit where their derivative is almost zero."""
    places = hidden_fed(case, "sigmoid", "tanh", "")
    rows = case.column("fed_saturated")
    if not rows:
        return None
    ends = [known([rows[0][i], rows[-1][i]]) for i in places]
    worst = worst_of([max(values, default=math.nan) for values in ends], places)
    if worst is None or worst[0] < SATURATED:
        return None
    share, name = worst[0], case.layers[worst[1]].name
    first = middle([rows[0][worst[1]]])
    return Finding(
        "saturated_units",
        "warning",
        f"{share:.0%} of the activations that feed '{name}' lie where the derivative is "
        "almost zero.",
        (
            Evidence(f"share saturated before '{name}', first step", first, ""),
            Evidence(f"share saturated before '{name}'", share, f"> {SATURATED:g}"),
        ),
        "Start from Xavier's initialization, scale the inputs, or use ReLU.",
        "O2",
    )


def symmetric_start(case: Case) -> Finding | None:
    """All units of a hidden layer have the same weights, so that they stay alike."""
    rows = case.column("spread")
    hidden = [i for i, layer in enumerate(case.layers[:-1]) if layer.units > 1]
    alike = [i for i in hidden if rows and rows[0][i] <= ALIKE]
    if not alike:
        return None
    layer, value = case.layers[alike[0]], rows[0][alike[0]]
    return Finding(
        "symmetric_start",
        "critical",
        f"The {layer.units} units of '{layer.name}' start with the same weights, get the same "
        "gradient and stay one unit.",
        (Evidence(f"largest difference between units of '{layer.name}'", value, f"<= {ALIKE:g}"),),
        "Draw the initial weights at random: init=he_normal for ReLU, xavier_normal for tanh.",
        "P1",
    )
