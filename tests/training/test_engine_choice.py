"""Which networks and records the compiled steps take, and which are left to autograd."""

from __future__ import annotations

import types
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.modules import module as registry

from nnatomy.data.samples import TensorSamples
from nnatomy.errors import DataError, SettingError
from nnatomy.models.mlp import MLP
from nnatomy.models.perceptron import LogisticUnit
from nnatomy.training.fit import fit
from nnatomy.training.settings import Settings
from nnatomy.types import Batch
from toy_fit import data, network, same_weights

BASE = Settings(epochs=2, batch_size=8, lr=0.05, optimizer="sgd", device="cpu")


def own_forward(net: nn.Module) -> None:
    original = net.forward
    net.forward = lambda inputs: original(3 * inputs)  # type: ignore[method-assign]


def own_forward_of_a_layer(net: nn.Module) -> None:
    layer = net.get_submodule("features.0")
    layer.forward = types.MethodType(lambda self, x: (x @ self.weight.T).sin(), layer)


def gradient_hook(net: nn.Module) -> None:
    net.get_parameter("features.0.weight").register_hook(lambda gradient: gradient * 0.5)


def hook_after_accumulation(net: nn.Module) -> None:
    weight = net.get_parameter("features.0.weight")
    weight.register_post_accumulate_grad_hook(lambda _: None)


def backward_hook(net: nn.Module) -> None:
    net.get_submodule("features.2").register_full_backward_hook(lambda *_: None)


def pre_forward_hook(net: nn.Module) -> None:
    net.register_forward_pre_hook(lambda *_: None)


def tied(net: nn.Module) -> None:
    net.extra = nn.Parameter(torch.zeros(1))  # as many parameters as without tying
    net.get_submodule("features.2").bias = net.get_submodule("features.0").bias


@pytest.mark.parametrize(
    "change",
    [
        own_forward,
        own_forward_of_a_layer,
        gradient_hook,
        hook_after_accumulation,
        backward_hook,
        pre_forward_hook,
        tied,
    ],
)
def test_a_changed_network_is_left_to_autograd(change: Callable[[nn.Module], None]) -> None:
    def build() -> nn.Module:
        torch.manual_seed(0)
        return MLP(6, 3, hidden=(7, 7), activation="tanh")

    assert fit(build(), data(), settings=BASE).engine == "compiled"
    changed = build()
    change(changed)
    assert fit(changed, data(), settings=BASE).engine == "autograd"
    with pytest.raises(SettingError, match="plain dense networks"):
        fit(changed, data(), settings=replace(BASE, engine="compiled"))


def test_hooks_on_all_modules_and_autocast_are_left_to_autograd() -> None:
    handle = registry.register_module_forward_hook(lambda *_: None)
    try:
        assert fit(network(), data(), settings=BASE).engine == "autograd"
    finally:
        handle.remove()
    with torch.autocast("cpu", torch.bfloat16):
        assert fit(network(), data(), settings=BASE).engine == "autograd"
    assert fit(network(), data(), settings=BASE).engine == "compiled"


@pytest.mark.parametrize(
    "activation",
    [nn.ELU(0.5), nn.GELU("tanh"), nn.Softplus(2), nn.Softplus(1, 5), nn.LeakyReLU(0.2)],
)
def test_other_constants_are_left_to_autograd(activation: nn.Module) -> None:
    net = nn.Sequential(nn.Linear(6, 4), activation, nn.Linear(4, 3))
    assert fit(net, data(), settings=BASE).engine == "autograd"


def test_dropout_in_place_is_left_to_autograd() -> None:
    net = nn.Sequential(nn.Linear(6, 4), nn.Dropout(0.5, inplace=True), nn.Linear(4, 3))
    assert fit(net, data(), settings=BASE).engine == "autograd"


@pytest.mark.parametrize("width", [6, 7])
def test_a_matrix_that_lies_transposed_in_memory(width: int) -> None:
    sessions, networks = [], []
    for engine in ("compiled", "autograd"):
        torch.manual_seed(0)
        net = nn.Sequential(nn.Linear(6, width), nn.Tanh(), nn.Linear(width, 3))
        net[0].weight = nn.Parameter(net[0].weight.detach().t().contiguous().t())
        assert not net[0].weight.is_contiguous()
        sessions.append(fit(net, data(), settings=replace(BASE, engine=engine)))  # type: ignore[arg-type]
        networks.append(net)
    same_weights(*networks, atol=1e-6)
    assert sessions[0].history[-1]["loss"] == pytest.approx(sessions[1].history[-1]["loss"])


def test_class_probabilities_as_targets_are_left_to_autograd() -> None:
    samples = data()
    one_hot = nn.functional.one_hot(samples.targets, 3).float()
    smoothed = TensorSamples(samples.inputs, 0.9 * one_hot + 0.1 / 3)
    assert fit(network(), smoothed, settings=BASE).engine == "autograd"
    with pytest.raises(SettingError, match="class numbers, one a record"):
        fit(network(), smoothed, settings=replace(BASE, engine="compiled"))


def test_records_of_more_axes_are_left_to_autograd() -> None:
    inputs = torch.randn(12, 4, 6)
    samples = TensorSamples(inputs, inputs[..., :1])
    net = nn.Sequential(nn.Linear(6, 1))
    session = fit(net, samples, objective="squared", settings=BASE)
    assert session.engine == "autograd"
    with pytest.raises(SettingError, match="no layer flattens"):
        fit(net, samples, objective="squared", settings=replace(BASE, engine="compiled"))


def test_inputs_of_another_type_are_refused_by_both() -> None:
    samples = data()
    samples.inputs = samples.inputs.double()
    with pytest.raises(SettingError, match=r"inputs are torch\.float64"):
        fit(network(), samples, settings=replace(BASE, engine="compiled"))
    with pytest.raises(RuntimeError, match="dtype"):
        fit(network(), samples, settings=BASE)


@pytest.mark.parametrize(("batch", "engine"), [(4096, "compiled"), (4097, "autograd")])
def test_large_batches_are_left_to_autograd(batch: int, engine: str) -> None:
    samples = data(5000)
    assert fit(network(), samples, settings=replace(BASE, epochs=0, batch_size=batch)).engine == (
        engine
    )


@pytest.mark.parametrize(("width", "engine"), [(2200, "compiled"), (2300, "autograd")])
def test_large_products_are_left_to_autograd(width: int, engine: str) -> None:
    # 100 records × (6 · w + w² + 3 · w) is 486 and 531 million.
    net = MLP(6, 3, hidden=(width, width))
    settings = replace(BASE, epochs=0, batch_size=100)
    assert fit(net, data(100), settings=settings).engine == engine


class Inconsistent(TensorSamples):
    """Batches whose parts do not have the same length."""

    def __init__(self, part: str) -> None:
        super().__init__(torch.randn(29, 6), torch.zeros(29, dtype=torch.int64))
        self.part = part

    def batches(self, order: Tensor | None, size: int) -> Any:
        for batch in super().batches(order, size):
            if len(batch.targets) == 1:
                yield batch
            elif self.part == "weights":
                yield Batch(batch.inputs, batch.targets, torch.ones(2))
            else:
                yield Batch(batch.inputs[:-1], batch.targets, None)


@pytest.mark.parametrize("part", ["weights", "inputs"])
@pytest.mark.parametrize("batch_size", [8, None])
def test_batches_that_do_not_fit_together_are_refused(part: str, batch_size: int | None) -> None:
    settings = replace(BASE, engine="compiled", batch_size=batch_size)
    with pytest.raises(DataError, match="a batch has"):
        fit(network(), Inconsistent(part), settings=settings)


def test_records_of_another_width_are_refused() -> None:
    class Wider(TensorSamples):
        def batches(self, order: Tensor | None, size: int) -> Any:
            for inputs, targets, weights in super().batches(order, size):
                yield Batch(torch.cat([inputs, inputs], 1), targets, weights)

    samples = data()
    with pytest.raises(DataError, match="records have 12 values, the network takes 6"):
        fit(
            network(),
            Wider(samples.inputs, samples.targets),
            settings=replace(BASE, engine="compiled"),
        )


@pytest.mark.parametrize(
    ("net", "optimizer"),
    [(MLP(1, 2, hidden=(10_000,), activation="tanh"), "adam"), (MLP(2, 2, hidden=(10,)), "adam")],
)
def test_a_stop_is_asked_for_between_calls(net: nn.Module, optimizer: str) -> None:
    widths = [p.numel() for p in net.parameters() if p.dim() == 2]
    updates = 2_000 if max(widths) > 1000 else 1_300_000
    samples = TensorSamples(
        torch.randn(updates, next(net.parameters()).shape[1]), torch.ones(updates).long()
    )
    asked: list[int] = []

    def stop() -> bool:
        asked.append(1)
        return len(asked) > 1

    settings = replace(BASE, batch_size=1, epochs=1, optimizer=optimizer, engine="compiled")
    session = fit(net, samples, settings=settings, stop=stop)
    assert session.interrupted
    assert session.step < updates


def test_a_large_input_of_a_unit_that_is_right_is_no_error() -> None:
    # δ = 0, so the gradient is 0 however large the input; its square overflows single precision.
    samples = TensorSamples(torch.tensor([[1e20], [1e20]]), torch.zeros(2, 1))
    for engine in ("compiled", "autograd"):
        unit = LogisticUnit((1,), 1)
        with torch.no_grad():
            for parameter in unit.parameters():
                parameter.zero_()
        settings = replace(BASE, batch_size=1, engine=engine)  # type: ignore[arg-type]
        session = fit(unit, samples, objective="squared", settings=settings)
        assert session.history[-1]["loss"] == 0.0


def test_a_refused_session_gives_the_network_its_own_parameters_back() -> None:
    net = network(batch_norm=True)
    for settings in (replace(BASE, engine="compiled"), replace(BASE, optimizer="adm")):
        with pytest.raises(SettingError):
            fit(net, data(), settings=settings)
        assert all(p.grad is None for p in net.parameters())
        places = {p.untyped_storage().data_ptr() for p in net.parameters()}
        assert len(places) == len(list(net.parameters()))


@pytest.mark.parametrize(
    ("net", "changes", "wanted"),
    [
        (network, {"device": "auto"}, "cpu"),
        (network, {"device": "auto", "engine": "compiled"}, "cpu"),
        (network, {"device": "auto", "engine": "autograd"}, "auto"),
        (network, {"device": "auto", "precision": "bfloat16"}, "auto"),
        (lambda: nn.Sequential(network(), nn.BatchNorm1d(3)), {"device": "auto"}, "auto"),
        (network, {"device": "cuda"}, "cuda"),
    ],
)
def test_where_there_is_a_gpu_small_dense_networks_stay_on_the_cpu(
    net: Callable[[], nn.Module],
    changes: dict[str, Any],
    wanted: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[str] = []

    def picked(name: str) -> torch.device:
        asked.append(name)
        return torch.device("cpu")

    monkeypatch.setattr("nnatomy.training.session.pick_device", picked)
    session = fit(net(), data(), settings=replace(BASE, **changes))
    assert asked == [wanted]
    assert (wanted == "cpu") <= (session.engine == "compiled")
