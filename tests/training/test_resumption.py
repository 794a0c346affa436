"""A run that is stopped or killed anywhere and started again ends as if nothing had happened."""

from __future__ import annotations

import hashlib
import json
import random
import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from time import perf_counter
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from faults import Worker
from nnatomy.data.samples import TensorSamples
from nnatomy.errors import InterruptedRunError, NonFiniteError, RunError
from nnatomy.training.checkpoint import load_latest
from nnatomy.training.checkpointing import Checkpointer, resume
from nnatomy.training.fit import fit
from nnatomy.training.model_file import read_model
from nnatomy.training.objectives import Objective, objective_named
from nnatomy.training.observers import Observer
from nnatomy.training.order import permutation
from nnatomy.training.run_folder import RunFolder
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from nnatomy.training.signals import StopRequest
from nnatomy.training.state import State
from small_run import SETTINGS, STEPS, STEPS_PER_EPOCH, data_of, network_of


class StopAtCall(StopRequest):
    """A stop that is requested when it is asked for the n-th time."""

    def __init__(self, call: int) -> None:
        super().__init__()
        self.call = call
        self.calls = 0

    def __call__(self) -> bool:
        self.calls += 1
        if self.calls >= self.call:
            self.receive(signal.SIGTERM)
        return super().__call__()


def untimed(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key != "seconds"}


def digest(tensors: dict[str, Tensor], rows: list[dict[str, Any]]) -> str:
    """sha256 over the weights, to the bit, and over the history, whose length tells the end."""
    found = hashlib.sha256(json.dumps([untimed(row) for row in rows]).encode())
    for name, value in sorted(tensors.items()):
        found.update(name.encode() + value.contiguous().numpy().tobytes())
    return found.hexdigest()


def run(
    path: Path,
    stop: StopRequest,
    *,
    change: Callable[[State], None] | None = None,
    every_steps: int | None = None,
    settings: Settings = SETTINGS,
) -> str:
    """Run or go on in a folder; the digest of the finished run.

    Args:
        change: Spoils the state on resumption (for mutants).
    """
    with RunFolder.open(path, {"lr": 0.01}) as folder:
        state = resume(folder)
        if state is not None and change is not None:
            change(state)
        network = network_of(0)
        session = fit(
            network,
            data_of(36, 1),
            data_of(20, 2),
            settings=settings,
            observers=[Checkpointer(folder, stop=stop, every_steps=every_steps)],
            state=state,
            stop=stop,
        )
        rows = [json.loads(line) for line in folder.metrics.read_text().splitlines()]
        assert rows == session.history
        assert session.step == STEPS or settings is not SETTINGS
        return digest(network.state_dict(), rows)


@pytest.fixture(scope="module")
def unbroken() -> str:
    network = network_of(0)
    session = fit(network, data_of(36, 1), data_of(20, 2), settings=SETTINGS)
    return digest(network.state_dict(), session.history)


def test_watched_run_is_the_unwatched_one(tmp_path: Path, unbroken: str) -> None:
    assert run(tmp_path / "run", StopRequest(), every_steps=1) == unbroken


def test_stop_at_every_step_and_in_every_validation(tmp_path: Path, unbroken: str) -> None:
    counting = StopAtCall(10**9)
    run(tmp_path / "counting", counting)
    assert counting.calls >= STEPS + STEPS // STEPS_PER_EPOCH
    stopped_at = set()
    for call in range(1, counting.calls + 1):
        path = tmp_path / str(call)
        with pytest.raises(InterruptedRunError, match="run the same command again") as caught:
            run(path, StopAtCall(call))
        assert caught.value.signal_number == signal.SIGTERM
        found = load_latest(path / "ckpt")
        assert found is not None
        stopped_at.add((found[0].values["step"], found[0].values["consumed"]))
        assert run(path, StopRequest()) == unbroken, call
    assert {step for step, _ in stopped_at} == set(range(1, STEPS + 1))


def forget_random_state(state: State) -> None:
    state.tensors["rng.cpu"] = torch.Generator().manual_seed(0).get_state()


def forget_second_moment(state: State) -> None:
    state.tensors["slot.squares"].zero_()


def forget_running_average(state: State) -> None:
    state.tensors["network.1.running_mean"].zero_()


def forget_loss_sum(state: State) -> None:
    state.tensors["loss_sum"].zero_()


def forget_norm_sum(state: State) -> None:
    state.values["norm_sum"] = 0.0


def forget_best_weights(state: State) -> None:
    for name in [name for name in state.tensors if name.startswith("best.")]:
        state.tensors[name].zero_()


def forget_best_value(state: State) -> None:
    state.values["rules"]["best"] = float("inf")


def forget_waiting(state: State) -> None:
    state.values["rules"]["waited"] = 0


def forget_epoch_start(state: State) -> None:
    state.tensors["epoch_start"].zero_()


WORSENING = replace(SETTINGS, optimizer="sgd", lr=3.0, schedule="constant", patience=5)
"""The validation loss is lowest early on, and the run ends because it falls no more."""
RESTING = replace(SETTINGS, weight_tol=0.05, schedule="constant", epochs=100)
"""The run ends when an epoch hardly changes the weights."""


@pytest.mark.parametrize(
    ("mutant", "settings", "call"),
    [
        (forget_random_state, SETTINGS, 33),
        (forget_second_moment, SETTINGS, 33),
        (forget_running_average, SETTINGS, 33),
        (forget_loss_sum, SETTINGS, 33),
        (forget_norm_sum, SETTINGS, 33),
        (forget_best_weights, WORSENING, 33),
        (forget_best_value, WORSENING, 33),
        (forget_waiting, WORSENING, 33),
        (forget_epoch_start, RESTING, 38),
    ],
)
def test_an_incomplete_state_is_caught(
    tmp_path: Path, mutant: Callable[[State], None], settings: Settings, call: int
) -> None:
    whole = run(tmp_path / "whole", StopRequest(), settings=settings)
    for name in ("resumed", "spoiled"):
        with pytest.raises(InterruptedRunError):
            run(tmp_path / name, StopAtCall(call), settings=settings)
    assert run(tmp_path / "resumed", StopRequest(), settings=settings) == whole
    assert run(tmp_path / "spoiled", StopRequest(), change=mutant, settings=settings) != whole


def test_stopping_again_and_again(tmp_path: Path, unbroken: str) -> None:
    for _ in range(6):
        with pytest.raises(InterruptedRunError):
            run(tmp_path, StopAtCall(9))
    assert run(tmp_path, StopRequest()) == unbroken


def test_finished_state_goes_on_to_the_same_end(tmp_path: Path, unbroken: str) -> None:
    """Killed after the last epoch, before the results are written."""
    assert run(tmp_path, StopRequest()) == unbroken
    assert run(tmp_path, StopRequest()) == unbroken


def test_metrics_that_the_checkpoint_counts_are_gone(tmp_path: Path) -> None:
    run(tmp_path, StopRequest())
    (tmp_path / "metrics.jsonl").unlink()
    with pytest.raises(Exception, match="the checkpoint counts"):
        run(tmp_path, StopRequest())


def outcome(folder: Path) -> str:
    """Digest of what a finished process has left."""
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return digest(read_model(folder / "model.nnatomy")[0], rows)


@pytest.fixture(scope="module")
def seconds(worker: Worker, tmp_path_factory: pytest.TempPathFactory, unbroken: str) -> float:
    """How long a process takes that nobody disturbs."""
    folder = tmp_path_factory.mktemp("whole")
    worker.begin(job="train", folder=str(folder), every=7, ready=str(folder / "ready"))
    start = perf_counter()
    worker.release()
    assert worker.end() == 0
    taken = perf_counter() - start
    assert outcome(folder) == unbroken
    return taken


def test_kill_at_random_times(
    worker: Worker, tmp_path: Path, unbroken: str, seconds: float
) -> None:
    draw = random.Random(1)
    kills = 0
    for trial in range(4):
        folder = tmp_path / str(trial)
        code = -1
        while code != 0:
            after = draw.uniform(0.0, 0.5) * seconds
            code = worker.run_and_signal(
                signal.SIGKILL,
                after,
                tmp_path / "ready",
                job="train",
                folder=str(folder),
                every=7,
            )
            assert code in (0, -signal.SIGKILL)
            kills += code != 0
        assert outcome(folder) == unbroken
    assert kills >= 4


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_at_random_times(
    worker: Worker, tmp_path: Path, unbroken: str, seconds: float, number: signal.Signals
) -> None:
    draw = random.Random(int(number))
    folder = tmp_path / "run"
    codes = []
    while 0 not in codes:
        after = draw.uniform(0.0, 0.3) * seconds
        codes.append(
            worker.run_and_signal(
                number, after, tmp_path / "ready", job="train", folder=str(folder), every=10**6
            )
        )
    assert len(codes) > 1
    assert set(codes) == {0, 128 + number}
    assert outcome(folder) == unbroken


SPOILED = 11
"""Index of the training record that makes the loss or a gradient non-finite."""


class _NanBackward(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, value: Tensor) -> Tensor:
        return value.clone()

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return gradient * float("nan")


def spoiled_objective(kind: str, marker: Tensor) -> Objective:
    """Cross-entropy with a bad loss or gradient in the batch that holds the marked record."""
    plain = objective_named("cross_entropy")

    def loss(outputs: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        value = plain.loss(outputs, targets, None)
        if weights is None or not (weights == marker).any():
            return value
        return value * float("inf") if kind == "loss" else _NanBackward.apply(value)

    return Objective("spoiled", loss, plain.decode, plain.score, plain.score_name, "")


class Weights(Observer):
    """Copies of the weights after each step."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Tensor]] = []

    def on_step(self, session: Session) -> None:
        self.seen.append({k: v.clone() for k, v in session.network.state_dict().items()})


@pytest.mark.parametrize("kind", ["input", "loss", "gradient", "validation"])
def test_non_finite_never_reaches_the_weights(tmp_path: Path, kind: str) -> None:
    train, valid = data_of(36, 1), data_of(20, 2)
    marker = torch.tensor(0.5)
    weights = torch.ones(36)
    objective = objective_named("cross_entropy")
    if kind in ("loss", "gradient"):
        weights[SPOILED] = marker
        objective = spoiled_objective(kind, marker)
    elif kind == "input":
        train.inputs[SPOILED, 0] = float("nan")
    else:
        valid.inputs[7] = float("inf")
    train = TensorSamples(train.inputs, train.targets, weights)
    place = (permutation(36, SETTINGS.seed, 0) == SPOILED).nonzero().item()
    last_good = STEPS_PER_EPOCH if kind == "validation" else place // SETTINGS.batch_size
    assert last_good > 0
    network, watcher = network_of(0), Weights()
    with RunFolder.open(tmp_path, {}) as folder:
        observers = [watcher, Checkpointer(folder, every_steps=1)]
        with pytest.raises(NonFiniteError, match="validation" if kind == "validation" else "step"):
            fit(
                network,
                train,
                valid,
                objective=objective,
                settings=SETTINGS,
                observers=observers,
            )
        found = load_latest(folder.checkpoints)
    assert found is not None
    state = found[0]
    assert state.values["step"] == len(watcher.seen) == last_good
    for name, value in watcher.seen[-1].items():
        assert torch.isfinite(value).all()
        assert torch.equal(value, state.tensors[f"network.{name}"])
        if "num_batches" not in name:  # counts the refused batch too
            assert torch.equal(value, network.state_dict()[name])


def test_stop_without_a_signal_returns_the_session(tmp_path: Path) -> None:
    """A time limit, say: the state is saved and the caller decides what to tell."""
    with RunFolder.open(tmp_path, {"lr": 0.01}) as folder:
        session = fit(
            network_of(0),
            data_of(36, 1),
            settings=SETTINGS,
            observers=[Checkpointer(folder, stop=StopRequest())],
            stop=lambda: True,
        )
        assert session.interrupted
        state = resume(folder)
    assert state is not None
    assert state.values["step"] == session.step == 1


def test_other_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InterruptedRunError):
        run(tmp_path, StopAtCall(5))
    with RunFolder.open(tmp_path, {"lr": 0.01}) as folder, pytest.raises(RunError, match="another"):
        fit(nn.Linear(6, 3), data_of(36, 1), settings=SETTINGS, state=resume(folder))


def test_nothing_is_saved_before_it_is_due(tmp_path: Path) -> None:
    """Steps are counted; the clock has its own limit, which a short run does not reach."""

    class Looking(Observer):
        def __init__(self, folder: RunFolder) -> None:
            self.folder = folder
            self.saved: list[int] = []

        def on_step(self, session: Session) -> None:
            found = load_latest(self.folder.checkpoints)
            self.saved.append(0 if found is None else found[0].values["step"])

    with RunFolder.open(tmp_path, {}) as folder:
        looking = Looking(folder)
        observers = [Checkpointer(folder, every_seconds=3600.0, every_steps=25), looking]
        fit(network_of(0), data_of(36, 1), settings=SETTINGS, observers=observers)
    assert looking.saved == [25 * (step // 25) for step in range(1, STEPS + 1)]
