"""O13: training a deep network layer by layer first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from nnatomy.data.samples import TensorSamples
from nnatomy.lecture.digits import digit_samples
from nnatomy.lecture.experiment import Experiment, Figure
from nnatomy.lecture.row import claim
from nnatomy.models.mlp import MLP
from nnatomy.training.fit import fit
from nnatomy.training.many import fit_many
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings

if TYPE_CHECKING:
    from matplotlib.figure import Figure as Canvas

WIDTHS = (48, 40, 32, 32)
_SEEDS = 3
_GREEDY = Settings(epochs=40, batch_size=64, lr=0.005, device="cpu")
_FINE = Settings(epochs=30, batch_size=64, lr=0.02, optimizer="momentum", device="cpu")


def pretrain(network: MLP, inputs: Tensor) -> list[tuple[float, float]]:
    """Greedy, layer by layer and without labels: each layer learns to be undone by another.

    A layer and a linear one after it are trained as an auto-encoder, x̂ = c + V g(b + W x), on
    what the layers before give; then its W and b stay. Source: Bengio et al. 2007, Greedy
    layer-wise training of deep networks, NIPS 19.

    Returns:
        The reconstruction error of each layer before and after.
    """
    errors = []
    for number in range(len(WIDTHS)):
        linear, activation = network.features[2 * number], network.features[2 * number + 1]
        assert isinstance(linear, nn.Linear)
        undo = nn.Linear(linear.out_features, linear.in_features)
        pair = nn.Sequential(linear, activation, undo)
        session = fit(pair, TensorSamples(inputs, inputs), objective="squared", settings=_GREEDY)
        errors.append((session.history[0]["loss"], session.history[-1]["loss"]))
        with torch.no_grad():
            inputs = activation(linear(inputs))
    return errors


def build(seed: int) -> MLP:
    """A sigmoid network with weights as small as they were drawn before 2010."""
    torch.manual_seed(seed)
    return MLP(64, 10, hidden=WIDTHS, activation="sigmoid", init="uniform")


def _compared() -> tuple[list[Session], list[Session], list[tuple[float, float]]]:
    """Fine-tuned after pre-training, trained at once, and the reconstruction errors."""
    train, valid = digit_samples(1000, 500)
    errors: list[tuple[float, float]] = []
    prepared, plain = [], []
    for seed in range(_SEEDS):
        plain.append(build(seed))
        prepared.append(build(seed))
        errors = pretrain(prepared[-1], train.inputs)
    sessions = fit_many([*prepared, *plain], train, valid, settings=[_FINE] * (2 * _SEEDS))
    return sessions[:_SEEDS], sessions[_SEEDS:], errors


def layerwise() -> Experiment:
    """A deep sigmoid network with and without layer-wise pre-training, from the same weights."""
    prepared, plain, errors = _compared()
    with_it = float(np.mean([session.history[-1]["loss"] for session in prepared]))
    without = float(np.mean([session.history[-1]["loss"] for session in plain]))
    scores = [
        float(np.mean([session.history[-1]["valid_score"] for session in group]))
        for group in (prepared, plain)
    ]
    rows = [
        claim(
            "O13",
            "reconstruction error of each layer's auto-encoder, last epoch as a share of the first",
            all(after < before for before, after in errors),
            [round(after / before, 3) for before, after in errors],
            slide="unsupervised criterion, one layer at a time",
        ),
        claim(
            "O13",
            "training loss after 30 epochs, with pre-training and without",
            with_it < without,
            [round(with_it, 3), round(without, 3)],
            reason=f"mean of three starts; guessing costs {np.log(10):.3f}",
        ),
        claim(
            "O13",
            "accuracy on 500 digits held out, with pre-training and without",
            scores[0] > scores[1],
            [round(score, 3) for score in scores],
            reason="the layers learned for 40 epochs each before; from better initial weights the "
            "network trains without them too, given more epochs",
        ),
    ]
    return Experiment(rows, [_figure(prepared, plain)])


def _figure(prepared: list[Session], plain: list[Session]) -> Figure:
    def draw(canvas: Canvas) -> None:
        from nnatomy.report.projector import BLUE, ORANGE, label_ends

        axes, ends = canvas.subplots(), []
        for group, name, color in ((prepared, "pre-trained", BLUE), (plain, "not", ORANGE)):
            curves = np.array([session.history.column("loss") for session in group])
            epochs = np.arange(1, curves.shape[1] + 1)
            axes.plot(epochs, curves.T, color=color, alpha=0.3, linewidth=1.5)
            axes.plot(epochs, curves.mean(0), color=color)
            ends.append((epochs[-1], curves.mean(0)[-1], name, color))
        axes.set(xlabel="epoch", ylabel="training loss", ylim=(0, 2.5), xlim=(1, epochs[-1]))
        label_ends(axes, ends)

    return Figure(
        "O13_pretraining",
        "Layer by layer first, then the whole: the deep sigmoid network trains",
        "Four hidden sigmoid layers, 1,000 digits, three starts each and their mean.",
        draw,
    )
