"""The training loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial

from torch import nn

from nnatomy.errors import SettingError
from nnatomy.training.devices import blas_threads, repeatable, seeded, thread_count
from nnatomy.training.objectives import Objective, objective_named
from nnatomy.training.observers import Observer, watches
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from nnatomy.training.state import State
from nnatomy.types import Samples


def _never() -> bool:
    return False


def lasting(stop: Callable[[], bool]) -> Callable[[], bool]:
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
        train: Training records; `VariedSamples`, such as augmented images, in the form of each
            epoch.
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
    with seeded(settings.seed), repeatable():
        session = Session(network, train, valid, objective, settings)
        try:
            if state is not None:
                session.restore(state)
            blas = blas_threads(session.threads) if session.uses_blas else nullcontext()
            with thread_count(session.threads), blas:
                run(session, observers, lasting(stop))
        finally:
            session.close()
            network.eval()
    return session


def run(session: Session, observers: Sequence[Observer], stop: Callable[[], bool]) -> None:
    """Do the epochs of a session until it has finished or a stop is requested."""
    step_watchers = [o for o in observers if watches(o, "on_step")]
    epochs_watched = any(watches(o, "on_epoch") for o in observers)
    limit = partial(_limit, step_watchers, session)
    session.start()
    for observer in observers:
        observer.on_start(session)
    while not session.finished:
        if session.can_leap() and not epochs_watched and limit() != 1:
            session.leap(limit())
            _tell(step_watchers, session)
            session.interrupted = stop() and not session.stopped
            continue
        for _ in session.advance(limit):
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


def _limit(step_watchers: Sequence[Observer], session: Session) -> int | None:
    """Steps up to the next that somebody wants to look at; None when nobody minds."""
    looks = [observer.next_look(session.step) for observer in step_watchers]
    return min((look - session.step for look in looks if look is not None), default=None)


def _tell(step_watchers: Sequence[Observer], session: Session) -> None:
    for observer in step_watchers:
        observer.on_step(session)
