"""How a network is trained."""

from __future__ import annotations

import inspect
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, get_args, get_type_hints

from nnatomy.conversion import convert_all
from nnatomy.errors import SettingError, nearest

_THREADS_PER_PROCESSOR = 4
_ENTRY = re.compile(r"^ {4}(\w+): ((?:.|\n {8})*)", re.MULTILINE)
"""An entry of the docstring of `Settings`: a name and its description."""
Engine = Literal["auto", "compiled", "stacked", "autograd"]
CHOICES: dict[str, tuple[str, ...]] = {
    "monitor": ("loss", "score"),
    "precision": ("float32", "auto", "bfloat16"),
    "engine": get_args(Engine),
}
"""The values of settings that have a few only; update rules and schedules have tables of their own.
"""
_NOTES = {"engine": " ('stacked' for several networks at once only)"}


@dataclass(frozen=True)
class Settings:
    """Everything that steers `fit`.

    Args:
        epochs: Passes over the training records at most.
        batch_size: Records a step; 1 is stochastic (online) descent, None the whole set. A few
            more where batch normalization could do nothing with a last batch of one.
        lr: Learning rate; the highest one where the schedule varies it.
        optimizer: Name of the update rule, see nnatomy.training.optimizers.
        momentum: γ of momentum, nesterov and rmsprop.
        schedule: How the learning rate varies, see nnatomy.training.schedules.
        l2: λ of the penalty λ/(2m) Σ w² on weight matrices (not biases). m is the number of records
            of the batch, as in scikit-learn's MLP, not of all training records.
        l1: λ of the penalty λ/(2m) Σ |w| on the same weights.
        clip_norm: Gradients with a larger Euclidean norm are scaled down to it. None: never.
        shuffle: Draw the records in a new order each epoch.
        patience: Stop when more than so many epochs in a row bring no improvement by `tol`. It is
            the validation loss that counts (or score, see `monitor`) when there are validation
            records, else the training loss. None: never.
        tol: What counts as an improvement.
        monitor: "loss" or "score" of the validation records; also chooses the best weights, of
            equal scores those with the lower loss.
        weight_tol: Stop when ‖Δw‖ <= weight_tol ‖w‖ over an epoch: weights hardly change.
        error_rate: Stop when the share of training records in error, whatever their weights,
            reaches this value. None: never.
        freeze: Parts of the network, e.g. "features" or "features.layer1", that stay as they are.
            They compute as in evaluation: running averages are fixed and nothing is silenced.
        warm_up: Epochs in which only the head is trained, before the rest joins in. The update
            rule then starts anew.
        earlier_rate: The learning rate of each part as a share of the next part's; the head has
            the full one. A part is what works at one size of maps. 1: the same for all.
        seed: Of the order of records and of everything drawn at random.
        device: "auto", "cpu", "cuda", "mps" or "cuda:1".
        precision: "float32", or "auto" / "bfloat16" for mixed precision on devices that have it.
        engine: What computes the steps, with results that agree to rounding. "compiled" is machine
            code for plain dense networks on the CPU, "autograd" takes every network, "stacked"
            several at once (`fit_many`, `compare`) and never one alone; "auto" chooses.
        threads: CPU threads, at most four a processor; None chooses one for small networks.
    """

    epochs: int = 100
    batch_size: int | None = 64
    lr: float = 1e-3
    optimizer: str = "adam"
    momentum: float = 0.9
    schedule: str = "constant"
    l2: float = 0.0
    l1: float = 0.0
    clip_norm: float | None = None
    shuffle: bool = True
    patience: int | None = None
    tol: float = 1e-4
    monitor: Literal["loss", "score"] = "loss"
    weight_tol: float = 0.0
    error_rate: float | None = None
    freeze: tuple[str, ...] = ()
    warm_up: int = 0
    earlier_rate: float = 1.0
    seed: int = 0
    device: str = "auto"
    precision: Literal["float32", "auto", "bfloat16"] = "float32"
    engine: Engine = "auto"
    threads: int | None = None

    def __post_init__(self) -> None:
        """Refuse values that cannot be meant.

        Raises:
            SettingError: Names the setting and its range.
        """
        _at_least("epochs", self.epochs, 0)
        for name in ("batch_size", "patience", "threads"):
            if getattr(self, name) is not None:
                _at_least(name, getattr(self, name), 1)
        most = _THREADS_PER_PROCESSOR * (os.cpu_count() or 1)
        if self.threads is not None and self.threads > most:
            raise SettingError(f"threads must be at most {most} here, got {self.threads}")
        for name in ("l1", "l2", "tol", "seed", "warm_up"):
            _at_least(name, getattr(self, name), 0)
        for name in ("momentum", "weight_tol", "error_rate"):
            if getattr(self, name) is not None:
                _share(name, getattr(self, name))
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise SettingError(f"lr must be a positive number, got {self.lr}")
        if not 0 < self.earlier_rate <= 1:
            raise SettingError(
                f"earlier_rate must be above 0 and at most 1, got {self.earlier_rate}"
            )
        if self.clip_norm is not None and not self.clip_norm > 0:
            raise SettingError(f"clip_norm must be positive, got {self.clip_norm}")
        self._check_choices()

    def _check_choices(self) -> None:
        for name, known in CHOICES.items():
            value = getattr(self, name)
            if value not in known:
                hint = nearest(str(value), known)
                note = _NOTES.get(name, "")
                raise SettingError(f"{name} is {_either(known)}{note}, got {value!r}: {hint}")


def _either(known: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in known[:-1]) + f" or '{known[-1]}'"


def _at_least(name: str, value: float, least: float) -> None:
    if not math.isfinite(value):
        raise SettingError(f"{name} must be a finite number, got {value}")
    if value < least:
        raise SettingError(f"{name} must be at least {least}, got {value}")


def _share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise SettingError(f"{name} must be at least 0 and below 1, got {value}")


def setting_phrases() -> dict[str, str]:
    """What each setting is, in the first sentence of its entry above."""
    entries = dict(_ENTRY.findall(inspect.getdoc(Settings) or ""))
    return {
        name: " ".join(entries.get(name, "").split()).partition(". ")[0].rstrip(".")
        for name in setting_names()
    }


def setting_names() -> list[str]:
    """The names of all training settings."""
    return [f.name for f in fields(Settings)]


def settings_from(values: Mapping[str, Any]) -> Settings:
    """Settings from names and values; texts are read, e.g. those of a command line.

    Raises:
        SettingError: A name is unknown or a value unusable.
    """
    known = setting_names()
    for name in values:
        if name not in known:
            raise SettingError(f"training setting '{name}' is unknown: {nearest(name, known)}")
    return Settings(**convert_all(values, get_type_hints(Settings)))
