"""A training run in memory: what is learned, how far it is, and how to go on from there."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, cast

import numpy as np
import torch
from torch import Tensor, nn

from nnatomy.errors import DataError, NonFiniteError, SettingError
from nnatomy.training.batch_size import batch_size_for
from nnatomy.training.best_weights import BestWeights
from nnatomy.training.compiled import CompiledSteps, Done, compiled_steps, suits_compiled_steps
from nnatomy.training.dense_records import Block
from nnatomy.training.devices import mixed_precision, pick_device, threads_for
from nnatomy.training.flat import FlatBuffers, FlatParameters
from nnatomy.training.history import History
from nnatomy.training.inference import evaluate, outputs_of, place, suits_channels_last
from nnatomy.training.nonfinite import non_finite_error
from nnatomy.training.objectives import Objective
from nnatomy.training.optimizers import build_optimizer
from nnatomy.training.order import permutation, shown
from nnatomy.training.parts import Parts
from nnatomy.training.randomness import generator_states
from nnatomy.training.schedules import learning_rate
from nnatomy.training.settings import Settings
from nnatomy.training.snapshot import go_on, snapshot
from nnatomy.training.state import State
from nnatomy.training.stopping import StopRules
from nnatomy.types import Batch, Samples, VariedSamples


class Session:
    """One run of `fit`; observers read it.

    Args:
        network: Trained in place.
        train: Training records.
        valid: Validation records, or None.
        objective: What is made small.
        settings: How.

    Attributes:
        step: Weight updates done.
        epoch: Epochs completed.
        consumed: Records of the current epoch already learned from.
        engine: What computes the steps: "compiled", "stacked" or "autograd".
        history: One row (a dict) a completed epoch; `column` gives one value of all.
        probed: What a probe measured at some steps; kept with the state of the run, like
        noted: tensors that a probe needs for its next measurement.
        batch: The records of the last step.
        loss: Their loss before its update.
        norm: The norm of its gradient, before clipping.
        stopped: Why training ended; empty while it goes on.
        interrupted: True when a stop was requested before the end.
        seconds: Time spent, summed over resumptions.
        share: The part of the time that is its own, where several sessions share each step.
        precision: The context in which the network computes.
        error: Why it could not go on, where others did.
        uses_blas: Whether compiled steps leave some products to BLAS.
    """

    def __init__(
        self,
        network: nn.Module,
        train: Samples,
        valid: Samples | None,
        objective: Objective,
        settings: Settings,
    ) -> None:
        if len(train) == 0:
            raise DataError("there are no training records")
        self.batch_size = batch_size_for(
            network, train.input_shape, len(train), settings.batch_size
        )
        stays = suits_compiled_steps(network, objective, settings, self.batch_size)
        self.device = pick_device("cpu" if stays and settings.device == "auto" else settings.device)
        self.channels_last = suits_channels_last(network)
        network.to(self.device)
        if self.channels_last:
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.network, self.train = network, train
        self.objective, self.settings = objective, settings
        self.valid = valid if valid is not None and len(valid) else None
        self.threads = settings.threads or threads_for(network, train.input_shape, self.batch_size)
        self._must_place = self.channels_last or self.device.type != "cpu"
        self.precision = mixed_precision(self.device, settings.precision)
        self.parts = Parts(network, settings, train.input_shape)
        self.flat = FlatParameters(network)
        self.buffers = FlatBuffers(network)
        try:
            vectors = self.flat.weights, self.flat.gradient
            rule = build_optimizer(settings.optimizer, *vectors, settings.momentum)
            self.rule = self.parts.guide(self.flat, rule)
            self._steps = self._compiled()
        except SettingError:
            self._release()
            raise
        self._own_generator = None if self._steps is None else self._steps.generator
        self.uses_blas = self._steps is not None and self._steps.uses_blas
        self.engine = "autograd" if self._steps is None else "compiled"
        per_epoch = math.ceil(len(train) / self.batch_size)
        self.rate = learning_rate(
            settings.schedule,
            settings.lr,
            steps=per_epoch * settings.epochs,
            steps_per_epoch=per_epoch,
        )
        self.rules = StopRules(settings)
        self.step = self.epoch = self.consumed = 0
        self.history, self.probed = History(), list[dict[str, Any]]()
        self.noted, self.batch = dict[str, Tensor](), cast("Batch | None", None)
        self.loss = self.norm = 0.0
        self.stopped, self.interrupted = "" if settings.epochs else "epoch limit: 0", False
        self.error: NonFiniteError | None = None
        self.seconds, self.share = 0.0, 1.0
        self._weights = BestWeights(network)
        exact = torch.float64 if self.device.type == "cpu" else torch.float32
        self._loss_sum, self._norm_sum = torch.zeros((), device=self.device, dtype=exact), 0.0
        self._epoch_start: Tensor | None = None
        self._generators: dict[str, Tensor] = {}
        self._clock = time.perf_counter()

    def _compiled(self) -> CompiledSteps | None:
        if self.settings.engine not in ("auto", "compiled"):
            return None
        example = next(iter(self.train.batches(torch.zeros(1, dtype=torch.long), 1)))
        parts = (self.network, self.flat, self.rule, self.objective, self.settings)
        return compiled_steps(*parts, self.batch_size, example)

    def activations(self) -> tuple[list[Tensor], Tensor] | None:
        """What the layers were fed in the last step, and the outputs, where steps are compiled.

        Shape: a list of (B, units), and (B, outputs); None where autograd computes.
        """
        return None if self._steps is None else self._steps.activations()

    @property
    def finished(self) -> bool:
        """Whether training has ended."""
        return bool(self.stopped) or self.interrupted

    def advance(self, limit: Callable[[], int | None]) -> Iterator[None]:
        """Learn from the rest of the epoch; yields after each step, or every few compiled ones.

        Args:
            limit: Gives the number of steps at most up to the next yield; None leaves it open.

        Raises:
            NonFiniteError: As in `learn`.
        """
        if self._steps is None:
            for batch in self.batches():
                self.learn(batch)
                yield
            return
        for batch in self.batches(self._steps.most):
            block, begin = self._steps.block(batch), 0
            while begin < len(block):
                size = len(block) if (most := limit()) is None else most * self.batch_size
                self._learn_compiled(self._steps, block, (begin, min(begin + size, len(block))))
                begin += size
                yield

    def _learn_compiled(self, steps: CompiledSteps, block: Block, span: tuple[int, int]) -> None:
        """As many steps as there are batches in these records."""
        begin, end = span
        wanted = math.ceil((end - begin) / self.batch_size)
        done = self._compute(steps, block, span, wanted)
        learned = min(done.steps * self.batch_size, end - begin)
        self.consumed += learned
        if done.steps < wanted:
            self._refuse(block.batch.part(begin + learned, begin + learned + self.batch_size))

    def batches(self, steps: int = 1) -> Iterator[Batch]:
        """The records of the rest of the current epoch, in its order, for so many steps each."""
        if self.consumed == 0:
            self._open_epoch()
        count, size = len(self.train), self.batch_size * steps
        if self.consumed == count:  # resumed between the last step and the evaluation
            return iter(())
        when = self.settings.seed, self.epoch
        train = shown(self.train, *when)
        if self.batch_size >= count:  # one batch of all: its order has no meaning
            return train.batches(None, size)
        order = permutation(count, *when) if self.settings.shuffle else torch.arange(count)
        return train.batches(order[self.consumed :], size)

    def _compute(
        self, steps: CompiledSteps, block: Block, span: tuple[int, int], wanted: int
    ) -> Done:
        totals = np.array([self._loss_sum.item(), self._norm_sum])
        rates = np.full(wanted, self.settings.lr)
        if self.settings.schedule != "constant":
            rates = np.array([self.rate(self.step + k) for k in range(wanted)])
        done = steps.run(block, span, rates, totals)
        if done.steps:
            self.loss, self.norm = float(done.losses[-1]), float(done.norms[-1])
            self.batch = block.batch.part(*steps.last)
        self._loss_sum.fill_(totals[0])
        self._norm_sum = float(totals[1])
        self.step += done.steps
        return done

    def can_leap(self) -> bool:
        """Whether nothing but an observer would look at the network between the epochs."""
        settings = self.settings
        varied = isinstance(self.train, VariedSamples)
        if self._steps is None or self.valid is not None or settings.weight_tol or varied:
            return False
        judged = settings.patience is not None or settings.error_rate is not None
        return not judged and self.batch_size >= len(self.train) and self.consumed == 0

    def leap(self, limit: int | None) -> None:
        """Many epochs of one step each in one call; their rows share its time evenly.

        Args:
            limit: How many at most; None leaves it open.

        Raises:
            NonFiniteError: As in `learn`; the epochs before have their rows.
        """
        (batch,) = self.batches()
        steps, before = cast(CompiledSteps, self._steps), self.step
        wanted = min(steps.most, self.settings.epochs - self.epoch, limit or steps.most)
        block = steps.block(batch)
        done = self._compute(steps, block, (0, len(block)), wanted)
        records, begin = len(batch.targets), self.seconds
        share = (self.tick() - begin) / wanted
        losses = done.losses * records / records  # as in close_epoch
        seconds = begin + share * np.arange(1, done.steps + 1)
        self.history.extend_by_steps(
            self.epoch, before, loss=losses, lr=done.rates, grad_norm=done.norms, seconds=seconds
        )
        self.rules.note_losses(losses, self.epoch + 1)
        self.epoch += done.steps
        if done.steps < wanted:
            self._refuse(batch)
        self.stopped = self.rules.reason(self.history[-1], None)

    def _open_epoch(self) -> None:
        self._loss_sum.zero_()
        self._norm_sum = 0.0
        self.parts.open_epoch(self.epoch)
        if self.settings.weight_tol > 0:
            self._epoch_start = self.flat.weights.clone()

    def learn(self, batch: Batch) -> Tensor:
        """One step: forward, backward, update.

        Returns:
            The loss of the batch before the update.

        Raises:
            NonFiniteError: The loss or a gradient is not finite; weights and running averages
                are as they were before the batch.
        """
        batch = self.placed(batch)
        self.buffers.keep()
        self.flat.gradient.zero_()
        with self.precision:
            answers = self.network(batch.inputs)
            cost, loss = self.objective.cost(answers, batch.targets, batch.weights)
        cost.backward()  # type: ignore[no-untyped-call]
        loss = loss.detach()
        self.update(loss, batch)
        return loss

    def placed(self, batch: Batch) -> Batch:
        """The batch where the network is, in the layout that it likes."""
        return place(batch, self.device, self.channels_last) if self._must_place else batch

    def update(self, loss: Tensor, batch: Batch) -> None:
        """The second half of a step: from the gradient of the batch's loss to new weights.

        Args:
            loss: Of the batch; its gradient lies in `flat.gradient`, the buffers before the batch
                in `buffers`.
            batch: The batch, on the session's device.

        Raises:
            NonFiniteError: As in `learn`.
        """
        settings, flat, records = self.settings, self.flat, len(batch.targets)
        if settings.l1 or settings.l2:
            flat.penalize(settings.l1, settings.l2, records)
        norm, value = math.sqrt(flat.gradient.dot(flat.gradient).item()), loss.item()
        if not (math.isfinite(norm) and math.isfinite(value)):
            self._refuse(batch)
        self.batch, self.loss, self.norm = batch, value, norm
        if settings.clip_norm is not None and norm > settings.clip_norm:
            flat.gradient.mul_(settings.clip_norm / norm)
        self.rule.update(self.rate(self.step))
        self._loss_sum.add_(loss, alpha=records)
        self._norm_sum += norm
        self.step += 1
        self.consumed += records

    def _refuse(self, batch: Batch) -> NoReturn:
        self.buffers.take_back()
        place = (self.step, self.epoch, self.consumed)
        error = non_finite_error(self.network, self.objective, batch, place)
        self.buffers.take_back()
        raise error

    def close_epoch(self, stop: Callable[[], bool]) -> dict[str, Any] | None:
        """Evaluate the finished epoch, note its row, keep the weights if they are the best.

        Returns:
            The history row, or None when a stop was requested during the evaluation, which is
            then done again on resumption.
        """
        row: dict[str, Any] = {
            "epoch": self.epoch + 1,
            "step": self.step,
            "loss": (self._loss_sum / len(self.train)).item(),
            "valid_loss": None,
            "valid_score": None,
            "lr": self.rate(max(0, self.step - 1)),
            "grad_norm": self._norm_sum / math.ceil(len(self.train) / self.batch_size),
        }
        if not math.isfinite(row["loss"]):
            raise NonFiniteError(f"the training loss is {row['loss']} in epoch {row['epoch']}")
        if self.valid is not None:
            outputs, targets, weights = evaluate(self.network, self.valid, stop=stop)
            if stop():
                return None
            row["valid_loss"] = self.objective.mean_loss(outputs, targets, weights)
            row["valid_score"] = self.objective.score(outputs, targets, weights)
            if not math.isfinite(row["valid_loss"]):
                raise NonFiniteError(
                    f"the validation loss is {row['valid_loss']} in epoch {row['epoch']}; the "
                    "training loss is finite: look at the validation records"
                )
        if self.settings.error_rate is not None:
            outputs, targets = outputs_of(self.network, self.train, stop=stop)
            if stop():
                return None
            row["error_rate"] = 1.0 - self.objective.score(outputs, targets, None)
        row["seconds"] = self.tick()
        self._enter(row)
        return row

    def _enter(self, row: dict[str, Any]) -> None:
        self.history.append(row)
        self.epoch += 1
        self.consumed = 0
        if self.rules.note(row) and self.valid is not None:
            self._weights.keep()
        change = None
        if self._epoch_start is not None:
            moved = torch.linalg.vector_norm(self.flat.weights - self._epoch_start)
            change = (moved / torch.linalg.vector_norm(self._epoch_start).clamp(min=1e-30)).item()
        self.stopped = self.rules.reason(row, change)

    def tick(self) -> float:
        """Add the time since the last tick to `seconds`."""
        now = time.perf_counter()
        self.seconds += (now - self._clock) * self.share
        self._clock = now
        return self.seconds

    def use_best(self) -> None:
        """Put the weights of the best epoch in place; those of the last without validation."""
        self._weights.use()

    def start(self) -> None:
        """Set the network to training and the clock going."""
        self.parts.enter(self.epoch)
        self._clock = time.perf_counter()

    def last_weights(self) -> dict[str, Tensor]:
        """The state after the last step, also where `use_best` has put the best in place."""
        return self._weights.last()

    def close(self) -> None:
        """Give the network parameters of its own again; note where the random generators stand."""
        self._generators = generator_states(self.device, self._own_generator)
        self._release()

    def _release(self) -> None:
        self.flat.release()
        self.buffers.release()
        self.parts.release()

    def capture(self) -> State:
        """A copy of the state after the last step; a finished run's can go on to more epochs."""
        return snapshot(self)

    def restore(self, state: State) -> None:
        """Go on from a captured state.

        Raises:
            RunError: The state belongs to other data or another network.
        """
        go_on(self, state)
