"""O5: XOR by hand, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.plane import sigmoid
from nnatomy.lecture.row import Row, compare

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_NEAR = 5e-4
CORNERS = ((0, 0), (1, 1), (0, 1), (1, 0))
HALVES = ((0.5, 0.5), (1.5, 0.5), (0.5, 1.5), (1.5, 1.5))


def sigmoid_unit(w1: float, w2: float, bias: float, x1: float, x2: float) -> float:
    """σ(w1 x1 + w2 x2 + bias)."""
    return float(sigmoid(w1 * x1 + w2 * x2 + bias))


def sign_unit(a: float) -> int:
    """1 where a >= 0, else -1."""
    return 1 if a >= 0 else -1


def xor() -> Experiment:
    """XOR from sigmoid units with weights of 20, and from units of ±1 in two lines."""
    return Experiment([*_by_sigmoid_units(), *_by_sign_units()], [_figure()])


def _by_sigmoid_units() -> list[Row]:
    first = [sigmoid_unit(20, 20, -10, *x) for x in CORNERS]
    second = [sigmoid_unit(-20, -20, 30, *x) for x in CORNERS]
    output = [sigmoid_unit(20, 20, -30, h, g) for h, g in zip(first, second, strict=True)]
    printed = (
        ("σ(20 x1 + 20 x2 - 10)", first, [0, 1, 1, 1]),
        ("σ(-20 x1 - 20 x2 + 30)", second, [1, 0, 1, 1]),
        ("σ(20 h1 + 20 h2 - 30)", output, [0, 0, 1, 1]),
    )
    where = "for (0,0), (1,1), (0,1), (1,0)"
    return [
        compare(
            "O5",
            f"{name} {where}",
            slide=slide,
            computed=[round(v, 6) for v in values],
            tolerance=_NEAR,
            reason="the slide prints ≈ 0 and ≈ 1",
        )
        for name, values, slide in printed
    ]


def _by_sign_units() -> list[Row]:
    a1 = [x1 + x2 - 1.5 for x1, x2 in HALVES]
    a2 = [x1 + x2 - 2.5 for x1, x2 in HALVES]
    h1, h2 = [sign_unit(a) for a in a1], [sign_unit(a) for a in a2]
    wrong = [p + q - 1 for p, q in zip(h1, h2, strict=True)]
    right = [p - q - 1 for p, q in zip(h1, h2, strict=True)]
    erratum = "h1 + h2 - 1 does not give the printed column; h1 - h2 - 1 gives it and solves XOR"
    return [
        compare("O5", "a1 = x1 + x2 - 3/2", slide=[-0.5, 0.5, 0.5, 1.5], computed=a1),
        compare("O5", "h1", slide=[-1, 1, 1, 1], computed=h1),
        compare("O5", "a2 = x1 + x2 - 5/2", slide=[-1.5, -0.5, -0.5, 0.5], computed=a2),
        compare("O5", "h2", slide=[-1, -1, -1, 1], computed=h2),
        compare("O5", "o = h1 + h2 - 1", slide=[-1, 1, 1, -1], computed=wrong, erratum=erratum),
        compare("O5", "o = h1 - h2 - 1, corrected", slide=[-1, 1, 1, -1], computed=right),
        compare(
            "O5",
            "y = g(h1 - h2 - 1)",
            slide=[-1, 1, 1, -1],
            computed=[sign_unit(o) for o in right],
        ),
    ]


def _figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, ORANGE

        left, right = canvas.subplots(1, 2)
        x = [-0.5, 2.5]
        for axes, points in (
            (left, HALVES),
            (right, [(sign_unit(a + b - 1.5), sign_unit(a + b - 2.5)) for a, b in HALVES]),
        ):
            for (p, q), label in zip(points, (-1, 1, 1, -1), strict=True):
                axes.plot(p, q, "o", markersize=18, color=BLUE if label == 1 else ORANGE)
            axes.set_aspect("equal")
        for threshold, name in ((1.5, "a1 = 0"), (2.5, "a2 = 0")):
            left.plot(x, [threshold - v for v in x], color="#555555")
            left.text(-0.45, threshold + 0.5, name, va="bottom")
        left.set(title="inputs: two lines needed", xlabel="x1", ylabel="x2")
        left.set(xlim=(-0.5, 2.5), ylim=(-0.5, 3.4))
        right.plot([-1.5, 1.5], [-2.5, 0.5], color="#555555")
        right.set(title="hidden units: one line does", xlabel="h1", ylabel="h2")
        right.set(xlim=(-1.6, 1.6), ylim=(-1.6, 1.6))

    return Figure(
        "O5_xor",
        "Two hidden units move the points so that one line separates them",
        "The four records of XOR, as inputs and as the two ±1 hidden units see them "
        "(two records fall on one point).",
        draw,
    )
