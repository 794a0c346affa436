"""Training networks of one shape side by side in one vectorized program."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, vmap

from nnatomy.errors import NonFiniteError
from nnatomy.training.hooks import is_plain
from nnatomy.training.inference import has_filters
from nnatomy.training.observers import Observer
from nnatomy.training.session import Session
from nnatomy.types import Batch

_FEWEST, _MOST_PRODUCTS = 16, 1_000_000
"""Networks from which, and multiplications of a forward pass of one network's batch up to which,
stacking is faster than one network after the other (bench/stacked.py). Above, kernels take the
time and not their calls."""


_KNOWN = ("torch.nn.modules.", "nnatomy.models.", "nnatomy.nn.")
"""Where modules come from that are known to compute the same when they are stacked."""


def shape_of(session: Session) -> tuple[Any, ...]:
    """What networks must have in common to be stacked, as a value that can be compared."""
    network = session.network
    parts = tuple(
        (type(module), module.extra_repr(), _attributes(module)) for module in network.modules()
    )
    tensors = tuple((name, tuple(t.shape), t.dtype) for name, t in network.state_dict().items())
    return (
        *(parts, tensors, session.objective, session.batch_size),
        *(session.device, session.settings.precision),
    )


def _attributes(module: nn.Module) -> tuple[Any, ...]:
    """What a module holds besides parameters and parts: it may change what it computes."""
    own = {k: v for k, v in vars(module).items() if not k.startswith("_") and k != "training"}
    plain = bool | int | float | str | tuple | None  # type: ignore[type-arg]
    return tuple((k, v if isinstance(v, plain) else id(v)) for k, v in sorted(own.items()))


def stacking_obstacle(session: Session) -> str:
    """Why a session's network cannot be stacked with others of its shape; empty when it can.

    Dropout draws from a generator, whose numbers would be others than in a run of its own.
    """
    for module in session.network.modules():
        drops = isinstance(module, nn.modules.dropout._DropoutNd) and module.p > 0
        if drops or isinstance(module, nn.RReLU):
            return f"{type(module).__name__} draws at random, which a run of its own does otherwise"
    settings = session.settings
    if settings.freeze or settings.warm_up or settings.earlier_rate != 1:
        return "not all of its parts are trained alike (freeze, warm_up or earlier_rate)"
    if not all(p.requires_grad for p in session.network.parameters()):
        return "some of its parameters are frozen"
    return "" if is_plain(session.network) else "it has hooks, or a forward of its own"


def stacking_pays(sessions: Sequence[Session]) -> bool:
    """Whether networks are so many and so small that calls take the time, not kernels.

    Convolutions with other filters for each network are computed in groups, which is slow.
    Modules of the user's own may do what cannot be vectorized, so they are stacked on demand only.
    """
    session = sessions[0]
    if not all(type(m).__module__.startswith(_KNOWN) for m in session.network.modules()):
        return False
    dense = [p.numel() for p in session.network.parameters() if p.dim() == 2]
    small = sum(dense) * session.batch_size <= _MOST_PRODUCTS
    return small and len(sessions) >= _FEWEST and not has_filters(session.network)


class Stack:
    """Steps of several networks of one shape, their weights stacked along a first axis.

    Args:
        sessions: Of networks for which `shape_of` is the same.
    """

    def __init__(self, sessions: Sequence[Session]) -> None:
        self.sessions = list(sessions)
        self._named: list[dict[str, Tensor]] = [
            dict(s.network.named_parameters()) for s in self.sessions
        ]
        self._buffers = [dict(s.network.named_buffers()) for s in self.sessions]
        network, objective = self.sessions[0].network, self.sessions[0].objective

        def cost(
            weights: dict[str, Tensor], buffers: dict[str, Tensor], batch: tuple[Tensor, ...]
        ) -> tuple[Tensor, Tensor]:
            answers = functional_call(network, (weights, buffers), (batch[0],))
            return objective.cost(answers, batch[1], batch[2] if len(batch) > 2 else None)

        self._gradients = vmap(grad_and_value(cost, has_aux=True))

    def learn(self, batches: Sequence[Batch]) -> None:
        """One step of every network, each on a batch of its own.

        A network whose loss or gradient is not finite keeps its weights; its session gets the
        error, the others go on.

        Args:
            batches: One a session, all of one size.
        """
        batches = [s.placed(batch) for s, batch in zip(self.sessions, batches, strict=True)]
        for session in self.sessions:
            session.buffers.keep()
        buffers = _stacked(self._buffers)
        with self.sessions[0].precision:
            named = _stacked(self._named)
            gradients, (_, losses) = self._gradients(named, buffers, _joined(batches))
        for r, session in enumerate(self.sessions):
            for name, parameter in self._named[r].items():
                if parameter.grad is not None:
                    parameter.grad.copy_(gradients[name][r])
            for name, buffer in self._buffers[r].items():
                buffer.copy_(buffers[name][r])
            try:
                session.update(losses[r], batches[r])
            except NonFiniteError as error:
                session.error = error


@torch.no_grad()
def _stacked(parts: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.stack([part[name] for part in parts]) for name in parts[0]}


def _joined(batches: Sequence[Batch]) -> tuple[Tensor, ...]:
    inputs = torch.stack([batch.inputs for batch in batches])
    targets = torch.stack([batch.targets for batch in batches])
    weights = [batch.weights for batch in batches if batch.weights is not None]
    return (inputs, targets, torch.stack(weights)) if weights else (inputs, targets)


def run_stacked(
    sessions: Sequence[Session], observers: Sequence[Observer], stop: Callable[[], bool]
) -> None:
    """Do the epochs of several sessions in lockstep; one that has finished leaves the others.

    Args:
        sessions: Of networks of one shape, none of them begun.
        observers: Told of every session.
        stop: Asked after every step.
    """
    for session in sessions:
        session.engine = "stacked"
        session.start()
        for observer in observers:
            observer.on_start(session)
    going = [session for session in sessions if not session.finished]
    while going:
        for session in going:
            session.share = 1 / len(going)
        interrupted = _epoch(going, observers, stop)
        for session in (s for s in going if s.error is None):
            if interrupted:
                session.interrupted = True
            else:
                _close_epoch(session, observers, stop)
        going = [s for s in going if s.error is None and not s.finished]
    for session in (s for s in sessions if s.error is None):
        if not session.interrupted:
            session.use_best()
        for observer in observers:
            observer.on_interrupt(session) if session.interrupted else observer.on_end(session)


def _close_epoch(session: Session, observers: Sequence[Observer], stop: Callable[[], bool]) -> None:
    try:
        row = session.close_epoch(stop)
    except NonFiniteError as error:
        session.error = error
        return
    session.interrupted = row is None
    if row is not None:
        for observer in observers:
            observer.on_epoch(session, row)


def _epoch(
    sessions: Sequence[Session], observers: Sequence[Observer], stop: Callable[[], bool]
) -> bool:
    """One epoch of every session; returns whether a stop was requested before its end."""
    for batches in _lockstep(sessions):
        for session in (s for s in batches if s.error is None):
            for observer in observers:
                observer.on_step(session)
        if stop():
            return True
    return False


def _lockstep(sessions: Sequence[Session]) -> Iterator[list[Session]]:
    """Learn from one batch after the other; yields the sessions that took part."""
    rest = [(session, session.batches()) for session in sessions]
    stack = Stack(sessions)
    while rest:
        batches = [next(batches, None) for _, batches in rest]
        if batches[0] is None:
            return
        stack.learn([batch for batch in batches if batch is not None])
        yield stack.sessions
        if any(session.error is not None for session, _ in rest):
            rest = [pair for pair in rest if pair[0].error is None]
            stack = Stack([session for session, _ in rest]) if rest else stack
