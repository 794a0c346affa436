"""Parameters and buffers as views of one vector: the same network, before, during and after."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nnatomy.errors import SettingError
from nnatomy.models.lenet import LeNet
from nnatomy.training.flat import FlatBuffers, FlatParameters


def network() -> nn.Module:
    torch.manual_seed(0)
    return LeNet((2, 8, 8), 3, channels=(4, 5), hidden=6, dropout=0.0)


def test_the_network_computes_the_same() -> None:
    images = torch.randn(4, 2, 8, 8)
    plain, flat = network(), network()
    FlatParameters(flat)
    FlatBuffers(flat)
    for _ in range(2):
        assert torch.equal(plain(images), flat(images))
    assert all(
        torch.equal(a, b)
        for a, b in zip(plain.state_dict().values(), flat.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("channels_last", [False, True])
def test_the_gradient_vector_holds_every_gradient(channels_last: bool) -> None:
    images = torch.randn(4, 2, 8, 8)
    plain, flat_network = network(), network()
    if channels_last:
        flat_network.to(memory_format=torch.channels_last)
    flat = FlatParameters(flat_network)
    for net in (plain, flat_network):
        net(images).square().sum().backward()
    assert flat.gradient.numel() == sum(p.numel() for p in plain.parameters())
    total = sum(p.grad.double().square().sum() for p in plain.parameters())
    assert flat.gradient.double().square().sum().item() == pytest.approx(total.item(), rel=1e-5)
    for a, b in zip(plain.parameters(), flat_network.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad, rtol=1e-4, atol=1e-5)
        assert b.grad.untyped_storage().data_ptr() == flat.gradient.untyped_storage().data_ptr()


def test_a_change_of_the_vector_is_a_change_of_the_network() -> None:
    net = network()
    flat = FlatParameters(net)
    flat.weights.fill_(0.25)
    assert all((p == 0.25).all() for p in net.parameters())


@pytest.mark.parametrize(("l1", "l2"), [(0.0, 0.3), (0.4, 0.0), (0.4, 0.3)])
def test_penalty_is_that_of_autograd_on_matrices_only(l1: float, l2: float) -> None:
    net = network()
    flat = FlatParameters(net)
    with torch.no_grad():
        next(net.parameters())[0, 0] = 0.0
    flat.penalize(l1, l2, 7)
    matrices = [p for p in net.parameters() if p.dim() > 1]
    penalty = sum(l2 * p.square().sum() + l1 * p.abs().sum() for p in matrices) / (2 * 7)
    named = [(p, p.grad.clone()) for p in net.parameters()]
    expected = torch.autograd.grad(penalty, [p for p, _ in named], allow_unused=True)
    for (parameter, found), gradient in zip(named, expected, strict=True):
        torch.testing.assert_close(
            found, torch.zeros_like(parameter) if gradient is None else gradient
        )


def storages(tensors: list[Tensor]) -> set[int]:
    return {t.untyped_storage().data_ptr() for t in tensors}


def test_release_gives_parameters_and_buffers_of_their_own() -> None:
    net = network()
    net.to(memory_format=torch.channels_last)
    strides = [p.stride() for p in net.parameters()]
    flat, buffers = FlatParameters(net), FlatBuffers(net)
    net(torch.randn(4, 2, 8, 8)).sum().backward()
    state = {k: v.clone() for k, v in net.state_dict().items()}
    identities = [id(p) for p in net.parameters()]
    flat.release()
    buffers.release()
    tensors = [*net.parameters(), *net.buffers()]
    assert len(storages(tensors)) == len(tensors)
    assert all(t.untyped_storage().nbytes() == t.nbytes for t in tensors)
    assert all(p.grad is None and p.requires_grad and p.is_leaf for p in net.parameters())
    assert [p.stride() for p in net.parameters()] == strides
    assert [id(p) for p in net.parameters()] == identities
    assert all(torch.equal(v, state[k]) for k, v in net.state_dict().items())


def test_frozen_parameters_stay_where_they_are() -> None:
    net = network()
    net.features.requires_grad_(False)
    flat = FlatParameters(net)
    assert flat.weights.numel() == sum(p.numel() for p in net.head.parameters())


def test_tied_parameters_count_once_and_stay_tied() -> None:
    net = nn.Sequential(nn.Linear(4, 4, bias=False), nn.Tanh(), nn.Linear(4, 4, bias=False))
    net[2].weight = net[0].weight
    flat = FlatParameters(net)
    assert flat.weights.numel() == 16
    flat.release()
    assert net[2].weight is net[0].weight


@pytest.mark.parametrize("make", [lambda: torch.randn(6, 9)[:, :4], lambda: torch.randn(3, 5).t()])
def test_parameters_that_are_parts_of_other_tensors(make) -> None:
    net = nn.Linear(4, 6) if make().shape == (6, 4) else nn.Linear(3, 5)
    values = make()
    net.weight = nn.Parameter(values)
    bias = net.bias.detach().clone()
    flat = FlatParameters(net)
    assert torch.equal(net.weight, values)
    assert torch.equal(net.bias, bias)
    flat.weights.zero_()
    assert not net.weight.any()
    assert not net.bias.any()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_buffers_of_every_type_are_taken_back(dtype: torch.dtype) -> None:
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.BatchNorm1d(4)).to(dtype)
    buffers = FlatBuffers(net)
    net(torch.randn(5, 3, dtype=dtype))
    buffers.keep()
    kept = {k: v.clone() for k, v in net.state_dict().items()}
    net(torch.randn(5, 3, dtype=dtype))
    assert not torch.equal(net[1].running_mean, kept["1.running_mean"])
    buffers.take_back()
    assert all(torch.equal(v, kept[k]) for k, v in net.state_dict().items())
    assert net[2].num_batches_tracked == 1


def test_nothing_to_train() -> None:
    with pytest.raises(SettingError, match="no trainable parameters: unfreeze"):
        FlatParameters(nn.ReLU())
    with pytest.raises(SettingError, match="no trainable parameters"):
        FlatParameters(network().requires_grad_(False))


def test_mixed_types() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double())
    with pytest.raises(SettingError, match="one type"):
        FlatParameters(net)


def test_parameters_may_begin_at_round_addresses() -> None:
    """As on a GPU: gaps stay 0, the gradient and the penalty are those without gaps."""
    images = torch.randn(4, 2, 8, 8)
    dense, spaced = network(), network()
    packed, aligned = FlatParameters(dense), FlatParameters(spaced, aligned=64)
    assert all(start % 64 == 0 for start in aligned.starts)
    assert aligned.penalized % 64 == 0
    for net, flat in ((dense, packed), (spaced, aligned)):
        net(images).square().sum().backward()
        flat.penalize(0.1, 0.2, 4)
        flat.weights.sub_(flat.gradient, alpha=0.1)
    torch.testing.assert_close(aligned.packed(aligned.gradient), packed.gradient)
    torch.testing.assert_close(aligned.packed(aligned.weights), packed.weights)
    for vector in (aligned.weights, aligned.gradient):
        assert torch.equal(aligned.spread(aligned.packed(vector)), vector)
    kinds = aligned.filled(lambda p: float(p.dim()))
    assert torch.equal(aligned.packed(kinds), packed.filled(lambda p: float(p.dim())))
    assert set(kinds.tolist()) == {0.0, 1.0, 2.0, 4.0}


def test_addresses_are_round_where_the_device_is_not_the_cpu() -> None:
    """256 bytes of single precision; no numbers are needed to see it."""
    with torch.device("meta"):
        flat = FlatParameters(nn.Sequential(nn.Linear(3, 5), nn.Linear(5, 30)))
    assert flat.starts == [0, 64, 256, 320]
    assert len(flat.weights) == 384
    assert FlatParameters(nn.Sequential(nn.Linear(3, 5))).starts == [0, 15]


def test_a_vector_of_other_parameters_is_refused() -> None:
    flat = FlatParameters(network(), aligned=64)
    with pytest.raises(RuntimeError, match="split"):
        flat.spread(torch.zeros(7))
