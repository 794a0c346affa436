"""O2 and O3: activations with their derivatives, and losses."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim, compare
from nnatomy.nn.activations import DERIVATIVES, build_activation
from nnatomy.nn.divergence import kl_divergence
from nnatomy.training.objectives import OBJECTIVES

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}


def activations() -> Experiment:
    """Ranges, the two forms of tanh, and derivatives against finite differences."""
    a = torch.linspace(-30, 30, 2001, dtype=torch.float64)
    rows = []
    for name, (low, high) in _RANGES.items():
        h = build_activation(name)(a)
        found = [round(h.min().item(), 6), round(h.max().item(), 6)]
        rows.append(
            compare(
                "O2",
                f"range of {name}",
                slide=[low, high],
                computed=found,
                reason="at a = -30 and 30, to six digits; the ends are approached, not reached",
            )
        )
    rows.append(_two_forms_of_tanh())
    rows.append(_derivative("sigmoid", slide="h (1 - h)"))
    rows += [_derivative(name) for name in ("tanh", "relu", "leaky_relu", "elu", "gelu")]
    rows.append(_softmax())
    return Experiment(rows, [_figure()])


def _two_forms_of_tanh() -> Row:
    a = torch.linspace(-5, 5, 101, dtype=torch.float64)
    one = (a.exp() - (-a).exp()) / (a.exp() + (-a).exp())
    two = ((2 * a).exp() - 1) / ((2 * a).exp() + 1)
    gap = (one - two).abs().max().item()
    return claim(
        "O2",
        "largest difference of the two printed forms of tanh",
        gap < 1e-12,
        f"{gap:.1e}",
        slide="(eᵃ - e⁻ᵃ)/(eᵃ + e⁻ᵃ) = (e²ᵃ - 1)/(e²ᵃ + 1)",
    )


def _derivative(name: str, slide: str | None = None) -> Row:
    # None of the points is the kink of ReLU.
    a, step = torch.linspace(-4.03, 4, 200, dtype=torch.float64), 1e-6
    layer, (formula, derivative) = build_activation(name), DERIVATIVES[name]
    slope: Tensor = (layer(a + step) - layer(a - step)) / (2 * step)
    gap = (derivative(a) - slope).abs().max().item()
    return claim(
        "O2",
        f"derivative of {name}, {formula}: largest difference from finite differences",
        gap < 1e-8,
        f"{gap:.1e}",
        slide=slide,
        reason="200 points from -4 to 4, step 1e-6; the smallest value on them is "
        f"{layer(a).min().item():.3g}",
    )


def _softmax() -> Row:
    a = torch.tensor([0.5, -1.0, 2.0], dtype=torch.float64)
    p = a.softmax(0)
    found = torch.func.jacrev(lambda v: v.softmax(0))(a)
    gap = (found - (p.diag() - p[:, None] * p)).abs().max().item()
    return claim(
        "O2",
        "softmax of (½, -1, 2): p, and the largest difference of ∂p_k/∂a_j = p_k ([k = j] - p_j) "
        "from autograd",
        abs(p.sum().item() - 1) < 1e-12 and gap < 1e-12,
        ", ".join(f"{value:.4f}" for value in p) + f"; {gap:.1e}",
        reason="the values sum to 1",
    )


def losses() -> Experiment:
    """Each loss on one record by hand, and the cost as their mean."""
    t, y = torch.tensor([[1.0]]), torch.tensor([[0.25]])
    squared = OBJECTIVES["squared"].loss(y, t, None).item()
    logits = torch.tensor([[0.0, np.log(3.0)]], dtype=torch.float64)
    cross = OBJECTIVES["cross_entropy"].loss(logits, torch.tensor([1]), None).item()
    single = torch.tensor([[np.log(3.0)]], dtype=torch.float64)
    binary = OBJECTIVES["binary_cross_entropy"].loss(single, torch.tensor([1]), None).item()
    both = torch.tensor([[0.25], [0.5]])
    cost = OBJECTIVES["squared"].loss(both, torch.tensor([[1.0], [1.0]]), None).item()
    p, q = torch.tensor([0.25, 0.75]).double(), torch.tensor([0.5, 0.5]).double()
    divergence = kl_divergence(p, q).item()
    by_hand = 0.25 * np.log(0.5) + 0.75 * np.log(1.5)
    return Experiment(
        [
            _loss("L = ½ (t - y)²", "t = 1, y = ¼", 0.5 * 0.75**2, squared, "½ (t - y)²"),
            _loss("L = -Σ t log p", "p = (¼, ¾), second class", -np.log(0.75), cross, "-Σ t log p"),
            _loss("L = -t log p - (1-t) log(1-p)", "t = 1, p = ¾", -np.log(0.75), binary, None),
            _loss(
                "cost, the mean of the losses,",
                "y = ¼ and ½",
                (0.28125 + 0.125) / 2,
                cost,
                "the average of loss function values",
            ),
            _loss("KL = Σ p log(p/q)", "(¼, ¾) from (½, ½)", by_hand, divergence, None),
        ]
    )


def _loss(formula: str, where: str, by_hand: float, computed: float, slide: str | None) -> Row:
    return claim(
        "O3",
        f"{formula} at {where}",
        abs(computed - by_hand) < 1e-7,
        round(computed, 7),
        slide=slide,
        reason=f"by hand {by_hand:.7f}",
    )


def _figure() -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, ORANGE

        a = torch.linspace(-4, 4, 401)
        top = canvas.subplots(1, 3, sharex=True, sharey=True)
        for axes, name in zip(top, ("sigmoid", "tanh", "relu"), strict=True):
            axes.plot(a, build_activation(name)(a), color=BLUE)
            axes.plot(a, DERIVATIVES[name][1](a), color=ORANGE)
            axes.set(title=name, xlabel="a", ylim=(-1.1, 2.1))
            axes.axhline(0, color="#bbbbbb", linewidth=1, zorder=0)
        top[0].text(-3.8, 1.75, "g(a)", color=BLUE)
        top[0].text(-3.8, 1.45, "g'(a)", color=ORANGE)

    return Figure(
        "O2_activations",
        "Far from zero sigmoid and tanh have no slope; ReLU keeps it",
        "Activation functions (blue) and their derivatives (orange).",
        draw,
    )
