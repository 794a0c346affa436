"""The state of a session as tensors and values, from which another session goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nnatomy.errors import RunError
from nnatomy.training.history import History
from nnatomy.training.randomness import generator_states, restore_generators
from nnatomy.training.state import State

if TYPE_CHECKING:
    from nnatomy.training.session import Session


def snapshot(session: Session) -> State:
    """A copy of the state after the last step."""
    tensors = {f"network.{k}": v for k, v in session.last_weights().items()}
    like_weights = {f"slot.{k}": v for k, v in session.rule.slots.items()}
    like_weights |= {f"noted.{k}": v for k, v in session.noted.items()}
    if session._epoch_start is not None:
        like_weights["epoch_start"] = session._epoch_start
    tensors |= {k: session.flat.packed(v) if v.dim() else v for k, v in like_weights.items()}
    tensors |= {f"best.{k}": v for k, v in session._weights.best.items()}
    tensors |= session._generators or generator_states(session.device, session._own_generator)
    tensors["loss_sum"] = session._loss_sum
    session.tick()
    values = {
        "step": session.step,
        "epoch": session.epoch,
        "consumed": session.consumed,
        "norm_sum": session._norm_sum,
        "history": list(session.history),
        "probed": list(session.probed),
        "rules": session.rules.to_values(),
        "stopped": session.stopped,
        "seconds": session.seconds,
        "threads": session.threads,
        "records": len(session.train),
        "batch_size": session.batch_size,
    }
    return State({k: v.detach().clone() for k, v in tensors.items()}, values)


def go_on(session: Session, state: State) -> None:
    """Put a session where another one was when its state was captured.

    Raises:
        RunError: The state belongs to other data or another network.
    """
    values, tensors = state.values, state.tensors
    for name, now in (("records", len(session.train)), ("batch_size", session.batch_size)):
        if values[name] != now and values["consumed"]:
            raise RunError(f"the saved state has {name} {values[name]}, this run has {now}")
    try:
        session.network.load_state_dict(state.part("network."))
        for name, slot in session.rule.slots.items():
            saved = tensors[f"slot.{name}"]
            slot.copy_(session.flat.spread(saved) if saved.dim() else saved)
    except (KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"the saved state is of another network or optimizer: {reason}") from None
    best = state.part("best.")
    session._weights.best = {k: v.to(session.device, copy=True) for k, v in best.items()}
    session.noted = {k: session.flat.spread(v) for k, v in state.part("noted.").items()}
    session._loss_sum.copy_(tensors["loss_sum"])
    if "epoch_start" in tensors:
        session._epoch_start = session.flat.spread(tensors["epoch_start"])
    restore_generators(tensors, session.device, session._own_generator)
    session.step, session.epoch = values["step"], values["epoch"]
    session.consumed, session._norm_sum = values["consumed"], values["norm_sum"]
    session.history, session.probed = History(values["history"]), list(values.get("probed", ()))
    session.rules.restore(values["rules"])
    session.seconds, session.threads = values["seconds"], values["threads"]
    more = session.epoch < session.settings.epochs
    session.stopped = "" if more and values["stopped"].startswith("epoch") else values["stopped"]
