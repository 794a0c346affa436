"""A network with auxiliary heads learns from them, and is judged without them."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from nnatomy.data.samples import TensorSamples
from nnatomy.errors import NonFiniteError, SettingError
from nnatomy.models import GoogLeNet
from nnatomy.training.fit import fit
from nnatomy.training.lr_finder import find_learning_rate
from nnatomy.training.many import fit_many
from nnatomy.training.objectives import OBJECTIVES
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings
from nnatomy.types import Answers

SETTINGS = Settings(epochs=2, batch_size=4, lr=0.05, optimizer="sgd", device="cpu")
OBJECTIVE = OBJECTIVES["cross_entropy"]


class Aside(nn.Module):
    """One hidden layer with a head beside the answer; the smallest such network."""

    def __init__(self) -> None:
        super().__init__()
        self.features, self.head, self.aside = nn.Linear(3, 4), nn.Linear(4, 2), nn.Linear(4, 2)

    def forward(self, inputs: Tensor) -> Tensor | Answers:
        hidden = self.features(inputs).tanh()
        outputs = self.head(hidden)
        return Answers(outputs, (self.aside(hidden),) * 2) if self.training else outputs


def aside(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return Aside()


def data(count: int = 12, shape: tuple[int, ...] = (3,), seed: int = 1) -> TensorSamples:
    inputs = torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))
    return TensorSamples(inputs, torch.arange(count) % 2)


def test_a_step_by_hand() -> None:
    network, samples = aside(), data(4)
    twin = copy.deepcopy(network)
    session = fit(network, samples, objective="cross_entropy", settings=replace(SETTINGS, epochs=1))
    loss = nn.functional.cross_entropy
    inputs, targets = samples.batches(None, 4).__next__()[:2]
    answers = twin(inputs)
    own, other = loss(answers.outputs, targets), loss(answers.auxiliary[0], targets)
    (own + 0.3 * (other + other)).backward()
    for found, start in zip(network.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(found, start - 0.05 * start.grad)
    assert session.history[0]["loss"] == pytest.approx(own.item(), rel=1e-6)


def test_several_networks_side_by_side() -> None:
    alone = [aside(seed) for seed in (0, 1)]
    together = copy.deepcopy(alone)
    for network in alone:
        fit(network, data(), objective="cross_entropy", settings=SETTINGS)
    stacked = replace(SETTINGS, engine="stacked")
    sessions = fit_many(together, data(), objective="cross_entropy", settings=[stacked, stacked])
    assert {session.engine for session in sessions} == {"stacked"}
    for one, other in zip(alone, together, strict=True):
        for a, b in zip(one.parameters(), other.parameters(), strict=True):
            torch.testing.assert_close(a, b)


def test_compiled_steps_refuse() -> None:
    with pytest.raises(SettingError, match="engine 'compiled' cannot train this network"):
        fit(
            aside(),
            data(),
            objective="cross_entropy",
            settings=replace(SETTINGS, engine="compiled"),
        )


def test_a_learning_rate_is_found() -> None:
    curve = find_learning_rate(aside(), data(), objective=OBJECTIVE, settings=SETTINGS)
    assert curve.suggestion > 0


def test_a_loss_of_a_head_that_is_not_finite_is_found() -> None:
    network = aside()
    with torch.no_grad():
        network.aside.weight.fill_(3e38)
    with pytest.raises(NonFiniteError, match="it began in layer 'aside'"):
        fit(network, data(), objective="cross_entropy", settings=SETTINGS)


def test_googlenet_goes_on_where_it_was_stopped() -> None:
    def network() -> nn.Module:
        torch.manual_seed(0)
        return GoogLeNet(2, 1, stem="small", width=4)

    samples = data(8, (1, 16, 16))
    whole, first, second = network(), network(), network()

    def session(net: nn.Module) -> Session:
        return Session(net, samples, data(4, (1, 16, 16), 2), OBJECTIVE, SETTINGS)

    def run(going: Session, epochs: int) -> Session:
        going.start()
        for _ in range(epochs):
            for _ in going.advance(lambda: None):
                pass
            going.close_epoch(lambda: False)
        return going

    torch.manual_seed(5)
    expected = run(session(whole), 2).capture()
    torch.manual_seed(5)
    state = run(session(first), 1).capture()
    resumed = session(second)
    resumed.restore(state)
    found = run(resumed, 1).capture()
    for name, tensor in expected.tensors.items():
        assert torch.equal(found.tensors[name], tensor), name
    heads = whole.auxiliary["inception4a"].fc2.weight
    assert not torch.equal(heads, network().auxiliary["inception4a"].fc2.weight)
