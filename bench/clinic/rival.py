"""torchmortem on the same networks, records and settings, in a plain loop."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from bench.clinic.cases import Patient
from nnatomy.training.devices import seeded
from nnatomy.training.order import permutation

NAMES: dict[str, tuple[str, ...]] = {
    "vanishing_gradients": ("Vanishing gradients",),
    "exploding_gradients": ("Exploding gradients", "Weight norm explosion", "divergence"),
    "dead_relus": ("Dead units",),
    "saturated_units": ("Activation saturation",),
    "learning_rate_too_high": (
        *("Update ratio too high", "divergence", "Catapult", "Edge of stability"),
        "Weight norm explosion",
    ),
    "learning_rate_too_low": ("Update ratio too low", "Stagnant weight norms"),
    "non_finite": ("divergence", "Exploding gradients"),
    "too_little_capacity": ("Rank collapse", "plateau"),
    "batch_too_small": ("gradient noise",),
    "frozen_parameters": ("Gradient stalling", "Stagnant weight norms"),
    "symmetric_start": ("Rank collapse", "Gradient stalling"),
    "majority_collapse": ("Rank collapse",),
    "over_regularized": ("plateau",),
}
"""Parts of the titles that name an illness, with the benefit of the doubt; the illnesses that are
not here it has no words for."""


def findings(patient: Patient) -> list[tuple[str, bool]]:
    """Titles of its findings and whether they are critical; warnings and worse, gravest first."""
    from torchmortem import Autopsy

    logging.disable(logging.ERROR)
    plan, data = patient.plan, patient.data
    with seeded(plan.training.seed):
        network = plan.build(plan.architecture)
        optimizer = _optimizer(network, patient)
        with Autopsy(network, optimizer=optimizer) as autopsy:
            for loss in _losses(network, optimizer, patient, data.inputs, data.targets):
                autopsy.step(loss=loss)
                if not math.isfinite(loss):
                    break
    report = autopsy.get_report()
    found = [] if report is None else report.findings
    found = sorted(found, key=lambda finding: -finding.severity)
    return [(finding.title, finding.severity >= 2) for finding in found if finding.severity >= 1]


def names(illness: str, title: str) -> bool:
    """Whether a title names an illness."""
    return any(part.lower() in title.lower() for part in NAMES.get(illness, ()))


def _optimizer(network: nn.Module, patient: Patient) -> torch.optim.Optimizer:
    training = patient.plan.training
    parameters = [p for p in network.parameters() if p.requires_grad]
    if training.optimizer == "adam":
        return torch.optim.Adam(parameters, lr=training.lr)
    if training.optimizer == "rmsprop":
        return torch.optim.RMSprop(parameters, lr=training.lr, alpha=training.momentum)
    momentum = training.momentum if training.optimizer == "momentum" else 0.0
    return torch.optim.SGD(parameters, lr=training.lr, momentum=momentum)


def _losses(
    network: nn.Module,
    optimizer: torch.optim.Optimizer,
    patient: Patient,
    inputs: Tensor,
    targets: Tensor,
) -> Iterator[float]:
    """The loss of each step, as many epochs as the plan has at most."""
    training = patient.plan.training
    size = training.batch_size or len(inputs)
    for epoch in range(training.epochs):
        order = torch.arange(len(inputs))
        if training.shuffle:
            order = permutation(len(inputs), training.seed, epoch)
        for rows in order.split(size):
            if len(rows) < 2:
                continue
            optimizer.zero_grad()
            outputs = network(inputs[rows])
            squared = targets.dim() == 2
            loss = (
                0.5 * functional.mse_loss(outputs, targets[rows])
                if squared
                else functional.cross_entropy(outputs, targets[rows])
            )
            loss.backward()
            for parameter in network.parameters():
                if parameter.dim() > 1 and parameter.grad is not None:
                    parameter.grad += training.l2 / len(rows) * parameter.detach()
                    parameter.grad += training.l1 / (2 * len(rows)) * parameter.detach().sign()
            if training.clip_norm:
                nn.utils.clip_grad_norm_(network.parameters(), training.clip_norm)
            optimizer.step()
            yield loss.item()
