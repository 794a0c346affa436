"""O7: one step of back-propagation, with every number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nnatomy.data.samples import TensorSamples
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.plane import sigmoid
from nnatomy.lecture.row import Row, claim, compare
from nnatomy.models.mlp import MLP
from nnatomy.training.fit import fit
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

X = np.array([0.5, 0.5, 1.0])  # the last is the bias's
HIDDEN = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, -2.0]])
OUTPUT = np.array([1.0, 1.0, 1.0])
TARGET, RATE = 1.0, 0.1
_DIGIT = 5e-4

PRINTED: dict[str, list[float]] = {
    "a": [1.0, -1.5],
    "h": [0.269, 0.818],
    "output": [2.087],
    "output weights": [1.029, 1.089, 1.109],
    "h1's weights": [1.011, 1.011, 0.021],
    "h2's weights": [-0.005, 0.995, -1.984],
}
_SIGMOID = "the slide computes 1 / (1 + exp(+a)); the sigmoid is 1 / (1 + exp(-a))"
_UPDATE = (
    "the slide's h is wrong, and its update w - η (y - ŷ) h moves away from the target: "
    "right is w + η (y - ŷ) h"
)
_OWN_RULE = "reproduced from the slide's own rule, 1 / (1 + exp(+a)) and w - η (y - ŷ) …"
_NO_RULE = "does not follow from the slide's own rule either; that gives the computed numbers"


@dataclass(frozen=True)
class Step:
    """Forward, backward and update for one record.

    Shape: a (2,), h (2,), output (3,) new output weights, hidden (2, 3) new hidden weights.
    """

    a: NDArray[np.float64]
    h: NDArray[np.float64]
    predicted: float
    output: NDArray[np.float64]
    hidden: NDArray[np.float64]


def step(*, sigmoid_sign: float = -1.0, toward: float = 1.0) -> Step:
    """One update of all nine weights.

    a = W x;  h = 1 / (1 + exp(-a));  ŷ = w·(h, 1);  with e = y - ŷ: w ← w + η e (h, 1) and
    w_ji ← w_ji + η e w_j h_j (1 - h_j) x_i.

    Args:
        sigmoid_sign: +1 for the slide's 1 / (1 + exp(+a)).
        toward: -1 for the slide's update away from the target.
    """
    a = HIDDEN @ X
    h = sigmoid(-sigmoid_sign * a)
    predicted = float(OUTPUT @ [*h, 1.0])
    error = toward * RATE * (TARGET - predicted)
    output = OUTPUT + error * np.array([*h, 1.0])
    hidden = HIDDEN + error * np.outer(OUTPUT[:2] * h * (1 - h), X)
    return Step(a, h, predicted, output, hidden)


def by_autograd() -> Step:
    """The right step, its gradient left to autograd."""
    hidden = torch.tensor(HIDDEN, requires_grad=True)
    output = torch.tensor(OUTPUT, requires_grad=True)
    a = hidden @ torch.tensor(X)
    h = torch.sigmoid(a)
    predicted = output[:2] @ h + output[2]
    (0.5 * (TARGET - predicted) ** 2).backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        new_output, new_hidden = output - RATE * output.grad, hidden - RATE * hidden.grad  # type: ignore[operator]
    return Step(
        a.detach().numpy(),
        h.detach().numpy(),
        predicted.item(),
        new_output.numpy(),
        new_hidden.numpy(),
    )


def back_propagation() -> Experiment:
    """The slide's numbers, what its own wrong rule gives, what is right, and autograd."""
    right, own = step(), step(sigmoid_sign=1.0, toward=-1.0)
    rows = [*_right(right), *_own_rule(own), _general(right), _agreement(right), _network(right)]
    return Experiment(rows, [_figure()])


def _rounded(values: NDArray[np.float64] | float) -> list[float]:
    return [round(float(v), 6) for v in np.atleast_1d(values)]


def _row(what: str, name: str, computed: NDArray[np.float64] | float, **reasons: str) -> Row:
    return compare(
        "O7", what, slide=PRINTED[name], computed=_rounded(computed), tolerance=_DIGIT, **reasons
    )


def _right(right: Step) -> list[Row]:
    parts = [("h1's weights", right.hidden[0]), ("h2's weights", right.hidden[1])]
    return [
        _row("pre-activations a1, a2", "a", right.a),
        _row("activations h1, h2", "h", right.h, erratum=_SIGMOID),
        _row("output ŷ", "output", right.predicted, erratum=_SIGMOID),
        _row("output weights w1, w2, w0, new", "output weights", right.output, erratum=_UPDATE),
        *(
            _row(
                f"{name} for x1, x2, bias, new",
                name,
                values,
                erratum=_UPDATE + "; besides, it writes a (1 - a) where h (1 - h) is meant",
            )
            for name, values in parts
        ),
    ]


def _own_rule(own: Step) -> list[Row]:
    where = "by the slide's own rule: "
    return [
        _row(where + "h1, h2", "h", own.h, reason=_OWN_RULE),
        _row(where + "ŷ", "output", own.predicted, reason=_OWN_RULE),
        _row(where + "output weights", "output weights", own.output, reason=_OWN_RULE),
        _row(where + "h1's weights", "h1's weights", own.hidden[0], reason=_OWN_RULE),
        _row(where + "h2's weights", "h2's weights", own.hidden[1], erratum=_NO_RULE),
    ]


def _general(right: Step) -> Row:
    """The general formula of the slide before, (y - ŷ) w a (1 - a) x, y being the output there."""
    error = right.predicted - TARGET
    gradient = error * OUTPUT[0] * right.h[0] * (1 - right.h[0]) * X
    printed = error * OUTPUT[0] * right.a[0] * (1 - right.a[0]) * X
    wrong = not np.allclose(gradient, printed, atol=_DIGIT)
    values = [", ".join(f"{v + 0:.4f}" for v in vector) for vector in (gradient, printed)]
    return Row(
        "O7",
        "gradient of h1's weights for x1, x2, bias; by the general formula as printed",
        "(y_k - ŷ_k) w_j a_j (1 - a_j) x_ki",
        "; ".join(values),
        "erratum" if wrong else "agrees",
        "a (1 - a) should be h (1 - h); the chain rule before it has ∂y/∂w_j where ∂y/∂h_j = w_j "
        "is meant, and its y is the output, which is ŷ elsewhere",
    )


def by_fit() -> Step:
    """The same step by the network and the training that everybody uses."""
    network = MLP(2, 1, hidden=(2,), activation="sigmoid").double()
    first, last = network.features[0], network.head
    assert isinstance(first, nn.Linear)
    with torch.no_grad():
        first.weight.copy_(torch.tensor(HIDDEN[:, :2]))
        first.bias.copy_(torch.tensor(HIDDEN[:, 2]))
        last.weight.copy_(torch.tensor(OUTPUT[None, :2]))
        last.bias.copy_(torch.tensor(OUTPUT[2:]))
        x = torch.tensor(X[None, :2])
        a, predicted = first(x)[0], network(x).item()
    record = TensorSamples(x, torch.tensor([[TARGET]], dtype=torch.float64))
    settings = Settings(epochs=1, batch_size=1, optimizer="sgd", lr=RATE, device="cpu")
    fit(network, record, objective="squared", settings=settings)
    hidden = torch.cat([first.weight, first.bias[:, None]], 1).detach().numpy()
    output = torch.cat([last.weight[0], last.bias]).detach().numpy()
    return Step(a.numpy(), torch.sigmoid(a).numpy(), predicted, output, hidden)


def _network(right: Step) -> Row:
    gap = _gap(right, by_fit())
    return claim(
        "O7",
        "the network mlp trained by fit for this one step: largest difference from the right "
        "numbers",
        gap < 1e-6,
        f"{gap:.1e}",
        reason="optimizer sgd, objective squared, one record",
    )


def _gap(one: Step, other: Step) -> float:
    pairs = (
        (one.a, other.a),
        (one.h, other.h),
        (one.predicted, other.predicted),
        (one.output, other.output),
        (one.hidden, other.hidden),
    )
    return max(float(np.abs(np.subtract(*pair)).max()) for pair in pairs)


def _agreement(right: Step) -> Row:
    gap = _gap(right, by_autograd())
    return claim(
        "O7",
        "all right numbers: largest difference from autograd",
        gap < 1e-6,
        f"{gap:.1e}",
        reason="forward, backward and update in double precision",
    )


def loss_along(*, sigmoid_sign: float, toward: float, rates: NDArray[np.float64]) -> list[float]:
    """½ (y - ŷ)² after one step of each size, the network computed rightly."""
    losses = []
    done = step(sigmoid_sign=sigmoid_sign, toward=toward)
    for rate in rates:
        share = rate / RATE
        hidden = HIDDEN + share * (done.hidden - HIDDEN)
        output = OUTPUT + share * (done.output - OUTPUT)
        h = sigmoid(hidden @ X)
        losses.append(0.5 * (TARGET - float(output @ [*h, 1.0])) ** 2)
    return losses


def _figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, ORANGE, label_ends

        rates = np.linspace(0, 0.5, 60)
        right = loss_along(sigmoid_sign=-1.0, toward=1.0, rates=rates)
        wrong = loss_along(sigmoid_sign=1.0, toward=-1.0, rates=rates)
        axes = canvas.subplots()
        axes.plot(rates, right, color=BLUE)
        axes.plot(rates, wrong, color=ORANGE)
        axes.set(xlabel="learning rate η of one step", ylabel="loss after it", xlim=(0, 0.5))
        axes.set_ylim(bottom=0)
        label_ends(axes, [(0.5, right[-1], "right", BLUE), (0.5, wrong[-1], "as printed", ORANGE)])

    return Figure(
        "O7_back_propagation",
        "Toward the target the loss falls; the printed step moves away",
        "Loss ½ (y - ŷ)² of the worked example after one step, against the step's size.",
        draw,
    )
