"""P2 and P3: the variance of the initial weights, and what it does to gradients and training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from nnatomy.lecture.curves import columns, last
from nnatomy.lecture.depth import gradient_norms
from nnatomy.lecture.digits import digit_samples
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import Row, claim
from nnatomy.models.mlp import MLP
from nnatomy.nn.initialization import initialize
from nnatomy.training.many import fit_many
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

_IN, _OUT = 300, 500
_DEPTH, _WIDTH, _SEEDS = 8, 64, 3
_STARTS = 50
_SETTINGS = Settings(epochs=15, batch_size=64, lr=0.01, optimizer="momentum", device="cpu")
GOOD = {"tanh": "xavier_normal", "relu": "he_normal"}
WORDS = {
    "zeros": "zeros",
    "normal": "fixed variance",
    "xavier_normal": "Xavier",
    "he_normal": "He",
}
PRINTED = {
    "xavier_forward_normal": "N(0, 1/size(L-1))",
    "xavier_forward_uniform": "±sqrt(3/size(L-1))",
    "xavier_normal": "N(0, 2/(size(L-1) + size(L)))",
    "xavier_uniform": "±sqrt(6/(size(L-1) + size(L)))",
    "he_normal": "N(0, 2/size(L-1))",
    "he_uniform": "±sqrt(6/size(L-1))",
}
"""The slides' words; their size(L-1) is n_in, the number of a layer's inputs."""
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
    if not scheme.startswith("fixed"):
        return MLP(64, 10, hidden=hidden, activation=activation, init=scheme)
    # Both with a standard deviation of 0.01, so that the distribution is all that differs.
    network = MLP(64, 10, hidden=hidden, activation=activation, init="zeros")
    bound = 0.01 * 3**0.5
    for weight in (p for p in network.parameters() if p.dim() == 2):
        if scheme == "fixed_normal":
            nn.init.normal_(weight, std=0.01)
        else:
            nn.init.uniform_(weight, -bound, bound)
    return network


def _variance(scheme: str) -> Row:
    torch.manual_seed(0)
    layer = nn.Linear(_IN, _OUT)
    initialize(layer, scheme)
    weights, expected = layer.weight.double(), VARIANCES[scheme]
    found = weights.var().item()
    holds = abs(found / expected - 1) < 5 * (2 / weights.numel()) ** 0.5
    reason = f"by the formula {expected * _IN:.4f}"
    if scheme.endswith("uniform"):
        reason += "; the largest weight lies at the bound"
        bound = (3 * expected) ** 0.5
        holds = holds and 0.999 * bound < weights.abs().max().item() <= bound * (1 + 1e-6)
    return claim(
        "P3" if scheme.startswith("he") else "P2",
        f"{scheme}: variance of {_IN} × {_OUT} weights times n_in",
        holds,
        round(found * _IN, 4),
        slide=PRINTED[scheme],
        reason=reason,
    )


def variances(activation: str, scheme: str) -> NDArray[np.float64]:
    """Variance of the pre-activations of each hidden layer over units and 256 digits, (starts, L).

    Their mean is not taken off: it is that of a random sum, and 0 over the starts.
    """
    samples, _ = digit_samples(256, 1)
    found = []
    with torch.no_grad():
        for seed in range(_STARTS):
            values, layers = samples.inputs, []
            for module in build(activation, scheme, seed).features:
                values = module(values)
                if isinstance(module, nn.Linear):
                    layers.append(values.square().mean().item())
            found.append(layers)
    return np.array(found)


def shares(activation: str, scheme: str) -> NDArray[np.float64]:
    """Variance of the last hidden layer's pre-activations as a share of the first's, (starts,)."""
    found = variances(activation, scheme)
    result: NDArray[np.float64] = found[:, -1] / found[:, 0]
    return result


def _kept(item: str, activation: str, scheme: str) -> Row:
    """The variance is kept where its mean over starts is within a factor of two of the first's."""
    kept = shares(activation, scheme)
    low, middle, high = np.quantile(kept, [0.1, 0.5, 0.9])
    reason = (
        f"eight hidden layers of 64 units, 256 digits, mean of {_STARTS} starts (a tenth of them "
        f"below {low:.2g}, half below {middle:.2g}, a tenth above {high:.2g})"
    )
    if activation == "tanh":
        reason = (
            "tanh is below its argument, so that the variance shrinks from layer to layer; the "
            "formula holds for units near 0, where tanh(a) ≈ a; " + reason
        )
    return claim(
        item,
        f"{activation}: variance of the last hidden layer's pre-activations as a share of the "
        f"first's, {scheme}",
        bool(0.5 < kept.mean() < 2.0),
        float(f"{kept.mean():.2g}"),
        slide="make the variances of input and output of the layer the same",
        reason=reason,
    )


def _lost(item: str, activation: str) -> Row:
    lost = shares(activation, "normal")
    return claim(
        item,
        f"{activation}: the same with a fixed variance, N(0, 0.01²)",
        bool((lost < shares(activation, GOOD[activation])).all()),
        float(f"{lost.mean():.2g}"),
        slide="the magnitudes of weights depend on the variance",
        reason="if W is too small, Wx + b becomes small, layer by layer",
    )


def _sessions(activation: str, schemes: tuple[str, ...]) -> list[list[Session]]:
    train, _ = digit_samples(1000, 1)
    networks = [build(activation, name, seed) for name in schemes for seed in range(_SEEDS)]
    sessions = fit_many(networks, train, settings=[_SETTINGS] * len(networks))
    return [sessions[i : i + _SEEDS] for i in range(0, len(sessions), _SEEDS)]


def _training(
    item: str, activation: str, schemes: tuple[str, ...], slide: str | None
) -> tuple[Row, Figure]:
    groups = _sessions(activation, schemes)
    ends = [float(last(group, "loss").mean()) for group in groups]
    row = claim(
        item,
        f"{activation}: training loss after 15 epochs, {', '.join(schemes)}",
        ends[-1] < 0.5 * min(ends[:-1]),
        [round(end, 3) for end in ends],
        slide=slide,
        reason="1,000 digits, eight hidden layers of 64 units, mean of three starts",
    )
    return row, _curves(f"{item}_training_loss", activation, schemes, groups)


def xavier() -> Experiment:
    """Xavier's variances, what they keep, and the training they allow (tanh)."""
    rows = [_variance(name) for name in VARIANCES if name.startswith("xavier")]
    rows += [_kept("P2", "tanh", GOOD["tanh"]), _lost("P2", "tanh")]
    slide = "left zero, middle fixed variance, right Xavier"
    row, figure = _training("P2", "tanh", ("zeros", "normal", GOOD["tanh"]), slide)
    return Experiment([*rows, row], [_gradients("P2_gradients", "tanh"), figure])


def he() -> Experiment:
    """He's variances, what they keep, and the training they allow (ReLU)."""
    rows = [_variance(name) for name in VARIANCES if name.startswith("he")]
    rows += [_kept("P3", "relu", GOOD["relu"]), _lost("P3", "relu")]
    row, figure = _training("P3", "relu", ("zeros", "normal", GOOD["relu"]), None)
    return Experiment([*rows, row], [_gradients("P3_gradients", "relu"), figure])


def mean_gradients(activation: str, scheme: str) -> NDArray[np.float64]:
    """Gradient norm of each layer's weights, geometric mean of three starts."""
    norms = [gradient_norms(build(activation, scheme, seed)) for seed in range(_SEEDS)]
    means: NDArray[np.float64] = np.exp(np.log(norms).mean(0))
    return means


def _gradients(name: str, activation: str) -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, DARK, ORANGE, label_ends, whole_ticks

        both, labels = canvas.subplots(1, 2, sharey=True), []
        for axes, kind in zip(both, ("normal", "uniform"), strict=True):
            schemes = {
                f"xavier_{kind}": ("Xavier", DARK),
                f"he_{kind}": ("He", BLUE),
                f"fixed_{kind}": ("fixed", ORANGE),
            }
            ends = []
            for scheme, (word, color) in schemes.items():
                norms = mean_gradients(activation, scheme)
                axes.semilogy(range(1, len(norms) + 1), norms, "o-", color=color)
                ends.append((len(norms), float(norms[-1]), word, color))
            axes.set(title=kind, xlabel="layer")
            whole_ticks(axes)
            labels.append((axes, ends))
        for axes, ends in labels:  # with the limits that both share in the end
            label_ends(axes, ends)
        both[0].set_ylabel("gradient norm")

    return Figure(
        name,
        f"With the right variance every {activation} layer gets a gradient",
        "Norm of the gradient of each layer's weights before training, by scheme and distribution: "
        "eight hidden layers, digits. Fixed: standard deviation 0.01.",
        draw,
        (14.0, 6.75),
    )


def _curves(
    name: str, activation: str, schemes: tuple[str, ...], groups: list[list[Session]]
) -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, whole_ticks

        all_axes = canvas.subplots(1, len(schemes), sharey=True)
        for axes, scheme, group in zip(all_axes, schemes, groups, strict=True):
            curves = columns(group, "loss")
            axes.plot(np.arange(1, curves.shape[1] + 1), curves.T, color=BLUE, alpha=0.8)
            axes.set(title=WORDS[scheme], xlabel="epoch", ylim=(0, 2.6))
            whole_ticks(axes)
        all_axes[0].set_ylabel("training loss")

    return Figure(
        name,
        f"Training loss by initialization ({activation})",
        "1,000 digits, eight hidden layers of 64 units, momentum 0.9, three starts each.",
        draw,
        (14.0, 5.8),
    )
