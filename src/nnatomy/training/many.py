"""Training several networks on the same records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from threading import Lock
from typing import Any

from torch import nn

from nnatomy.errors import NonFiniteError, SettingError
from nnatomy.training.devices import blas_threads, processors, repeatable, seeded, thread_count
from nnatomy.training.fit import lasting, run
from nnatomy.training.objectives import Objective, objective_named
from nnatomy.training.observers import Observer, watches
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from nnatomy.training.stacked import run_stacked, shape_of, stacking_obstacle, stacking_pays
from nnatomy.types import Samples

Stop = Callable[[], bool]


def fit_many(
    networks: Sequence[nn.Module],
    train: Samples,
    valid: Samples | None = None,
    *,
    objective: str | Objective = "cross_entropy",
    settings: Sequence[Settings],
    observers: Sequence[Observer] = (),
    stop: Stop = lambda: False,
) -> list[Session]:
    """Train several networks, each with settings of its own, on the same records.

    Each ends as `fit` alone would leave it, to rounding. Adaptive rules blow rounding up in a bias
    before batch normalization, whose gradient is nothing else; the running mean follows it.

    Plain dense networks are trained by compiled steps, one on each processor at a time; others of
    one shape are stacked and trained by one vectorized program where that is faster; the rest is
    trained one after the other.

    Args:
        networks: Trained in place; no two may be the same object.
        train: Training records.
        valid: Records to validate on after every epoch.
        objective: As in `fit`.
        settings: One a network.
        observers: See every session, one at a time.
        stop: Asked now and then; when it says True all sessions end interrupted.

    Returns:
        The sessions, in the order of the networks. One whose loss was not finite has the error in
        `error` and its history up to there; the others are not concerned.

    Raises:
        SettingError: A setting cannot be used, or a network is given twice.
    """
    if len(settings) != len(networks):
        raise SettingError(f"{len(networks)} networks have {len(settings)} settings: give one each")
    if _overlap(networks):
        raise SettingError("two networks are the same or share a layer: each is trained in place")
    objective = objective_named(objective) if isinstance(objective, str) else objective
    stop, sessions = lasting(stop), list[Session]()
    with seeded(settings[0].seed if settings else 0), repeatable():
        try:
            for network, own in zip(networks, settings, strict=True):
                sessions.append(Session(network, train, valid, objective, own))
            for group in _groups(sessions):
                _train(group, observers, stop)
        finally:
            for session in sessions:
                session.close()
                session.network.eval()
    return sessions


def _overlap(networks: Sequence[nn.Module]) -> bool:
    own = [{id(t) for t in (*n.parameters(), *n.buffers())} for n in networks]
    return len(set[int]().union(*own)) < sum(map(len, own))


def _groups(sessions: Sequence[Session]) -> list[list[Session]]:
    """Sessions that are trained together: all compiled ones, those stacked, single ones."""
    compiled = [session for session in sessions if session.engine == "compiled"]
    alike: dict[Any, list[Session]] = defaultdict(list)
    for session in sessions:
        wanted = session.settings.engine
        obstacle = stacking_obstacle(session)
        if wanted == "stacked" and obstacle:
            raise SettingError(f"engine 'stacked' cannot train this network: {obstacle}")
        if session.engine != "compiled":
            may = wanted != "autograd" and not obstacle
            alike[(wanted, shape_of(session)) if may else id(session)].append(session)
    groups = [compiled] if compiled else []
    for group in alike.values():
        if group[0].settings.engine == "stacked" or stacking_pays(group):
            groups.append(group)
        else:
            groups += [[session] for session in group]
    return groups


def _train(group: list[Session], observers: Sequence[Observer], stop: Stop) -> None:
    first = group[0]
    if first.engine == "compiled":
        _train_compiled(group, observers, stop)
        return
    with seeded(first.settings.seed), thread_count(first.threads):
        if first.settings.engine == "stacked" or len(group) > 1:
            run_stacked(group, observers, stop)
        else:
            _run(first, observers, stop)


def _run(session: Session, observers: Sequence[Observer], stop: Stop) -> None:
    try:
        run(session, observers, stop)
    except NonFiniteError as error:
        session.error = error


def _train_compiled(group: list[Session], observers: Sequence[Observer], stop: Stop) -> None:
    """One session on each processor: compiled steps leave the interpreter to the others."""
    lock, given_up = Lock(), False
    own = [_OneAtATime.around(observer, lock) for observer in observers]

    def ask() -> bool:
        with lock:
            return given_up or stop()

    workers = min(len(group), processors())
    with thread_count(1), blas_threads(1), ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(_run, session, own, ask) for session in group]
        try:
            done, _ = wait(running, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()
        except BaseException:
            given_up = True
            for future in running:
                future.cancel()
            raise


class _OneAtATime(Observer):
    """Tells an observer what happens in several threads, one thing at a time."""

    def __init__(self, observer: Observer, lock: Lock) -> None:
        self._observer, self._lock = observer, lock
        self.next_look = observer.next_look  # type: ignore[method-assign]

    @staticmethod
    def around(observer: Observer, lock: Lock) -> Observer:
        """The observer with a lock; what it does not watch stays unwatched."""
        methods: dict[str, Any] = {}
        for name in ("on_start", "on_step", "on_epoch", "on_end", "on_interrupt"):
            if watches(observer, name):
                methods[name] = _locked(name)
        kind: type[_OneAtATime] = type("_OneAtATime", (_OneAtATime,), methods)
        return kind(observer, lock)


def _locked(name: str) -> Callable[..., None]:
    def tell(self: _OneAtATime, *arguments: Any) -> None:
        with self._lock:
            getattr(self._observer, name)(*arguments)

    return tell
