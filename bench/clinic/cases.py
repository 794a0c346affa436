"""Healthy runs of many kinds, and the same runs made ill."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from bench.clinic import data as records
from bench.clinic.data import Data
from bench.clinic.networks import DEFAULTS, build
from nnatomy.diagnose.plan import Plan
from nnatomy.training.settings import Settings

Random = np.random.Generator


@dataclass(frozen=True)
class Patient:
    """Records and a plan to learn from them.

    Args:
        illness: What is wrong; "" for a healthy one.
        data: Its records.
        plan: Its plan.
        seed: Of everything that was drawn for it.
    """

    illness: str
    data: Data
    plan: Plan
    seed: int

    @property
    def name(self) -> str:
        """For tables."""
        return f"{self.illness or 'healthy'} {self.data.name} {self.seed}"


def _pick(random: Random, *choices: Any) -> Any:
    return choices[int(random.integers(len(choices)))]


def _log_uniform(random: Random, low: float, high: float) -> float:
    return float(np.exp(random.uniform(np.log(low), np.log(high))))


_RATES = {
    "adam": (1e-3, 5e-3),
    "rmsprop": (5e-4, 2e-3),
    "momentum": (0.01, 0.05),
    "sgd": (0.1, 0.4),
}


def healthy(data: Data, seed: int) -> Patient:
    """A run as somebody who knows what he does would set it up, with room for taste."""
    random = np.random.default_rng([seed, 1])
    axes = data.inputs.dim() - 1
    optimizer = _pick(random, "adam", "adam", "rmsprop", "momentum", "sgd")
    if axes == 2:
        optimizer = "adam"
    activation = _pick(random, "relu", "relu", "tanh", "elu", "leaky_relu", "gelu")
    architecture: dict[str, Any] = DEFAULTS | {
        "activation": activation,
        "init": "xavier_normal" if activation == "tanh" else "he_normal",
        "batch_norm": bool(axes != 2 and random.random() < 0.3),
        "dropout": float(_pick(random, 0.0, 0.0, 0.0, 0.2)) if data.targets.dim() == 1 else 0.0,
        "cell": _pick(random, "gru", "lstm"),
    }
    if axes == 1:
        widths = (32, 64, 96)
        architecture["hidden"] = tuple(
            int(_pick(random, *widths)) for _ in range(int(random.integers(1, 4)))
        )
    else:
        architecture["hidden"] = _pick(random, (8, 16), (12, 24)) if axes == 3 else (32,)
    low, high = (0.005, 0.01) if axes == 2 else _RATES[optimizer]
    batch = int(_pick(random, 4, 8, 16, 32, 64, 128))
    updates = {1: 2500, 3: 700, 2: 1200}[axes]
    epochs = int(np.clip(updates * batch / len(data.inputs), 12, 150))
    training = Settings(
        epochs=epochs,
        batch_size=batch,
        lr=_log_uniform(random, low, high) * min(1.5, batch / 32) ** 0.5,
        optimizer=optimizer,
        schedule=_pick(random, "constant", "constant", "cosine"),
        patience=_pick(random, None, 15, 25),
        clip_norm=1.0 if axes == 2 else None,
        seed=seed,
        device="cpu",
    )
    shape = tuple(data.inputs.shape[1:])
    objective = "squared" if data.targets.dim() == 2 else "cross_entropy"
    plan = Plan(partial(build, shape, data.outputs), architecture, training, objective)
    return Patient("", data, plan, seed)


def _built(patient: Patient, **changes: Any) -> Patient:
    architecture = {**patient.plan.architecture, **changes}
    return replace(patient, plan=replace(patient.plan, architecture=architecture))


def _trained(patient: Patient, **changes: Any) -> Patient:
    training = replace(patient.plan.training, **changes)
    return replace(patient, plan=replace(patient.plan, training=training))


def _fed(patient: Patient, change: Callable[[Tensor], Tensor]) -> Patient:
    """Training and validation inputs changed alike."""
    own = patient.data
    return replace(
        patient,
        data=replace(own, inputs=change(own.inputs), valid_inputs=change(own.valid_inputs)),
    )


def vanishing(p: Patient, random: Random) -> Patient:
    depth = int(random.integers(8, 14)) if p.data.inputs.dim() == 2 else 7
    return _built(
        p,
        hidden=(int(_pick(random, 16, 32)),) * depth,
        activation="sigmoid",
        init=_pick(random, "xavier_normal", "lecun_normal", "default"),
        batch_norm=False,
    )


def exploding(p: Patient, random: Random) -> Patient:
    p = _built(p, init="he_normal", batch_norm=False, activation="relu", gain=random.uniform(4, 10))
    if p.data.inputs.dim() == 2:
        p = _built(p, hidden=(32,) * int(random.integers(4, 7)))
    if p.data.inputs.dim() == 4:
        p = _built(p, hidden=(12,) * 4)
    return _trained(p, clip_norm=None, optimizer=_pick(random, "sgd", "momentum", "adam"))


def dead(p: Patient, random: Random) -> Patient:
    return _built(p, activation="relu", batch_norm=False, bias=-random.uniform(4, 10))


def saturated(p: Patient, random: Random) -> Patient:
    return _built(
        p,
        activation=_pick(random, "tanh", "sigmoid"),
        gain=random.uniform(12, 40),
        batch_norm=False,
        init="xavier_normal",
    )


def symmetric(p: Patient, random: Random) -> Patient:
    return _built(p, init=_pick(random, "zeros", "constant"), batch_norm=False, dropout=0.0)


def rate_too_high(p: Patient, random: Random) -> Patient:
    factor = (
        _log_uniform(random, 60, 600)
        if p.plan.training.optimizer in ("adam", "rmsprop")
        else (_log_uniform(random, 30, 100))
    )
    return _trained(p, lr=p.plan.training.lr * factor, schedule="constant", clip_norm=None)


def rate_too_low(p: Patient, random: Random) -> Patient:
    return _trained(p, lr=p.plan.training.lr / _log_uniform(random, 300, 3000))


def not_finite(p: Patient, random: Random) -> Patient:
    inputs = p.data.inputs.clone()
    flat = inputs.reshape(len(inputs), -1)
    for row in random.integers(len(inputs), size=3):
        flat[row, int(random.integers(flat.shape[1]))] = _pick(random, float("nan"), float("inf"))
    return replace(p, data=replace(p.data, inputs=inputs))


def overfitting(p: Patient, random: Random) -> Patient:
    p = replace(p, data=p.data.few(int(_pick(random, 30, 50, 80))))
    wide = (256, 256) if p.data.inputs.dim() == 2 else (32, 64)
    p = _built(p, hidden=wide if p.data.inputs.dim() != 3 else (96,), dropout=0.0)
    return _trained(p, epochs=300, batch_size=16, patience=None, l2=0.0)


def too_small(p: Patient, random: Random) -> Patient:
    return _built(p, hidden=(1,) if p.data.inputs.dim() != 4 else (1, 1), dropout=0.0)


def over_regularized(p: Patient, random: Random) -> Patient:
    if random.random() < 0.4 and p.data.inputs.dim() == 2:
        return _built(p, dropout=random.uniform(0.88, 0.96))
    name = _pick(random, "l2", "l1")
    return _trained(
        p, **{name: _log_uniform(random, 30, 200) if name == "l2" else _log_uniform(random, 5, 20)}
    )


def unscaled(p: Patient, random: Random) -> Patient:
    axes = p.data.inputs.dim() - 1
    way = _pick(random, "large", "mixed", "offset") if axes == 1 else "large"
    shape = p.data.inputs.shape[1:]
    if way == "large":
        factor = torch.full(shape, _log_uniform(random, 100, 3000))
        return _fed(_built(p, batch_norm=False), lambda x: x * factor)
    if way == "offset":
        shift = _log_uniform(random, 100, 2000)
        return _fed(_built(p, batch_norm=False), lambda x: x + shift)
    powers = torch.from_numpy(10 ** random.uniform(-3, 3, shape)).float()
    powers.reshape(-1)[0] = 1e3
    return _fed(_built(p, batch_norm=False), lambda x: x * powers)


def wrong_output(p: Patient, random: Random) -> Patient:
    if p.data.targets.dim() == 2:
        return _built(p, output=_pick(random, "relu", "sigmoid", "tanh"))
    return _built(p, output=_pick(random, "softmax", "softmax", "sigmoid", "relu"))


def targets_unscaled(p: Patient, random: Random) -> Patient:
    factor, shift = _log_uniform(random, 300, 30_000), random.uniform(-2, 2)
    own = p.data
    change: Callable[[Tensor], Tensor] = lambda t: (t + shift) * factor  # noqa: E731
    return replace(
        p, data=replace(own, targets=change(own.targets), valid_targets=change(own.valid_targets))
    )


def unshuffled(p: Patient, random: Random) -> Patient:
    order = p.data.targets.reshape(-1).argsort(stable=True)
    data = replace(p.data, inputs=p.data.inputs[order], targets=p.data.targets[order])
    return _trained(replace(p, data=data), shuffle=False)


def batch_too_small(p: Patient, random: Random) -> Patient:
    training = p.plan.training
    epochs = max(2, training.epochs // 8)
    p = _trained(_built(p, batch_norm=False), batch_size=int(_pick(random, 1, 2)), epochs=epochs)
    return _trained(p, lr=training.lr * random.uniform(3, 12), schedule="constant")


def batch_too_large(p: Patient, random: Random) -> Patient:
    return _trained(p, batch_size=None, epochs=int(random.integers(8, 16)), patience=None)


def collapsed(p: Patient, random: Random) -> Patient:
    """A few records of all classes but one, and too little training to see these."""
    own = p.data
    share = random.uniform(0.0, 0.03)

    def keep(targets: Tensor) -> Tensor:
        rare = targets != int(targets.mode().values)
        drawn = torch.from_numpy(random.random(len(targets))) < share
        first = torch.zeros(len(targets), dtype=torch.bool)
        for label in targets.unique():
            first[torch.nonzero(targets == label)[:2]] = True
        return ~rare | drawn | first

    kept, held = keep(own.targets), keep(own.valid_targets)
    data = Data(
        own.name,
        own.inputs[kept],
        own.targets[kept],
        own.valid_inputs[held],
        own.valid_targets[held],
    )
    updates = int(random.integers(15, 120))
    epochs = max(2, updates * (p.plan.training.batch_size or 1) // len(data.inputs))
    rate = _log_uniform(random, 2e-3, 2e-2)
    p = _trained(
        replace(p, data=data), epochs=epochs, optimizer="sgd", lr=rate, schedule="constant"
    )
    return _built(p, batch_norm=False)


def noisy_labels(p: Patient, random: Random) -> Patient:
    share, own = random.uniform(0.3, 0.4), p.data

    def flip(targets: Tensor) -> Tensor:
        chosen = torch.from_numpy(random.random(len(targets)) < share)
        shift = torch.from_numpy(random.integers(1, own.outputs, len(targets)))
        return torch.where(chosen, (targets + shift) % own.outputs, targets)

    data = replace(own, targets=flip(own.targets), valid_targets=flip(own.valid_targets))
    return _trained(replace(p, data=data), patience=None)


def leaking(p: Patient, random: Random) -> Patient:
    noise = random.uniform(0, 0.03)
    own = p.data
    place = int(random.integers(own.inputs[0].numel()))
    if own.inputs.dim() == 2:  # a column more; of an image a pixel is spoiled, of a sequence a step
        place = own.inputs.shape[1]
        shape = (place + 1,)
        p = replace(p, plan=replace(p.plan, build=partial(build, shape, own.outputs)))
    if own.targets.dim() == 2:
        level, spread = 0.0, 1.0
    else:
        level, spread = (own.outputs - 1) / 2, max(1.0, (own.outputs - 1) / 3)

    def told(inputs: Tensor, targets: Tensor) -> Tensor:
        columns = 1 if inputs.dim() == 2 else 0
        inputs = torch.cat([inputs, inputs[:, :columns]], 1)
        answer = (targets.reshape(-1).float() - level) / spread
        inputs.reshape(len(inputs), -1)[:, place] = answer + noise * torch.from_numpy(
            random.normal(size=len(inputs))
        )
        return inputs

    data = replace(
        own,
        inputs=told(own.inputs, own.targets),
        valid_inputs=told(own.valid_inputs, own.valid_targets),
    )
    return replace(p, data=data)


def frozen(p: Patient, random: Random) -> Patient:
    if random.random() < 0.4:
        return _built(p, unconnected=True)
    if p.data.inputs.dim() == 2:
        p = _built(p, hidden=(int(_pick(random, 3, 4)), 32))
    return _built(p, frozen=(0,))


def tiny_batches(p: Patient, random: Random) -> Patient:
    count = len(p.data.inputs) // 2 * 2  # a last batch of one would not be taken
    p = _built(replace(p, data=p.data.few(count)), batch_norm=True)
    return _trained(p, batch_size=2, epochs=max(2, p.plan.training.epochs // 8))


DENSE = (*records.TABLES, records.diabetes, records.friedman)
NO_SEQUENCES = (*DENSE, *records.IMAGES)
ILLNESSES: dict[
    str, tuple[Callable[[Patient, Random], Patient], tuple[Callable[[int], Data], ...]]
] = {
    "vanishing_gradients": (vanishing, NO_SEQUENCES),
    "exploding_gradients": (exploding, NO_SEQUENCES),
    "dead_relus": (dead, NO_SEQUENCES),
    "saturated_units": (saturated, NO_SEQUENCES),
    "symmetric_start": (symmetric, NO_SEQUENCES),
    "learning_rate_too_high": (rate_too_high, records.ALL),
    "learning_rate_too_low": (rate_too_low, records.ALL),
    "non_finite": (not_finite, records.ALL),
    "overfitting": (
        overfitting,
        (records.digits, records.mixture, records.friedman, records.shapes, records.diabetes),
    ),
    "too_little_capacity": (
        too_small,
        (
            records.digits,
            records.mixture,
            records.spirals,
            records.friedman,
            records.digit_images,
            records.shapes,
        ),
    ),
    "over_regularized": (over_regularized, NO_SEQUENCES),
    "inputs_not_scaled": (unscaled, records.ALL),
    "wrong_output": (wrong_output, records.ALL),
    "targets_not_scaled": (targets_unscaled, (records.diabetes, records.friedman, records.totals)),
    "unshuffled": (unshuffled, (*records.TABLES, records.friedman, *records.IMAGES, records.waves)),
    "batch_too_small": (batch_too_small, NO_SEQUENCES),
    "batch_too_large": (batch_too_large, records.ALL),
    "majority_collapse": (
        collapsed,
        (records.digits, records.mixture, records.shapes, records.digit_images),
    ),
    "label_noise": (noisy_labels, records.CLASSES),
    "leakage": (leaking, records.ALL),
    "frozen_parameters": (frozen, NO_SEQUENCES),
    "batch_norm_tiny_batch": (tiny_batches, NO_SEQUENCES),
}
