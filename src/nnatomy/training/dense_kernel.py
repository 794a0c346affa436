"""Back-propagation written out: many steps of a dense network in one compiled call."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from nnatomy.compilation import compiled, inlined
from nnatomy.training.dense_products import (
    input_gradients,
    parameter_gradients,
    pre_activations,
)
from nnatomy.training.dense_rules import update
from nnatomy.training.dense_units import activate, loss_and_delta, silence, slope
from nnatomy.types import Values

IN, OUT, WEIGHTS, BIASES, ACTIVATION, DROPS, BELOW, ABOVE = range(8)
"""Columns of the table of layers: units below and of the layer, where its weights and biases
begin, code of its activation, whether units drop out, units before those below, and before its own
(inputs counted)."""


class Learned(NamedTuple):
    """What a step changes.

    Args:
        weights: (P,) all parameters.
        gradient: (P,).
        first: (P,) or empty: what the update rule remembers.
        second: (P,) or empty: the rest of it.
    """

    weights: Values
    gradient: Values
    first: Values
    second: Values


class Plan(NamedTuple):
    """What stays the same in all steps.

    Args:
        layers: (L, 8) the table of layers, see the column names above.
        keep: (L,) share of a layer's units that dropout lets stay.
        loss: Code of the loss.
        rule: Code of the update rule.
        momentum: γ.
        l1: λ of the penalty λ/(2m) Σ |w|.
        l2: λ of the penalty λ/(2m) Σ w².
        penalized: The first so many parameters are penalized.
        clip: Largest norm of the gradient; infinite for none.
        batch: Records a step.
    """

    layers: NDArray[np.int64]
    keep: NDArray[np.float64]
    loss: int
    rule: int
    momentum: float
    l1: float
    l2: float
    penalized: int
    clip: float
    batch: int


class Records(NamedTuple):
    """Records in the order in which they are learned from.

    Args:
        inputs: (N, d).
        targets: (N, D): class numbers or values.
        weights: (N,), or empty for equal weights.
        masks: What dropout draws, step by step and layer by layer (B, units); may be empty.
    """

    inputs: Values
    targets: Values
    weights: Values
    masks: Values


class Work(NamedTuple):
    """Memory of the computation; the first three hold inputs and layers one after the other.

    Args:
        pre: Pre-activations.
        out: Inputs, then activations.
        delta: Gradients of the cost with respect to the pre-activations.
        shares: batch.
        scratch: 2 · batch.
    """

    pre: Values
    out: Values
    delta: Values
    shares: Values
    scratch: Values


@compiled
def learn(
    learned: Learned,
    plan: Plan,
    records: Records,
    work: Work,
    rates: NDArray[np.float64],
    count: int,
    losses: NDArray[np.float64],
    norms: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> int:
    """Do one step for each learning rate, through the records and again from their beginning.

    Args:
        learned: Changed in place.
        plan: Sizes, rules and penalties.
        records: To learn from; an epoch's last batch may be smaller than the others.
        work: Overwritten.
        rates: The learning rate of each step.
        count: Steps done before.
        losses: Receives the loss of each batch before its update.
        norms: Receives the norm of each gradient, before clipping.
        totals: The losses times their records, and the norms, are added to its two numbers.

    Returns:
        The number of steps done. It is smaller than asked for when a loss or gradient was not
        finite: then that step has changed no weight.
    """
    start = mask = 0
    for step in range(len(rates)):
        size = min(plan.batch, len(records.inputs) - start)
        if step == 0 or size < len(records.inputs):  # else it lies there already
            _read(plan, records, work, start, size)
        mask = _forward(learned.weights, plan, records.masks, work, size, mask)
        loss = _loss(plan, records, work, start, size)
        _backward(learned, plan, records.masks, work, size, mask)
        _penalize(learned, plan, size)
        norm = _norm(learned.gradient)
        losses[step], norms[step] = loss, norm
        if not (math.isfinite(loss) and math.isfinite(norm)):
            return step
        if norm > plan.clip:
            _scale(learned.gradient, plan.clip / norm)
        update(
            plan.rule,
            learned.weights,
            learned.gradient,
            learned.first,
            learned.second,
            rates[step],
            plan.momentum,
            count + step,
        )
        totals[0] += loss * size
        totals[1] += norm
        start = 0 if start + size == len(records.inputs) else start + size
    return len(rates)


@inlined
def _read(plan: Plan, records: Records, work: Work, start: int, size: int) -> None:
    """Lay the batch out unit by unit; note each record's share of the cost."""
    for r in range(size):
        for i in range(plan.layers[0, IN]):
            work.out[i * size + r] = records.inputs[start + r, i]
    for r in range(size):
        work.shares[r] = 1 / size
    if len(records.weights):
        for r in range(size):
            work.shares[r] *= records.weights[start + r]


@inlined
def _forward(weights: Values, plan: Plan, masks: Values, work: Work, size: int, mask: int) -> int:
    """Returns where the masks of the next step begin."""
    last = len(plan.layers) - 1
    for number in range(last + 1):
        layer = plan.layers[number]
        pre_activations(weights, layer, work.out, work.pre, size)
        if number < last:
            begin, end = layer[ABOVE] * size, (layer[ABOVE] + layer[OUT]) * size
            activate(layer[ACTIVATION], work.pre[begin:end], work.out[begin:end])
            if layer[DROPS]:
                silence(masks, mask, plan.keep[number], layer[OUT], size, work.out, begin)
                mask += end - begin
    return mask


@inlined
def _loss(plan: Plan, records: Records, work: Work, start: int, size: int) -> Any:
    """The cost of the batch; leaves δ of the output units."""
    last = plan.layers[-1]
    top, end = last[ABOVE] * size, (last[ABOVE] + last[OUT]) * size
    return loss_and_delta(
        plan.loss,
        work.pre[top:end].reshape((last[OUT], size)),
        records.targets[start : start + size],
        work.shares,
        work.delta[top:end].reshape((last[OUT], size)),
        work.scratch,
    )


@inlined
def _backward(
    learned: Learned, plan: Plan, masks: Values, work: Work, size: int, mask: int
) -> None:
    """Layer by layer from the last to the first; `mask` is where the masks end."""
    for number in range(len(plan.layers) - 1, -1, -1):
        layer = plan.layers[number]
        parameter_gradients(learned.gradient, layer, work.out, work.delta, size)
        if number > 0:
            input_gradients(learned.weights, layer, work.delta, size)
            below = plan.layers[number - 1]
            begin, end = below[ABOVE] * size, (below[ABOVE] + below[OUT]) * size
            if below[DROPS]:
                keep = plan.keep[number - 1]
                mask -= end - begin
                silence(masks, mask, keep, below[OUT], size, work.delta, begin)
                # The activation before it was silenced; where it was, δ is zero anyway.
                for i in range(begin, end):
                    work.out[i] *= keep
            slope(
                below[ACTIVATION], work.pre[begin:end], work.out[begin:end], work.delta[begin:end]
            )


@inlined
def _penalize(learned: Learned, plan: Plan, size: int) -> None:
    """The gradients λ/m w of λ/(2m) Σ w² and λ/(2m) sign w of λ/(2m) Σ |w|."""
    if plan.l2 > 0:
        for i in range(plan.penalized):
            learned.gradient[i] += plan.l2 / size * learned.weights[i]
    if plan.l1 > 0:
        for i in range(plan.penalized):
            learned.gradient[i] += plan.l1 / (2 * size) * np.sign(learned.weights[i])


@inlined
def _norm(values: Values) -> float:
    total = 0.0
    for i in range(len(values)):
        total += values[i] * values[i]
    return math.sqrt(total)


@inlined
def _scale(values: Values, factor: float) -> None:
    for i in range(len(values)):
        values[i] *= factor
