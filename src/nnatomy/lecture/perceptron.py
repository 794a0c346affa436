"""O1: one neuron that learns record by record, and what it cannot learn."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from nnatomy.data.samples import TensorSamples
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.plane import sigmoid
from nnatomy.lecture.row import Row, claim
from nnatomy.models.mlp import MLP
from nnatomy.models.perceptron import Perceptron
from nnatomy.training.fit import fit
from nnatomy.training.settings import Settings
from nnatomy.zoo.perceptron_rule import PerceptronRule

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

RECORDS = (((2.0, 2.0), 1.0), ((3.0, 3.0), 0.0))
XOR_INPUTS = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
XOR_LABELS = np.array([0, 1, 1, 0])
_XOR = "linear classifiers cannot solve this"
_LOST = (
    "the slide's numbers are in a picture that is lost; computed from w = (0, 0), b = 0, as the "
    "slide's starting weights are unknown"
)


def perceptron() -> Experiment:
    """The two records at both learning rates, convergence where a line separates, XOR."""
    rows = [row for rate in (1.0, 0.5) for row in (*_step_unit(rate), *_worked_example(rate))]
    rows += [_separable(), _xor_by_rule(), _xor_by_enumeration(), _xor_by_training()]
    return Experiment(rows, [_figure()])


def sigmoid_step(
    weights: NDArray[np.float64], inputs: tuple[float, ...], target: float, rate: float
) -> tuple[float, NDArray[np.float64]]:
    """One update of a sigmoid unit: w ← w - α (y - t) h (1 - h) x, the bias having x = 1.

    Args:
        weights: (d + 1,), the bias last.
        inputs: x.
        target: t.
        rate: α.

    Returns:
        The output y before the update, and the new weights.
    """
    x = np.array([*inputs, 1.0])
    h = float(sigmoid(weights @ x))
    return h, weights - rate * (h - target) * h * (1 - h) * x


def by_autograd(
    weights: NDArray[np.float64], inputs: tuple[float, ...], target: float, rate: float
) -> NDArray[np.float64]:
    """The same update, the derivative of ½ (t - y)² being left to autograd."""
    w = torch.tensor(weights, requires_grad=True)
    y = torch.sigmoid(w @ torch.tensor([*inputs, 1.0], dtype=torch.float64))
    (gradient,) = torch.autograd.grad(0.5 * (target - y) ** 2, w)
    result: NDArray[np.float64] = (w - rate * gradient).detach().numpy()
    return result


def _step_unit(rate: float) -> list[Row]:
    """The two records by Rosenblatt's rule; a unit on the boundary is wrong."""
    rows, rule = [], PerceptronRule(1, 2, rate=rate)
    for number, (inputs, target) in enumerate(RECORDS, 1):
        record = rule.extended(np.array([inputs]))
        a = (record @ rule.weights.T).item()
        rule.learn(record, np.array([[2 * target - 1]]), np.array([0]))
        values = [round(float(v), 6) for v in (a, *rule.weights[0])]
        what = f"step unit, α = {rate:g}, record {number}: a, then w1, w2, b"
        rows.append(Row("O1", what, None, values, "not reproducible here", _LOST))
    return rows


def _worked_example(rate: float) -> list[Row]:
    rows, weights = [], np.zeros(3)
    for number, (inputs, target) in enumerate(RECORDS, 1):
        output, updated = sigmoid_step(weights, inputs, target, rate)
        equal = np.allclose(updated, by_autograd(weights, inputs, target, rate), atol=1e-6)
        values = [round(float(v), 6) for v in (output, *updated)]
        what = f"sigmoid unit, α = {rate:g}, record {number}: y, then w1, w2, b"
        reason = f"{_LOST}; {'equal to' if equal else 'differs from'} autograd's step"
        rows.append(Row("O1", what, None, values, "not reproducible here", reason))
        weights = updated
    return rows


def _learn(inputs: NDArray[np.float64], labels: NDArray[np.int64], epochs: int) -> list[int]:
    """Mistakes of a step unit in each epoch."""
    rule = PerceptronRule(1, inputs.shape[1])
    extended, signs = rule.extended(inputs), np.where(labels == 1, 1.0, -1.0)[:, None]
    order = np.arange(len(inputs))
    return [rule.learn(extended, signs, order).mistakes for _ in range(epochs)]


def separable(count: int = 100) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Points on both sides of x1 + x2 = 1, none closer to it than 0.03."""
    points = np.random.default_rng(0).uniform(0, 1, (10 * count, 2))
    points = points[np.abs(points.sum(1) - 1) > 0.03 * np.sqrt(2)][:count]
    return points, (points.sum(1) > 1).astype(np.int64)


def _separable() -> Row:
    inputs, labels = separable()
    mistakes = _learn(inputs, labels, 200)
    # Novikoff 1962: at most (R / margin)² mistakes, inputs extended by the bias.
    lengths = np.sqrt((inputs**2).sum(1) + 1)
    bound = (lengths.max() / (0.03 * np.sqrt(2) / np.sqrt(3))) ** 2
    return claim(
        "O1",
        "step unit on points that a line separates: mistakes in all, and in the last epoch",
        mistakes[-1] == 0 and sum(mistakes) <= bound,
        [sum(mistakes), mistakes[-1]],
        slide="can only produce a linear class boundary",
        reason=f"Rosenblatt's rule, 200 epochs; Novikoff's bound is {bound:.0f} mistakes",
    )


def _xor_by_rule() -> Row:
    mistakes = _learn(XOR_INPUTS, XOR_LABELS, 1000)
    return claim(
        "O1",
        "step unit on XOR: fewest mistakes in an epoch of 4 records",
        min(mistakes) >= 1,
        min(mistakes),
        slide=_XOR,
        reason="1,000 epochs of Rosenblatt's rule; the line moves after each mistake, so that it "
        "can be wrong about each record in its turn, though any one line has up to three right",
    )


def best_of_all_lines() -> int:
    """The most XOR records that any line has on the right side, by trying lines.

    Every way in which a line can divide the four corners is among lines with weights from -1, 0
    and 1 and thresholds between the sums.
    """
    best = 0
    for w1, w2 in itertools.product((-1.0, 0.0, 1.0), repeat=2):
        for threshold in np.arange(-2.5, 3.0, 0.5):
            fires = XOR_INPUTS @ [w1, w2] > threshold + 0.25
            best = max(best, int((fires == XOR_LABELS).sum()))
    return best


def _xor_by_enumeration() -> Row:
    best = best_of_all_lines()
    return claim(
        "O1",
        "most of the 4 XOR records that any line has on the right side",
        best == 3,
        best,
        slide=_XOR,
        reason="every division of the four corners by a line was tried",
    )


def _xor_by_training() -> Row:
    """What `fit` makes of XOR with the same unit, and with hidden units before it."""
    records = TensorSamples(torch.tensor(XOR_INPUTS).float(), torch.tensor(XOR_LABELS))
    plain = Settings(epochs=500, batch_size=1, lr=1.0, optimizer="sgd", error_rate=0.0)
    unit = fit(Perceptron(2, 2), records, objective="perceptron", settings=plain)
    least = min(unit.history.column("error_rate"))
    torch.manual_seed(0)
    hidden = MLP(2, 2, hidden=(8,), activation="tanh")
    deep = fit(hidden, records, settings=Settings(epochs=500, lr=0.05, error_rate=0.0))
    end = deep.history[-1]["error_rate"]
    return claim(
        "O1",
        "XOR trained for 500 epochs: lowest error rate of a perceptron, and with 8 hidden units",
        least >= 0.25 and end == 0.0,
        [least, end],
        slide=_XOR,
        reason="the networks perceptron and mlp; the second is past what the slide says",
    )


def _figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, ORANGE, whole_ticks

        left, right = canvas.subplots(1, 2, sharey=False)
        inputs, labels = separable()
        left.plot(_learn(inputs, labels, 40), color=BLUE, drawstyle="steps-post")
        left.set(title="A line separates: it comes to rest", xlabel="epoch", ylabel="mistakes")
        right.plot(_learn(XOR_INPUTS, XOR_LABELS, 40), color=ORANGE, drawstyle="steps-post")
        right.set(title="XOR: it never does", xlabel="epoch", ylim=(0, 4.3))
        for axes in (left, right):
            whole_ticks(axes)
        left.set_ylim(bottom=0)

    return Figure(
        "O1_perceptron",
        "A perceptron learns what a line separates, and nothing else",
        "Mistakes of a step unit in each epoch of Rosenblatt's rule: 100 points on both sides of "
        "a line, and the four records of XOR.",
        draw,
    )
