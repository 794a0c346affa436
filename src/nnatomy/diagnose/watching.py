"""Watching a training loop of the user's own."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from nnatomy.diagnose.anatomy import describe_structure
from nnatomy.diagnose.case import Case
from nnatomy.diagnose.diagnosis import findings_of
from nnatomy.diagnose.finding import Finding
from nnatomy.diagnose.hearing import Heard
from nnatomy.diagnose.kept import Kept
from nnatomy.diagnose.listening import Calls, Hook
from nnatomy.diagnose.measure import dense
from nnatomy.diagnose.pairs import finite
from nnatomy.diagnose.probe import Measuring
from nnatomy.diagnose.reach import Reach
from nnatomy.diagnose.unjudged import unjudged
from nnatomy.errors import SettingError


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
        loss: The loss module, whose inputs tell outputs and targets, or a loss function, for which
            `step` is told them.
        every: Steps between measurements.

    Raises:
        SettingError: `every` is below 1, or network or loss are scripted (torch.jit).

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
    if every < 1:
        raise SettingError(f"every must be at least 1, got {every}")
    for what, given in (("network", network), ("loss", loss)):
        own = given.modules() if isinstance(given, nn.Module) else ()
        if any(isinstance(module, torch.jit.ScriptModule) for module in own):
            raise SettingError(
                f"the {what} is scripted, which cannot be listened to: watch it before torch.jit"
            )
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
        self._measuring, self._calls = Measuring(network), Calls(network)
        self._handles: list[RemovableHandle] = []
        self._heard, self._kept = Heard(loss), Kept(loss)
        self._passed: tuple[Any, Any] = None, None
        self._place = ""
        self._gradient: Tensor | None = None
        self._norms: dict[str, float] = {}
        self._losses: list[float] = []
        self._part = self._batch = 0
        self._reach, self._looked = Reach(network, optimizer), False

    def __enter__(self) -> Doctor:
        if isinstance(self._loss, nn.Module):
            hear = self._loss.register_forward_hook
            self._handles.append(hear(Hook(self._judged), with_kwargs=True))
        self._handles.append(self.network.register_forward_hook(Hook(self._answered)))
        if isinstance(self.optimizer, torch.optim.Optimizer):
            self._handles.append(self.optimizer.register_step_pre_hook(Hook(self._about_to_step)))
        self._calls.start()
        self._measuring.prepare(None)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._measuring.listener.stop()
        self._calls.stop()
        for handle in self._handles:
            handle.remove()
        self._handles, self._passed = [], (None, None)

    def step(
        self,
        loss: Tensor | float,
        *,
        outputs: Tensor | None = None,
        targets: Tensor | None = None,
    ) -> None:
        """Tell of a weight update.

        Args:
            loss: Of its batch, before the update.
            outputs: What the loss was given; only needed where it is no module, which is listened
                to, but a function.
            targets: The same.
        """
        value = float(loss.detach()) if isinstance(loss, Tensor) else float(loss)
        if self.failure or not self._handles:  # broken off, or not watching any more
            return
        if outputs is not None and targets is not None:
            self._heard.hear((outputs, targets), {}, None)
        if not math.isfinite(value):
            place = self._place or self._origin()
            self.failure = f"the loss is {value} at step {self.steps + 1}; it began in {place}"
            return
        if not (self._looked and self._reach.pulled):
            self._reach.look()
        self.steps, self._place, self._looked = self.steps + 1, "", False
        self._losses.append(value)
        due = self.steps == 1 or self.steps % self.every == 0
        self._heard.compare(value, due=due)
        if due:
            self._measure(value)
        self._heard.close()
        if (self.steps + 1) % self.every == 0:
            self._measuring.prepare(self._last_gradient())

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
            self._kept.validated(outputs, targets)

    def findings(self) -> list[Finding]:
        """What is wrong, causes first; empty for a healthy loop.

        Raises:
            SettingError: No step was told of.
        """
        if not self.steps and not self.failure:
            raise SettingError("nothing was measured: call doctor.step(loss) after each update")
        return findings_of(self.case())

    def not_judged(self) -> dict[str, tuple[str, ...]]:
        """The checks that could not say anything, each with what was missing."""
        return unjudged(self.case())

    def case(self) -> Case:
        """Everything that was measured."""
        history = self.history or self._epochs()
        return Case(
            layers=tuple(self._measuring.layers),
            structure=self._structure(),
            settings=self._settings(),
            facts=self._kept.facts(guess=self._heard.agrees),
            rows=self.rows,
            history=history,
            failure=self.failure,
        )

    def _judged(
        self, _module: object, inputs: tuple[Any, ...], named: dict[str, Any], output: Any
    ) -> None:
        if self.network.training:
            self._heard.hear(inputs, named, output)

    def _answered(self, _module: nn.Module, inputs: tuple[Any, ...], output: Any) -> None:
        self._calls.answered(output)
        if isinstance(output, tuple | list) and output:
            output = output[0]
        # Detached, so that no graph is kept for it.
        output = output.detach() if isinstance(output, Tensor) else output
        self._passed = inputs[0] if inputs else None, output
        if self.network.training and torch.is_grad_enabled():
            self._heard.passed()

    def _about_to_step(self, _optimizer: object, given: tuple[Any, ...], named: Any) -> None:
        if not (self._place or finite(self._passed[1])):
            self._place = self._origin()  # the update is about to spread it over all weights
        # A closure is yet to compute the gradients.
        closure = any(callable(value) for value in (*given[1:], *named.values()))
        self._reach.look(readable=not closure)
        self._gradient, self._norms, self._looked = None, {}, True
        if self._measuring.listener.listens or (self.steps + 2) % self.every == 0:
            self._gradient = self._flat_gradient()
            self._norms = self._measuring.gradient_norms()

    def _flat_gradient(self) -> Tensor | None:
        own = [p for p in self.network.parameters() if p.requires_grad]
        if all(p.grad is None for p in own):
            return None
        # A weight that had no part in this step has no gradient, and counts all the same.
        grads = [torch.zeros_like(p) if p.grad is None else dense(p.grad) for p in own]
        return torch.cat([g.detach().flatten() for g in grads])

    def _last_gradient(self) -> Tensor | None:
        """As it was before the update: afterwards it may have been cleared."""
        return self._flat_gradient() if self._gradient is None else self._gradient

    def _measure(self, value: float) -> None:
        gradient = self._last_gradient()
        pair = self._heard.pair
        fed = next(iter(self._measuring.listener.fed.values()), None)
        row = self._measuring.measure(
            gradient,
            None if pair is None else pair[1],
            gradients=self._norms,
            judged=pair[0] if pair else self._loss is None,
            first=self.steps == 1,
        )
        norm = None if gradient is None else gradient.norm().item()
        if not norm:
            row["gradient"] = None  # cleared already, before anybody could read it
        head = {"step": self.steps, "epoch": len(self.history), "loss": value, "norm": norm}
        self.rows.append(head | {"lr": self._rate()} | row)
        self._count(self.rows[-1], fed)
        if pair is not None:
            self._heard.answered(self._passed[1])
            self._kept.add(fed, *pair)

    def _count(self, row: dict[str, Any], fed: Tensor | None) -> None:
        """How many records there were for this update, in as many parts as there were."""
        part, batch = self._heard.sizes(fed)
        if batch:
            row["batch"] = batch
            self._part, self._batch = max(self._part, part), max(self._batch, batch)
        if part != batch:
            row["target_share"] = None  # of a part of the batch

    def _origin(self) -> str:
        """Where a loss that is not finite began, in the order of the computation."""
        inputs, outputs = self._passed
        if not finite(inputs):
            return "the inputs of the batch"
        if not finite(outputs):
            for name, parameter in self.network.named_parameters():
                if not finite(parameter):
                    return f"parameter '{name}'"
            for name, fed in self._measuring.listener.fed.items():
                if not finite(fed):
                    return f"what '{name}' is fed"
            return "the network, between inputs and outputs that it makes too large"
        if self._heard.pair is not None and not finite(self._heard.pair[1]):
            return "the targets of the batch"
        return "the loss or the targets"

    def _epochs(self) -> list[dict[str, Any]]:
        """Twenty pieces of the loop in place of epochs, where nobody told of any."""
        size = max(1, len(self._losses) // 20)
        pieces = [self._losses[i : i + size] for i in range(0, len(self._losses), size)]
        return [
            {"epoch": i + 1, "loss": sum(piece) / len(piece), "valid_loss": None}
            for i, piece in enumerate(pieces)
        ]

    def _rate(self) -> float | None:
        rate = None if self.optimizer is None else self.optimizer.param_groups[0].get("lr")
        return None if rate is None else float(rate)

    def _structure(self) -> dict[str, Any]:
        structure = describe_structure(self.network)
        structure["mismatch"] = self._heard.mismatch
        if not self._heard.own:
            structure["last"] = ""  # something else stands between it and the loss
        untrained = self._reach.untrained(self._called())
        structure["untrained"] = untrained
        structure["heads"] = sorted(self._calls.heads)
        structure["frozen"] = None if untrained is None else list(untrained)
        return structure

    def _called(self) -> set[str]:
        """The modules that were called, and the weighted layers heard at any step measured."""
        rows = [row["fed_mean"] for row in self.rows if "fed_mean" in row]
        names = (layer.name for layer in self._measuring.layers)
        heard = {name for i, name in enumerate(names) if any(row[i] is not None for row in rows)}
        return heard | self._calls.called

    def _settings(self) -> dict[str, Any]:
        parts = {"part_size": self._part} if self._part != self._batch else {}
        group = self.optimizer.param_groups[0] if self.optimizer is not None else {}
        return {
            "optimizer": type(self.optimizer).__name__.lower() if self.optimizer else None,
            "lr": self._rate(),
            "weight_decay": group.get("weight_decay", 0) if group else None,
            "batch_size": self._batch or None,
            "shuffle": None,
            "steps": self.steps,
            **parts,
        }


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
            outputs = network(inputs)
            value = loss(outputs, targets)
            value.backward()
            optimizer.step()
            told = {} if isinstance(loss, nn.Module) else {"outputs": outputs, "targets": targets}
            doctor.step(value, **told)
            if doctor.failure:
                break
    return doctor.findings()
