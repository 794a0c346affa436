"""O8 and O9: epochs, updates, stop rules; what depth has reached elsewhere."""

from __future__ import annotations

import math
from dataclasses import replace

import torch

from nnatomy.data.samples import TensorSamples
from nnatomy.data.toy import moons
from nnatomy.lecture.dropout import few_noisy_points
from nnatomy.lecture.experiment import Experiment
from nnatomy.lecture.plane import points_of
from nnatomy.lecture.row import Row, claim, out_of_reach
from nnatomy.models.mlp import MLP
from nnatomy.training.fit import fit
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings

_BASE = Settings(epochs=300, batch_size=32, lr=0.05, optimizer="momentum", device="cpu")


def _train(settings: Settings) -> Session:
    torch.manual_seed(0)
    network = MLP(2, 2, hidden=(16,), activation="tanh")
    return fit(network, TensorSamples(*points_of(moons(200))), settings=settings)


def early_stopping() -> Session:
    """A large network on few noisy points, stopped by those that it does not learn from."""
    train, valid = few_noisy_points()
    torch.manual_seed(0)
    settings = replace(_BASE, batch_size=None, optimizer="adam", lr=0.005, patience=20, tol=0.0)
    return fit(MLP(2, 2, hidden=(64, 64)), train, valid, settings=settings)


def _early_stopping() -> Row:
    session = early_stopping()
    losses = session.history.column("valid_loss")
    best = losses.index(min(losses)) + 1
    return claim(
        "O8",
        "stops early, on validation records: best epoch, and epochs done with a patience of 20",
        session.stopped.startswith("early stopping") and session.epoch == best + 21,
        [best, session.epoch],
        reason=f"{session.stopped}; the weights of the best epoch are kept",
    )


def stop_rules() -> Experiment:
    """The same network under each of the three rules, and the count of updates in an epoch."""
    limit = _train(replace(_BASE, epochs=20))
    still = _train(replace(_BASE, weight_tol=0.002))
    errors = _train(replace(_BASE, error_rate=0.05))
    return Experiment(
        [
            claim(
                "O8",
                "stops when a limit on runs is reached: epochs done of 20 allowed",
                limit.epoch == 20,
                limit.epoch,
                slide="when a limit on runs is reached",
            ),
            claim(
                "O8",
                "stops when weights change by less than 0.2 % in an epoch: epochs done",
                still.epoch < 300 and "weights hardly change" in still.stopped,
                still.epoch,
                slide="when weights change very little from one epoch to the next",
                reason=still.stopped,
            ),
            claim(
                "O8",
                "stops when the error rate reaches 5 %: epochs done",
                errors.epoch < 300 and errors.history[-1]["error_rate"] <= 0.05,
                errors.epoch,
                slide="when the misclassification rate reaches a required threshold",
                reason=errors.stopped,
            ),
            _updates(limit.step // 20),
            _early_stopping(),
        ]
    )


def _updates(batches: int) -> Row:
    online = _train(replace(_BASE, epochs=1, batch_size=1, lr=0.005))
    whole = _train(replace(_BASE, epochs=1, batch_size=None))
    found = [online.step, batches, whole.step]
    return claim(
        "O8",
        "updates in an epoch of 200 records: per record, batches of 32, all at once",
        found == [200, math.ceil(200 / 32), 1],
        found,
        slide="the process is repeated for all records",
    )


def deep_networks() -> Experiment:
    """The printed recognition rates, which need data and a network that are not public."""
    reason = (
        "DeepFace (Taigman et al. 2014) was trained on four million photographs that are not "
        "public; the figure is the paper's"
    )
    people = (
        "not computable here; the figure is the slide's (the paper's abstract has 97.35 % closely "
        "approaching human-level performance)"
    )
    not_here = "a count of a data set that is not shipped with this program"
    return Experiment(
        [
            out_of_reach("O9", "faces recognized by DeepFace, in percent", 97.35, reason),
            out_of_reach("O9", "faces recognized by people, in percent", 95.0, people),
            out_of_reach("O9", "images of Labeled Faces in the Wild", 13_233, not_here),
            out_of_reach("O9", "people on them", 5_749, not_here),
        ]
    )
