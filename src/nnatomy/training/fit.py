"""The training loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

from torch import nn

from nnatomy.errors import SettingError
from nnatomy.training.devices import blas_threads, seeded, thread_count
from nnatomy.training.objectives import Objective, objective_named
from nnatomy.training.observers import Observer
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from nnatomy.training.state import State
from nnatomy.types import Samples


def _never() -> bool:
    return False


def _lasting(stop: Callable[[], bool]) -> Callable[[], bool]:
    """A stop request that stays once it was made."""
    made = False

    def ask() -> bool:
        nonlocal made
        made = made or stop()
        return made

    return ask


def fit(
    network: nn.Module,
    train: Samples,
    valid: Samples | None = None,
    *,
    objective: str | Objective = "cross_entropy",
    settings: Settings | None = None,
    observers: Sequence[Observer] = (),
    state: State | None = None,
    stop: Callable[[], bool] = _never,
) -> Session:
    """Train a network by mini-batch gradient descent.

    The same seed, data and thread count give the same weights to the bit, watched or unwatched,
    in one go or in pieces. The random state of the caller is left alone.

    Args:
        network: Any module that takes a batch of inputs; trained in place. With validation
            records it ends with the weights of its best epoch.
        train: Training records.
        valid: Records to validate on after every epoch.
        objective: A name of nnatomy.training.objectives.OBJECTIVES, or one of your own.
        settings: How to train; the defaults are mini-batches of 64 with Adam.
        observers: See everything, change nothing.
        state: Go on from this state of an earlier call with the same arguments.
        stop: Asked after every step (every few where they are compiled) and between validation
            batches; when it says True the session is returned with `interrupted` set, and can
            be captured and resumed.

    Returns:
        The finished session: its `history` has one dict an epoch, `stopped` says why it ended.

    Raises:
        SettingError: A setting cannot be used.
        NonFiniteError: A loss or gradient is NaN or infinite; the weights have not seen it.
    """
    settings = settings or Settings()
    if settings.engine == "stacked":
        raise SettingError(
            "engine 'stacked' trains several networks at once: use auto, or fit_many"
        )
    objective = objective_named(objective) if isinstance(objective, str) else objective
    with seeded(settings.seed):
        session = Session(network, train, valid, objective, settings)
        if state is not None:
            session.restore(state)
        try:
            blas = blas_threads(session.threads) if session.uses_blas else nullcontext()
            with thread_count(session.threads), blas:
                run(session, observers, _lasting(stop))
        finally:
            session.close()
            network.eval()
    return session


def run(session: Session, observers: Sequence[Observer], stop: Callable[[], bool]) -> None:
    """Do the epochs of a session until it has finished or a stop is requested."""
    step_watchers = [o for o in observers if type(o).on_step is not Observer.on_step]
    one_by_one = any(o.every_step for o in step_watchers)
    epochs_watched = any(type(o).on_epoch is not Observer.on_epoch for o in observers)
    session.start()
    for observer in observers:
        observer.on_start(session)
    while not session.finished:
        if session.can_leap() and not (step_watchers or epochs_watched):
            session.leap()
            session.interrupted = stop() and not session.stopped
            continue
        for _ in session.advance(one_by_one=one_by_one):
            _tell(step_watchers, session)
            if stop():
                session.interrupted = True
                break
        row = None if session.interrupted else session.close_epoch(stop)
        if row is None:
            session.interrupted = True
            break
        for observer in observers:
            observer.on_epoch(session, row)
    if not session.interrupted:
        session.use_best()
    for observer in observers:
        observer.on_interrupt(session) if session.interrupted else observer.on_end(session)


def _tell(step_watchers: Sequence[Observer], session: Session) -> None:
    for observer in step_watchers:
        observer.on_step(session)
