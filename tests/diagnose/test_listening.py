"""A listener hears what layers are fed, changes nothing and leaves nothing behind."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from diagnose.networks import BUILDS, CellLoop, Forgetful, Words, built, hooks_of, same_tensors
from nnatomy.diagnose.listening import Listener, in_order


def test_it_hears_what_the_layers_are_fed() -> None:
    network = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    inputs = torch.randn(5, 6)
    listener = Listener(network)
    network(inputs)
    assert listener.fed == {}
    listener.start()
    listener.start()
    assert listener.listens
    assert hooks_of(network) == 3
    outputs = network(inputs)
    assert list(listener.fed) == ["0", "2"]
    assert torch.equal(listener.fed["0"], inputs)
    assert torch.equal(listener.fed["2"], network[0](inputs).relu())
    assert listener.outputs is not None
    assert torch.equal(listener.outputs, outputs)
    assert not listener.outputs.requires_grad
    assert not listener.fed["2"].requires_grad
    listener.stop()
    assert (hooks_of(network), listener.fed, listener.outputs) == (0, {}, None)
    assert not listener.listens


@pytest.mark.parametrize("name", BUILDS)
@pytest.mark.parametrize("training", [True, False])
def test_nothing_is_changed(name: str, training: bool) -> None:
    states = []
    for listens in (False, True):
        network = built(name).train(training)
        if name == "mlp":
            network[3].eval()
        modes = [m.training for m in network.modules()]
        listener = Listener(network)
        if listens:
            listener.start()
        torch.manual_seed(5)
        network(torch.randn(4, 6)).square().sum().backward()
        assert bool(listener.fed) == listens
        assert modes == [m.training for m in network.modules()]
        found = {k: v.clone() for k, v in network.state_dict().items()}
        found |= {f"grad {k}": p.grad for k, p in network.named_parameters()}
        states.append(found | {"generator": torch.get_rng_state()})
    same_tensors(*states)


def test_a_layer_that_is_called_often_is_heard_the_last_time() -> None:
    network, inputs = CellLoop(), torch.randn(4, 6)
    listener = Listener(network)
    listener.start()
    network(inputs)
    assert torch.equal(listener.fed["cell"], inputs[:, 4:])


def test_unusual_networks() -> None:
    for network, inputs, names in (
        (Forgetful(), torch.randn(4, 6), ["first", "twice", "head"]),
        (Words(), torch.zeros(4, 2, dtype=torch.long), ["words", "head"]),
    ):
        listener = Listener(network)
        listener.start()
        answer = network(inputs)
        assert list(listener.fed) == names
        outputs = answer[0] if isinstance(answer, tuple) else answer
        assert listener.outputs is not None
        assert torch.equal(listener.outputs, outputs)
        listener.stop()


def test_an_exception_leaves_hooks_that_stop_removes() -> None:
    network = built("mlp")
    listener = Listener(network)
    listener.start()
    with pytest.raises(RuntimeError):
        network(torch.randn(4, 7))
    listener.stop()
    assert hooks_of(network) == 0


@pytest.mark.parametrize(
    ("registered", "heard", "order"),
    [
        ("abc", "abc", "abc"),
        ("abc", "cab", "cab"),
        ("abcd", "abd", "abcd"),
        ("abcd", "dba", "dbca"),
        ("abcd", "bcd", "bacd"),
        ("abcd", "abc", "abdc"),
        ("abcd", "b", "bcda"),
        ("abcd", "ad", "abcd"),
        ("abc", "", "abc"),
    ],
)
def test_layers_that_are_not_called_stand_between_the_others(
    registered: str, heard: str, order: str
) -> None:
    assert in_order(registered, heard) == list(order)
