"""A NaN anywhere is named where it began and never reaches weights or running averages."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nnatomy.data.samples import TensorSamples
from nnatomy.errors import NonFiniteError
from nnatomy.nn.residual import Residual
from nnatomy.training.fit import fit
from nnatomy.training.objectives import OBJECTIVES, Objective
from nnatomy.training.observers import Observer
from nnatomy.training.order import permutation
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings

SETTINGS = Settings(epochs=3, batch_size=4, device="cpu", seed=2, lr=0.01)
RECORDS = 20
STEPS_PER_EPOCH = 5


class Last(Observer):
    """The network's whole state after the latest step."""

    def __init__(self) -> None:
        self.state: dict[str, Tensor] = {}

    def on_start(self, session: Session) -> None:
        self.on_step(session)

    def on_step(self, session: Session) -> None:
        self.state = {k: v.clone() for k, v in session.network.state_dict().items()}


class NanForward(nn.Module):
    def forward(self, values: Tensor) -> Tensor:
        return torch.where(values > 1e9, values, torch.nan)


class SqrtAtZero(nn.Module):
    """Finite forward; the derivative at 0 is infinite."""

    def forward(self, values: Tensor) -> Tensor:
        return (values * 0.0).sqrt() + 1.0


class RootOfWeight(nn.Module):
    """Only the gradient of its own parameter is infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(6))

    def forward(self, values: Tensor) -> Tensor:
        return values + self.scale.sqrt()


def network(middle: nn.Module | None = None) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(5, 6),
        nn.BatchNorm1d(6),
        nn.Identity() if middle is None else middle,
        nn.ReLU(inplace=True),
        nn.Linear(6, 3),
    )


def data() -> TensorSamples:
    torch.manual_seed(1)
    return TensorSamples(torch.randn(RECORDS, 5), torch.arange(RECORDS) % 3)


def refused(
    net: nn.Module, samples: TensorSamples, objective: str | Objective = "cross_entropy"
) -> str:
    """The message; the state is checked to be that after the last good step."""
    last = Last()
    with pytest.raises(NonFiniteError) as caught:
        fit(net, samples, objective=objective, settings=SETTINGS, observers=[last])
    state = net.state_dict()
    assert list(state) == list(last.state)
    for name, value in last.state.items():
        assert torch.equal(state[name].nan_to_num(12345.0), value.nan_to_num(12345.0)), (
            f"{name} was changed"
        )
    assert all(p.grad is None for p in net.parameters())
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("record", [0, 7, 19])
def test_input_record(record: int, value: float) -> None:
    samples = data()
    samples.inputs[record, 2] = value
    place = permutation(RECORDS, SETTINGS.seed, 0).tolist().index(record)
    step = place // 4
    message = refused(network(), samples)
    assert "the inputs of the batch" in message
    assert f"at step {step + 1} (epoch 1, records {4 * step + 1} to {4 * step + 4} of" in message


def test_target() -> None:
    samples = data()
    samples.targets = torch.randn(RECORDS, 3)
    samples.targets[3, 1] = math.nan
    assert "the targets of the batch" in refused(network(), samples, "squared")


def test_parameter() -> None:
    net = network()
    with torch.no_grad():
        net[4].weight[1, 2] = math.nan
    message = refused(net, data())
    assert "began in parameter '4.weight'" in message
    assert "step 1 (epoch 1" in message


def test_a_nan_parameter_is_no_perfect_perceptron() -> None:
    net = nn.Sequential(nn.Linear(5, 3))
    nn.init.constant_(net[0].bias, math.nan)
    assert "parameter '0.bias'" in refused(net, data(), "perceptron")


def test_inside_a_layer() -> None:
    assert "began in layer '2' (NanForward), forward" in refused(network(NanForward()), data())


def test_gradient_inside_a_layer_only() -> None:
    assert "began in layer '2' (SqrtAtZero), backward" in refused(network(SqrtAtZero()), data())


def test_gradient_of_a_parameter_only() -> None:
    message = refused(network(RootOfWeight()), data())
    assert "began in the gradient of parameter '2.scale'" in message


class Between(nn.Module):
    """Computes outside its layers."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(5, 3)

    def forward(self, values: Tensor) -> Tensor:
        return self.layer(values).sub(1e6).log()


def test_between_the_layers() -> None:
    assert "began in the outputs, between layers" in refused(Between(), data())


class InPlaceSum(nn.Module):
    """A residual sum written into a layer's output, as residual networks are often written."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(5, 5)
        self.root = SqrtAtZero()
        self.head = nn.Linear(5, 3)

    def forward(self, values: Tensor) -> Tensor:
        h = self.first(values)
        h += values
        return self.head(self.root(h))


def test_layers_that_work_in_place() -> None:
    assert "began in layer 'root' (SqrtAtZero), backward" in refused(InPlaceSum(), data())


def test_a_sum_that_overflows() -> None:
    branch = nn.Linear(5, 5, bias=False)
    nn.init.eye_(branch.weight)
    samples = data()
    samples.inputs[:, 0] = 2e38  # twice that is beyond single precision
    net = nn.Sequential(Residual(branch), nn.Linear(5, 3))
    assert "began in the sum of layer '0', forward" in refused(net, samples)


def spoiled(loss: Callable[[Tensor], Tensor], from_call: int) -> Objective:
    """Cross-entropy that goes wrong at one step of the second epoch."""
    calls = 0

    def spoil(outputs: Tensor, targets: Tensor, weights: Tensor | None) -> Tensor:
        nonlocal calls
        calls += 1
        value = OBJECTIVES["cross_entropy"].loss(outputs, targets, weights)
        return loss(value) if calls > from_call else value

    whole = OBJECTIVES["cross_entropy"]
    return Objective("spoiled", spoil, whole.decode, whole.score, "accuracy", "")


@pytest.mark.parametrize(
    ("loss", "place"),
    [
        (lambda value: value * math.nan, "the loss."),
        (lambda value: value + math.inf, "the loss."),  # its gradient is finite
        (lambda value: (value - value.detach()).sqrt(), "the loss, backward"),
    ],
)
def test_loss_in_the_second_epoch(loss: Callable[[Tensor], Tensor], place: str) -> None:
    message = refused(network(), data(), spoiled(loss, STEPS_PER_EPOCH + 2))
    assert f"began in {place}" in message
    assert "at step 8 (epoch 2, records 9 to 12 of its order)" in message


def test_a_cause_that_does_not_show_again_is_said() -> None:
    calls = 0

    def once(value: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return value * math.nan if calls == 1 else value

    assert "a place that did not show when the batch was run again" in refused(
        network(), data(), spoiled(once, 0)
    )


def test_no_hooks_are_left() -> None:
    net = network(SqrtAtZero())
    refused(net, data())
    for module in net.modules():
        assert not module._forward_hooks
        assert not module._forward_pre_hooks
        assert not module._backward_hooks


def test_validation_records_are_named_as_the_cause() -> None:
    valid = data()
    valid.inputs[4, 1] = math.nan
    with pytest.raises(
        NonFiniteError, match=r"validation loss is nan in epoch 1; .* validation re"
    ):
        fit(network(), data(), valid, settings=SETTINGS)


def test_divergence_is_reported_before_it_reaches_the_weights() -> None:
    net = nn.Sequential(nn.Linear(5, 1))
    samples = TensorSamples(data().inputs, torch.randn(RECORDS, 1))
    settings = Settings(epochs=2000, batch_size=None, lr=100.0, optimizer="sgd", device="cpu")
    with pytest.raises(NonFiniteError, match="Lower the learning rate"):
        fit(net, samples, objective="squared", settings=settings)
    assert all(torch.isfinite(p).all() for p in net.parameters())
