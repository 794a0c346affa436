"""An observer that measures a training run every few steps, in the pass that is made anyway."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor, nn

from nnatomy.diagnose.anatomy import describe_layers, weighted_modules
from nnatomy.diagnose.case import Layer
from nnatomy.diagnose.listening import Listener, in_order
from nnatomy.diagnose.measure import (
    agreement,
    by_unit,
    fed_numbers,
    norms,
    output_numbers,
    participation,
    spread,
)
from nnatomy.training.observers import Observer
from nnatomy.training.session import Session

_SHARE = 0.02
"""Of the training time that probing may take, by the estimates below."""
_FEWEST, _MOST = 6, 300
"""Measurements of a run."""


_WORDS = {"mean": 0.0, "std": 1.0, "low": 0.0, "high": 0.0, "dead": 0.0, "saturated": 0.0}
"""Of inputs that are numbers of words, which have no scale: they count as standardized."""
_LARGEST = 3e38


class Measuring:
    """Measures one network: call `prepare` before a step and `measure` after it.

    Args:
        network: Any module.

    Attributes:
        layers: Its weighted layers; in the order of the data once a step was heard.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network, self.listener = network, Listener(network)
        self.layers: list[Layer] = describe_layers(network)
        self._arrange()
        self._before: list[Tensor] = []
        self._gradient: Tensor | None = None
        self._ordered = False

    def _arrange(self) -> None:
        self._modules = weighted_modules(self.network)
        self._matrices = [self._main(layer) for layer in self.layers]

    def _main(self, layer: Layer) -> Tensor:
        """The weights of a layer; the largest matrix where it has several."""
        own = self._modules[layer.name].parameters(recurse=False)
        return max((p for p in own if p.dim() >= 2), key=lambda p: p.numel())

    def prepare(self, gradient: Tensor | None, *, listen: bool = True) -> None:
        """Remember weights and gradient, and listen to the next forward pass.

        Args:
            gradient: All of it in one vector, of the step before.
            listen: False where the network itself is not called to learn; what it is asked for
                between the epochs is no training.
        """
        self._before = [matrix.detach().clone() for matrix in self._matrices]
        self._gradient = None if gradient is None else gradient.clone()
        if listen:
            self.listener.start()

    def gradient_norms(self) -> dict[str, float]:
        """‖∂J/∂W‖ of each layer by its name, as the gradients stand."""
        found = norms([matrix.grad for matrix in self._matrices])
        return dict(zip((layer.name for layer in self.layers), found, strict=True))

    def measure(
        self,
        gradient: Tensor | None,
        targets: Tensor | None,
        activations: tuple[Sequence[Tensor], Tensor] | None = None,
        gradients: Mapping[str, float] | None = None,
        *,
        judged: Tensor | bool = True,
        first: bool = False,
    ) -> dict[str, Any]:
        """The numbers of the step that was just made.

        Args:
            gradient: All of it in one vector.
            targets: Of its batch, where they are known.
            activations: What the layers were fed and the outputs, where nobody could listen.
                Layers that are not called in this step have None among the numbers.
            gradients: What `gradient_norms` said before somebody cleared them.
            judged: What the loss was given; True where that is what the network answered, False
                where it is not known.
            first: Whether it was the first step: then the start is looked at, too.
        """
        fed, outputs = activations or self._heard()
        if not isinstance(judged, bool):
            outputs = judged
        elif not judged:
            outputs = None
        gradients = gradients or self.gradient_norms()
        row: dict[str, Any] = {
            "gradient": [gradients[layer.name] for layer in self.layers],
            "weight": norms(self._matrices),
            "update": self._updates(),
        }
        row |= agreement(self._gradient, gradient)
        with np.errstate(over="ignore", invalid="ignore"):  # `_bounded` sees to it
            row |= self._activations(fed)
            if outputs is not None:
                row |= output_numbers(outputs, targets)
        if first:  # units that are alike stay so
            row["spread"] = [spread(matrix) for matrix in self._matrices]
        self.listener.stop()
        self._before, self._gradient = [], None
        return {name: _bounded(value) for name, value in row.items()}

    def _heard(self) -> tuple[Sequence[Tensor | None], Tensor | None]:
        """What each layer was fed; the first time that any is heard says in which order they stand.

        Later rows have the same order, whatever is called then.
        """
        heard = self.listener.fed
        registered = [layer.name for layer in self.layers]
        order = in_order(registered, [name for name in heard if name in registered])
        if heard and not self._ordered and order != registered:
            before = dict(zip(registered, self._before, strict=True))
            self.layers = describe_layers(self.network, order)
            self._arrange()
            self._before = [before[layer.name] for layer in self.layers]
        self._ordered = self._ordered or bool(heard)
        return [heard.get(layer.name) for layer in self.layers], self.listener.outputs

    def _updates(self) -> list[float]:
        return norms([m.detach() - b for m, b in zip(self._matrices, self._before, strict=True)])

    def _activations(self, fed: Sequence[Tensor | None]) -> dict[str, Any]:
        """By layer, None for those that were not called; nothing where none was."""
        numbers: list[dict[str, float] | None] = []
        rows = None
        for layer, values in zip(self.layers, fed, strict=True):
            if values is None or not values.is_floating_point():
                numbers.append(None if values is None else dict(_WORDS))
                continue
            rows = by_unit(values, self._modules[layer.name])
            kind = "other" if layer.fed_by == "input" else layer.fed_by
            numbers.append(fed_numbers(rows, kind, layer.dropout))
        if not any(numbers):
            return {}
        columns: dict[str, Any] = {
            f"fed_{k}": [None if n is None else n[k] for n in numbers] for k in _WORDS
        }
        return columns | {"rank": None if rows is None else participation(rows)}


def _bounded(value: Any) -> Any:
    """What overflowed as the largest number, which can be written down."""
    if isinstance(value, list):
        return [_bounded(v) for v in value]
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return -_LARGEST if value < 0 else _LARGEST


class Probe(Observer):
    """Writes a row of measurements every few steps to `session.probed`.

    Args:
        interval: Steps between measurements; None chooses it by the sizes of network and batch,
            so that probing takes about a fiftieth of the time.

    Attributes:
        session: The run, the last of several, so that one which breaks off can be looked at; None
            before it starts.
    """

    def __init__(self, interval: int | None = None) -> None:
        self.interval = interval
        self.session: Session | None = None
        self._watched: dict[Session, tuple[Measuring, int]] = {}
        self._last: Measuring | None = None

    @property
    def layers(self) -> list[Layer]:
        """The weighted layers of the network that is watched, the last of several."""
        return [] if self._last is None else self._last.layers

    def next_look(self, step: int) -> int | None:
        """The next measurement, or the step before it, where it is prepared."""
        if not self._watched:
            return None
        due = min([_due(step, every) for _, every in self._watched.values()])
        return due - 1 if step < due - 1 else due

    def on_start(self, session: Session) -> None:
        """Choose the interval; be ready for the first step."""
        self.session = session
        self._last = Measuring(session.network)
        every = self.interval or _interval(session)
        self._watched[session] = self._last, every
        if _due(session.step, every) == session.step + 1:
            before = session.noted.get("gradient")
            self._last.prepare(before, listen=session.engine == "autograd")

    def on_step(self, session: Session) -> None:
        """Measure this step or prepare the measurement of the next."""
        measuring, every = self._watched[session]
        gradient = session.flat.gradient
        if session.step == 1 or session.step % every == 0:
            targets = None if session.batch is None else session.batch.targets
            row = measuring.measure(
                gradient, targets, _scaled(session, measuring.layers), first=session.step == 1
            )
            head = {"step": session.step, "epoch": session.epoch, "loss": session.loss}
            head |= {"norm": session.norm, "lr": session.rate(session.step - 1)}
            session.probed.append(head | row)
            session.noted = {}
        if _due(session.step, every) == session.step + 1:
            measuring.prepare(gradient, listen=session.engine == "autograd")
            # Of a step that a resumed run does not make again.
            session.noted = {"gradient": gradient.clone()}

    def on_end(self, session: Session) -> None:
        """Leave no hook behind."""
        self._leave(session)

    def on_interrupt(self, session: Session) -> None:
        """Leave no hook behind."""
        self._leave(session)

    def close(self) -> None:
        """Leave no hook behind, however the run ended."""
        for session in list(self._watched):
            self._leave(session)

    def _leave(self, session: Session) -> None:
        if session in self._watched:
            self._watched.pop(session)[0].listener.stop()


def _due(step: int, every: int) -> int:
    """The first measurement after so many steps: the first step, then every interval."""
    return 1 if step < 1 else (step // every + 1) * every


def _scaled(session: Session, layers: Sequence[Layer]) -> tuple[list[Tensor], Tensor] | None:
    """The activations of compiled steps, scaled as dropout hands them on."""
    activations = session.activations()
    if activations is None:
        return None
    fed = zip(activations[0], layers, strict=True)
    return [f / (1 - y.dropout) if y.dropout else f for f, y in fed], activations[1]


def _interval(session: Session) -> int:
    """Steps between measurements, by rough estimates of a step's and a measurement's time in µs.

    By sizes only, so that a run that is repeated is measured at the same steps.
    """
    matrices = [p for p in session.network.parameters() if p.dim() >= 2]
    values = math.prod(session.train.input_shape) * session.batch_size
    products = session.batch_size * sum(p.numel() for p in matrices)
    if session.engine == "compiled":
        step, measurement = 3 + products / 12e3, 700 + 150 * len(matrices)
    else:
        step = 150 + 60 * len(matrices) + products / 1e4 + values / 300
        measurement = 600 + 400 * len(matrices)
    steps = session.settings.epochs * math.ceil(len(session.train) / session.batch_size)
    wanted = math.ceil(measurement / (_SHARE * step))
    return max(1, min(max(wanted, steps // _MOST), steps // _FEWEST))
