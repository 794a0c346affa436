"""P2 and P3: the variance of the initial weights, and what it does to gradients and training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nnatomy.lecture.depth import gradient_norms
from nnatomy.lecture.digits import digit_samples
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim
from nnatomy.models.mlp import MLP
from nnatomy.nn.initialization import FORMULAS, initialize
from nnatomy.training.many import fit_many
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_IN, _OUT = 300, 500
_DEPTH, _WIDTH, _SEEDS = 8, 64, 3
_SETTINGS = Settings(epochs=15, batch_size=64, lr=0.01, optimizer="momentum", device="cpu")
VARIANCES = {
    "xavier_forward_normal": 1 / _IN,
    "xavier_forward_uniform": 1 / _IN,
    "xavier_normal": 2 / (_IN + _OUT),
    "xavier_uniform": 2 / (_IN + _OUT),
    "he_normal": 2 / _IN,
    "he_uniform": 2 / _IN,
}


def build(activation: str, scheme: str, seed: int) -> MLP:
    """Eight hidden layers of 64 units for digits."""
    torch.manual_seed(seed)
    hidden = (_WIDTH,) * _DEPTH
    return MLP(64, 10, hidden=hidden, activation=activation, init=scheme)


def _variance(scheme: str) -> Row:
    torch.manual_seed(0)
    layer = nn.Linear(_IN, _OUT)
    initialize(layer, scheme)
    weights, expected = layer.weight.double(), VARIANCES[scheme]
    found = weights.var().item()
    holds = abs(found / expected - 1) < 5 * (2 / weights.numel()) ** 0.5
    if scheme.endswith("uniform"):
        bound = (3 * expected) ** 0.5
        holds = holds and 0.999 * bound < weights.abs().max().item() <= bound * (1 + 1e-6)
    return claim(
        "P3" if scheme.startswith("he") else "P2",
        f"{scheme}: variance of {_IN} × {_OUT} weights times n_in",
        holds,
        round(found * _IN, 4),
        slide=FORMULAS[scheme].split(",  ")[0],
        reason=f"by the formula {expected * _IN:.4f}; the bounds of uniform ones were checked too",
    )


def spreads(activation: str, scheme: str) -> list[float]:
    """Standard deviation of the activations of each hidden layer, for 256 digits."""
    samples, _ = digit_samples(256, 1)
    values, found = samples.inputs, []
    with torch.no_grad():
        for module in build(activation, scheme, 0).features:
            values = module(values)
            if not isinstance(module, nn.Linear):
                found.append(values.square().mean().sqrt().item())
    return found


def _kept(item: str, activation: str, good: str, bad: str) -> Row:
    kept, lost = spreads(activation, good), spreads(activation, bad)
    shares = [kept[-1] / kept[0], lost[-1] / lost[0]]
    return claim(
        item,
        f"{activation}: size of the last layer's activations as a share of the first's, "
        f"{good} and {bad}",
        shares[0] > 0.2 and shares[1] < 0.01,
        [float(f"{share:.2g}") for share in shares],
        slide="variances of a layer's input and output the same",
        reason="eight hidden layers of 64 units, root mean square, 256 digits",
    )


def _sessions(activation: str, schemes: tuple[str, ...]) -> list[list[Session]]:
    train, _ = digit_samples(1000, 1)
    networks = [build(activation, name, seed) for name in schemes for seed in range(_SEEDS)]
    sessions = fit_many(networks, train, settings=[_SETTINGS] * len(networks))
    return [sessions[i : i + _SEEDS] for i in range(0, len(sessions), _SEEDS)]


def _training(item: str, activation: str, schemes: tuple[str, ...]) -> tuple[Row, Figure]:
    groups = _sessions(activation, schemes)
    ends = [float(np.mean([s.history[-1]["loss"] for s in group])) for group in groups]
    row = claim(
        item,
        f"{activation}: training loss after 15 epochs, {', '.join(schemes)}",
        ends[-1] < 0.5 * min(ends[:-1]),
        [round(end, 3) for end in ends],
        slide="left zeros, middle fixed variance, right Xavier",
        reason="1,000 digits, eight hidden layers of 64 units, mean of three starts",
    )
    return row, _curves(f"{item}_training_loss", activation, schemes, groups)


def xavier() -> Experiment:
    """Xavier's variances, what they keep, and the training they allow (tanh)."""
    rows = [_variance(name) for name in VARIANCES if name.startswith("xavier")]
    rows.append(_kept("P2", "tanh", "xavier_normal", "normal"))
    row, figure = _training("P2", "tanh", ("zeros", "normal", "xavier_normal"))
    return Experiment([*rows, row], [_gradients("P2_gradients", "tanh"), figure])


def he() -> Experiment:
    """He's variances, what they keep, and the training they allow (ReLU)."""
    rows = [_variance(name) for name in VARIANCES if name.startswith("he")]
    rows.append(_kept("P3", "relu", "he_normal", "normal"))
    row, figure = _training("P3", "relu", ("zeros", "normal", "he_normal"))
    return Experiment([*rows, row], [_gradients("P3_gradients", "relu"), figure])


def mean_gradients(activation: str, scheme: str) -> NDArray[np.float64]:
    """Gradient norm of each layer's weights, geometric mean of three starts."""
    norms = [gradient_norms(build(activation, scheme, seed)) for seed in range(_SEEDS)]
    means: NDArray[np.float64] = np.exp(np.log(np.maximum(norms, 1e-12)).mean(0))
    return means


def _gradients(name: str, activation: str) -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, DARK, ORANGE, label_ends

        both = canvas.subplots(1, 2, sharey=True)
        for axes, kind in zip(both, ("normal", "uniform"), strict=True):
            schemes = {
                f"xavier_{kind}": ("Xavier", DARK),
                f"he_{kind}": ("He", BLUE),
                kind: ("fixed", ORANGE),
            }
            ends = []
            for scheme, (word, color) in schemes.items():
                norms = mean_gradients(activation, scheme)
                axes.semilogy(range(1, len(norms) + 1), norms, "o-", color=color)
                ends.append((len(norms), float(norms[-1]), word, color))
            axes.set(title=kind, xlabel="layer", ylim=(1e-10, 30))
            label_ends(axes, ends)
        both[0].set_ylabel("gradient norm")

    return Figure(
        name,
        f"With the right variance every {activation} layer gets a gradient",
        "Norm of the gradient of each layer's weights before training, by scheme and distribution: "
        "eight hidden layers, digits. Fixed: N(0, 0.01²) and U(±0.05).",
        draw,
        (14.0, 6.75),
    )


def _curves(
    name: str, activation: str, schemes: tuple[str, ...], groups: list[list[Session]]
) -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE

        all_axes = canvas.subplots(1, len(schemes), sharey=True)
        for axes, scheme, group in zip(all_axes, schemes, groups, strict=True):
            curves = np.array([s.history.column("loss") for s in group])
            axes.plot(np.arange(1, curves.shape[1] + 1), curves.T, color=BLUE, alpha=0.8)
            axes.set(title=scheme, xlabel="epoch", ylim=(0, 2.6))
        all_axes[0].set_ylabel("training loss")

    return Figure(
        name,
        f"Training loss by initialization ({activation})",
        "1,000 digits, eight hidden layers of 64 units, momentum 0.9, three starts each.",
        draw,
        (14.0, 5.8),
    )
