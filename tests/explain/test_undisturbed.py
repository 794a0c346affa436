"""After every explanation the network is as before, also where it raises."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from explain.networks import IMAGE_NETWORKS, Pooled, images, made
from nnatomy.errors import DataError
from nnatomy.explain import cam, explain, grad_cam, occlusion
from nnatomy.training.inference import suits_channels_last

NAMES = ["parts", "resnet's names", "vgg's names", *IMAGE_NETWORKS]


def everything(network: nn.Module) -> dict[str, object]:
    """Whatever an explanation could leave behind."""
    return {
        "modes": [module.training for module in network.modules()],
        "hooks": [
            [
                list(getattr(module, name))
                for name in (
                    "_forward_hooks",
                    "_forward_pre_hooks",
                    "_backward_hooks",
                    "_backward_pre_hooks",
                    "_forward_hooks_always_called",
                    "_forward_hooks_with_kwargs",
                )
            ]
            for module in network.modules()
        ],
        "forms": [
            (t.dtype, t.device, t.stride(), t.requires_grad, t.data_ptr())
            for t in network.state_dict(keep_vars=True).values()
        ],
        "values": [t.clone() for t in network.state_dict().values()],
        "gradients": [None if p.grad is None else p.grad.clone() for p in network.parameters()],
        "keys": [sorted(vars(module)) for module in network.modules()],
        "random": torch.get_rng_state(),
        "grad mode": torch.is_grad_enabled(),
    }


def assert_same(before: dict[str, object], after: dict[str, object]) -> None:
    for name, expected in before.items():
        pairs = [(expected, after[name])]
        if isinstance(expected, list):
            assert len(expected) == len(after[name])
            pairs = zip(expected, after[name], strict=True)
        for a, b in pairs:
            same = torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
            assert same, name


def heard(module: nn.Module, fed: object, gave: object) -> None:
    """A hook that does nothing."""


def disturbed(name: str) -> nn.Module:
    """Modes of all kinds, frozen parts, gradients, channels last, and a hook of somebody else's."""
    network = made(name).train()
    if suits_channels_last(network):
        network.to(memory_format=torch.channels_last)
    answers = network(images())
    getattr(answers, "outputs", answers).sum().backward()
    next(network.children()).eval()
    next(network.parameters()).requires_grad_(False)
    next(network.children()).register_forward_hook(heard)
    return network


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("how", [cam, grad_cam, occlusion], ids=lambda how: how.__name__)
def test_nothing_is_left_behind(name, how):
    network, inputs = disturbed(name), images(2)
    kept = inputs.clone()
    before = everything(network)
    found = how(network, inputs)
    assert_same(before, everything(network))
    if how is not occlusion or name == "parts":
        assert torch.isfinite(found.faithfulness).all()
        assert_same(before, everything(network))
    assert torch.equal(inputs, kept)
    assert not inputs.requires_grad
    assert not any(t.requires_grad for t in (found.values, found.maps, found.scores))


class Failing(Pooled):
    """Draws numbers, then raises; somewhere between the maps and the end."""

    def forward(self, images):
        maps = self.features(images)
        torch.rand(3)
        raise ZeroDivisionError(f"on purpose, {maps.shape}")


@pytest.mark.parametrize("how", [cam, grad_cam, occlusion, explain], ids=lambda how: how.__name__)
def test_nothing_is_left_behind_where_the_network_raises(how):
    network = Failing()
    before = everything(network)
    with pytest.raises(ZeroDivisionError, match="on purpose"):
        how(network, images())
    assert_same(before, everything(network))


@pytest.mark.parametrize("name", ["parts", "resnet's names"])
def test_nothing_is_left_behind_where_images_are_refused(name):
    network = disturbed(name)
    before = everything(network)
    with pytest.raises(DataError):
        cam(network, torch.ones(2, 5, 32, 32))
    assert_same(before, everything(network))


def test_a_network_that_draws_does_not_move_the_generator():
    class Noisy(Pooled):
        def forward(self, images):
            return super().forward(images + 0.01 * torch.randn_like(images))

    network = Noisy()
    before = torch.get_rng_state()
    cam(network, images())
    assert torch.equal(before, torch.get_rng_state())


def test_an_explained_network_trains_on_as_one_that_was_not():
    first = made("parts").train()
    second = copy.deepcopy(first)
    for network, looks in ((first, False), (second, True)):
        torch.manual_seed(3)
        step = torch.optim.SGD(network.parameters(), 0.1)
        for _ in range(2):
            step.zero_grad()
            nn.functional.cross_entropy(network(images()), torch.tensor([0, 1, 2])).backward()
            if looks:
                cam(network, images())
            step.step()
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert torch.equal(a, b)
