"""Watching a training loop of the user's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from nnatomy.data.samples import TensorSamples
from nnatomy.diagnose.anatomy import describe_structure
from nnatomy.diagnose.case import Case
from nnatomy.diagnose.diagnosis import findings_of
from nnatomy.diagnose.examination import answers_facts, examine_records
from nnatomy.diagnose.finding import Finding
from nnatomy.diagnose.probe import Measuring

_OBJECTIVES: dict[str, str] = {
    "CrossEntropyLoss": "cross_entropy",
    "cross_entropy": "cross_entropy",
    "NLLLoss": "nll",
    "nll_loss": "nll",
    "BCEWithLogitsLoss": "binary_cross_entropy",
    "binary_cross_entropy_with_logits": "binary_cross_entropy",
    "MSELoss": "squared",
    "mse_loss": "squared",
}
_KEPT = 2000
"""Records that are kept to look at."""


def watch(
    network: nn.Module,
    *,
    optimizer: torch.optim.Optimizer | None = None,
    loss: nn.Module | Callable[..., Tensor] | None = None,
    every: int = 20,
) -> Doctor:
    """Watch a training loop of one's own, as a context.

    Nothing is changed: weights, random numbers and gradients are what they would be unwatched.

    Args:
        network: Any module.
        optimizer: What updates it; tells the learning rate and which parameters it knows.
        loss: The loss module, whose inputs tell outputs and targets, or a loss function, of which
            only the name is read.
        every: Steps between measurements.

    Example:
        with nnatomy.diagnose.watch(network, optimizer=optimizer, loss=criterion) as doctor:
            for inputs, targets in loader:
                optimizer.zero_grad()
                value = criterion(network(inputs), targets)
                value.backward()
                optimizer.step()
                doctor.step(value)
        print(doctor.findings())
    """
    return Doctor(network, optimizer, loss, every)


class Doctor:
    """Measures a loop and says what is wrong with it; made by `watch`.

    Args:
        network: Any module.
        optimizer: What updates it.
        loss: The loss module or function.
        every: Steps between measurements.
    """

    def __init__(
        self,
        network: nn.Module,
        optimizer: torch.optim.Optimizer | None,
        loss: nn.Module | Callable[..., Tensor] | None,
        every: int,
    ) -> None:
        self.network, self.optimizer, self.every = network, optimizer, every
        self.rows: list[dict[str, Any]] = []
        self.history: list[dict[str, Any]] = []
        self.steps, self.failure = 0, ""
        self._loss = loss
        self._measuring = Measuring(network)
        self._handles: list[RemovableHandle] = []
        self._pair: tuple[Tensor, Tensor] | None = None
        self._gradient: Tensor | None = None
        self._norms: list[float] = []
        self._seen: list[tuple[Tensor, Tensor]] = []
        self._answers: dict[str, list[tuple[Tensor, Tensor]]] = {"train": [], "valid": []}
        self._losses: list[float] = []
        self._batch = 0

    def __enter__(self) -> Doctor:
        if isinstance(self._loss, nn.Module):
            self._handles.append(self._loss.register_forward_hook(self._judged))
        if isinstance(self.optimizer, torch.optim.Optimizer):
            self._handles.append(self.optimizer.register_step_pre_hook(self._about_to_step))
        self._measuring.prepare(None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._measuring.listener.stop()
        for handle in self._handles:
            handle.remove()
        self._handles = []

    def step(self, loss: Tensor | float) -> None:
        """Tell of a weight update.

        Args:
            loss: Of its batch, before the update.
        """
        self.steps += 1
        value = float(loss.detach()) if isinstance(loss, Tensor) else float(loss)
        if not math.isfinite(value):
            self.failure = self.failure or self._origin(value)
            return
        self._losses.append(value)
        due = self.steps == 1 or self.steps % self.every == 0
        if due and not self.failure:
            self._measure(value)
        if (self.steps + 1) % self.every == 0:
            self._measuring.prepare(self._flat_gradient())

    def validate(
        self,
        loss: Tensor | float,
        *,
        outputs: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> None:
        """Tell of a pass over validation records, after an epoch or whenever there was one.

        Args:
            loss: Over these records.
            outputs: What the network answered.
            targets: What was right.
        """
        train = sum(self._losses) / len(self._losses) if self._losses else math.nan
        value = float(loss.detach()) if isinstance(loss, Tensor) else float(loss)
        self.history.append({"epoch": len(self.history) + 1, "loss": train, "valid_loss": value})
        self._losses = []
        if outputs is not None and targets is not None:
            self._answers["valid"] = [(outputs.detach().cpu(), targets.detach().cpu())]

    def findings(self) -> list[Finding]:
        """What is wrong, causes first; empty for a healthy loop."""
        return findings_of(self.case())

    def case(self) -> Case:
        """Everything that was measured."""
        history = self.history or self._epochs()
        return Case(
            layers=tuple(self._measuring.layers),
            structure=self._structure(),
            settings=self._settings(),
            facts=self._facts(),
            rows=self.rows,
            history=history,
            failure=self.failure,
        )

    def _judged(self, _module: nn.Module, inputs: tuple[Any, ...], _output: Any) -> None:
        if len(inputs) >= 2 and self.network.training:
            self._pair = (inputs[0].detach(), inputs[1].detach())

    def _about_to_step(self, *_arguments: Any) -> None:
        self._gradient = None
        if self._measuring.listener.listens or (self.steps + 2) % self.every == 0:
            self._gradient = self._flat_gradient()
            self._norms = self._measuring.gradient_norms()

    def _flat_gradient(self) -> Tensor | None:
        parts = [p.grad.detach().flatten() for p in self.network.parameters() if p.grad is not None]
        return torch.cat(parts) if parts else self._gradient

    def _measure(self, value: float) -> None:
        gradient = self._gradient if self._gradient is not None else self._flat_gradient()
        outputs, targets = self._pair or (None, None)
        heard = list(self._measuring.listener.fed.values())
        row = self._measuring.measure(gradient, targets, first=self.steps == 1)
        if self._norms:
            row["gradient"] = self._norms
        norm = None if gradient is None else gradient.norm().item()
        head = {"step": self.steps, "epoch": len(self.history), "loss": value, "norm": norm}
        self.rows.append(head | {"lr": self._rate()} | row)
        if heard:
            self._batch = max(self._batch, len(heard[0]))
        if outputs is not None and targets is not None:
            self._answers["train"] = [*self._answers["train"], (outputs.cpu(), targets.cpu())][-8:]
            if heard and len(heard[0]) == len(targets) and self._kept() < _KEPT:
                self._seen.append((heard[0].cpu(), targets.cpu()))

    def _kept(self) -> int:
        return sum(len(targets) for _, targets in self._seen)

    def _origin(self, value: float) -> str:
        """Where a loss that is not finite began, as far as it can be told afterwards."""
        for name, fed in self._measuring.listener.fed.items():
            if fed.is_floating_point() and not torch.isfinite(fed).all():
                return f"the loss is {value} at step {self.steps}; it began in what '{name}' is fed"
        for name, parameter in self.network.named_parameters():
            for what, tensor in (("", parameter), ("the gradient of ", parameter.grad)):
                if tensor is not None and not torch.isfinite(tensor).all():
                    return (
                        f"the loss is {value} at step {self.steps}; it began in {what}parameter "
                        f"'{name}'"
                    )
        return f"the loss is {value} at step {self.steps}; it began in the loss or its inputs"

    def _epochs(self) -> list[dict[str, Any]]:
        """Twenty pieces of the loop in place of epochs, where nobody told of any."""
        size = max(1, len(self._losses) // 20)
        pieces = [self._losses[i : i + size] for i in range(0, len(self._losses), size)]
        return [
            {"epoch": i + 1, "loss": sum(piece) / len(piece), "valid_loss": None}
            for i, piece in enumerate(pieces)
        ]

    def _rate(self) -> float | None:
        return None if self.optimizer is None else float(self.optimizer.param_groups[0]["lr"])

    def _structure(self) -> dict[str, Any]:
        structure = describe_structure(self.network)
        if self.optimizer is not None:
            known = {id(p) for group in self.optimizer.param_groups for p in group["params"]}
            own = self.network.named_parameters()
            structure["frozen"] = [
                name for name, p in own if not p.requires_grad or id(p) not in known
            ]
        return structure

    def _settings(self) -> dict[str, Any]:
        group = self.optimizer.param_groups[0] if self.optimizer is not None else {}
        return {
            "optimizer": type(self.optimizer).__name__.lower() if self.optimizer else None,
            "lr": self._rate(),
            "weight_decay": group.get("weight_decay"),
            "batch_size": self._batch or None,
            "shuffle": None,
            "steps": self.steps,
        }

    def _facts(self) -> dict[str, Any]:
        name = (
            type(self._loss).__name__
            if isinstance(self._loss, nn.Module)
            else (getattr(self._loss, "__name__", ""))
        )
        objective = _OBJECTIVES.get(name, name)
        facts: dict[str, Any] = {"objective": objective}
        if self._seen and all(a[0].shape[1:] == self._seen[0][0].shape[1:] for a in self._seen):
            inputs, targets = (torch.cat([pair[i] for pair in self._seen]) for i in (0, 1))
            facts |= examine_records(TensorSamples(inputs.float(), targets), objective)
        for which, pairs in self._answers.items():
            if pairs and pairs[0][0].dim() == 2:
                outputs, targets = (torch.cat([pair[i] for pair in pairs]) for i in (0, 1))
                facts |= answers_facts(which, outputs, targets)
        facts["sorted"] = None  # the order of the records is not known
        return facts


def diagnose(
    network: nn.Module,
    loss: nn.Module | Callable[..., Tensor],
    optimizer: torch.optim.Optimizer,
    batches: Iterable[tuple[Tensor, Tensor]],
    *,
    every: int = 20,
) -> list[Finding]:
    """Train on batches, watched, and say what is wrong.

    Args:
        network: Trained in place.
        loss: (outputs, targets) -> a scalar.
        optimizer: Of the network's parameters.
        batches: Pairs of inputs and targets, for as many steps as there are.
        every: Steps between measurements.
    """
    network.train()
    with watch(network, optimizer=optimizer, loss=loss, every=every) as doctor:
        for inputs, targets in batches:
            optimizer.zero_grad()
            value = loss(network(inputs), targets)
            value.backward()
            optimizer.step()
            doctor.step(value)
            if doctor.failure:
                break
    return doctor.findings()
