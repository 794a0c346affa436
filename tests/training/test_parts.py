"""Freezing, warming up the head, and lower rates for earlier parts."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional

from nnatomy.data.samples import TensorSamples
from nnatomy.errors import SettingError
from nnatomy.models import MLP, LogisticUnit, build_network, densenet121, googlenet, vgg11
from nnatomy.models.resnet import BasicBlock, ResNet
from nnatomy.training.fit import fit
from nnatomy.training.lr_finder import find_learning_rate
from nnatomy.training.many import fit_many
from nnatomy.training.objectives import OBJECTIVES
from nnatomy.training.observers import Observer
from nnatomy.training.optimizers import OPTIMIZERS
from nnatomy.training.parts import rate_factors, stages_of
from nnatomy.training.session import Session
from nnatomy.training.settings import Settings, settings_from
from nnatomy.training.stacked import stacking_obstacle

SHAPE = (1, 8, 8)


def images(count=24, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return TensorSamples(torch.randn(count, *SHAPE, generator=generator), torch.arange(count) % 3)


def small_resnet(seed=0):
    torch.manual_seed(seed)
    return ResNet(BasicBlock, (1, 1), num_classes=3, in_channels=1, stem="small", width=4)


def dense(seed=0, **settings):
    torch.manual_seed(seed)
    return MLP(SHAPE, 3, hidden=(6, 5), **settings)


def state_of(network):
    return copy.deepcopy(network.state_dict())


def changed(before, network):
    after = network.state_dict()
    return {name for name, value in before.items() if not torch.equal(value, after[name])}


class Snapshots(Observer):
    """The state after every epoch."""

    def __init__(self):
        self.states = []

    def on_epoch(self, session, row):
        self.states.append(state_of(session.network))


# -- freezing


@pytest.mark.parametrize("extra", [{}, {"l2": 0.5, "l1": 0.5}, {"clip_norm": 0.01}])
def test_frozen_parts_keep_their_bits_and_their_running_averages(extra):
    network = small_resnet()
    before = state_of(network)
    fit(network, images(), settings=Settings(epochs=2, batch_size=8, freeze=("features",), **extra))
    assert changed(before, network) == {"head.weight", "head.bias"}


def test_one_part_is_frozen_and_its_neighbours_learn():
    network = small_resnet()
    before = state_of(network)
    settings = Settings(epochs=1, batch_size=8, freeze=("features.layer1", "features.bn1"))
    fit(network, images(), settings=settings)
    still = {name for name in before if name.startswith(("features.layer1.", "features.bn1."))}
    assert changed(before, network) == set(before) - still


def test_a_frozen_head_leaves_the_features_to_learn():
    network = dense()
    before = state_of(network)
    fit(network, images(), settings=Settings(epochs=1, freeze=("head",)))
    assert changed(before, network) == {name for name in before if name.startswith("features.")}


def test_frozen_features_compute_as_in_evaluation():
    """Batch normalization by running averages, and dropout off: as on features computed before."""
    network = dense(batch_norm=True, dropout=0.5)
    fit(network, images(), settings=Settings(epochs=1))  # averages that are not 0 and 1
    twin = copy.deepcopy(network)
    settings = Settings(epochs=3, batch_size=8, lr=0.1, optimizer="sgd", freeze=("features",))
    fit(network, images(), settings=settings)
    data = images()
    with torch.no_grad():
        values = twin.eval().features(data.inputs)
    alone = nn.Sequential(copy.deepcopy(twin.head))
    fit(
        alone,
        TensorSamples(values, data.targets),
        settings=Settings(epochs=3, batch_size=8, lr=0.1, optimizer="sgd", engine="autograd"),
    )
    torch.testing.assert_close(network.head.weight, alone[0].weight, rtol=1e-5, atol=1e-6)


def test_the_marks_of_the_user_are_as_before_afterwards():
    network = small_resnet()
    network.features.conv1.weight.requires_grad_(False)
    marks = {name: p.requires_grad for name, p in network.named_parameters()}
    fit(network, images(), settings=Settings(epochs=3, freeze=("features.layer1",), warm_up=1))
    assert {name: p.requires_grad for name, p in network.named_parameters()} == marks
    assert not network.training


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"freeze": ("featurs",)}, "no part 'featurs'; did you mean 'features'"),
        ({"freeze": ("features.layer9",)}, "did you mean 'features.layer"),
        ({"freeze": ("pool",)}, "part 'pool' has no weights"),
        ({"freeze": ("zzz",)}, "known names: features, features.bn1"),
        ({"freeze": ("features", "head")}, "leaves nothing to train: leave the head out"),
        ({"warm_up": 2, "freeze": ("head",)}, "warm_up trains the head first, which is frozen"),
        ({"warm_up": 5}, "warm_up=5 of 5 epochs leaves none for the rest"),
    ],
)
def test_parts_without_meaning_are_refused(settings, words):
    network = small_resnet()
    marks = [p.requires_grad for p in network.parameters()]
    with pytest.raises(SettingError, match=words):
        fit(network, images(), settings=Settings(epochs=5, **settings))
    assert [p.requires_grad for p in network.parameters()] == marks


@pytest.mark.parametrize("settings", [{"warm_up": 1}, {"earlier_rate": 0.5}])
def test_a_network_that_is_a_head_alone_has_nothing_before_it(settings):
    with pytest.raises(SettingError, match="no weights before its head"):
        fit(LogisticUnit(SHAPE, 3), images(), settings=Settings(epochs=3, **settings))


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"earlier_rate": 0}, "earlier_rate must be above 0 and at most 1"),
        ({"earlier_rate": 1.5}, "earlier_rate must be above 0 and at most 1"),
        ({"warm_up": -1}, "warm_up must be at least 0"),
        ({"freeze": "a,,b"}, "'freeze' takes names separated by commas"),
        ({"freeze": [1]}, "'freeze' takes names separated by commas"),
    ],
)
def test_values_that_cannot_be_meant(values, words):
    with pytest.raises(SettingError, match=words):
        settings_from(values)


def test_names_are_read_from_text():
    assert settings_from({"freeze": "features.layer1, head"}).freeze == ("features.layer1", "head")
    assert settings_from({"freeze": "none"}).freeze == ()


# -- warming up the head


def test_warming_up_leaves_the_features_alone_to_the_bit():
    network, seen = small_resnet(), Snapshots()
    before = state_of(network)
    settings = Settings(epochs=4, batch_size=8, warm_up=2, l2=0.5, l1=0.1)
    fit(network, images(), settings=settings, observers=[seen])
    for state in seen.states[:2]:
        assert {n for n in before if not torch.equal(before[n], state[n])} == {
            "head.weight",
            "head.bias",
        }
    assert changed(seen.states[1], network) == set(before)


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_warming_up_is_a_run_of_the_head_and_then_a_run_of_all(optimizer):
    """Two runs of fit, one after the other, are the slow obvious twin."""
    lr = {"adam": 0.01, "rmsprop": 0.01, "adadelta": 1.0}.get(optimizer, 0.05)
    own = {"batch_size": 8, "lr": lr, "optimizer": optimizer, "l2": 0.01, "shuffle": False}
    network, twin = small_resnet(), small_resnet()
    fit(network, images(), settings=Settings(epochs=3, warm_up=1, **own))
    fit(twin, images(), settings=Settings(epochs=1, freeze=("features",), **own))
    fit(twin, images(), settings=Settings(epochs=2, **own))
    for name, value in twin.state_dict().items():
        torch.testing.assert_close(network.state_dict()[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("stop_at", [2, 3, 4, 5, 6, 7])
def test_a_run_goes_on_to_the_same_bits_wherever_it_was_stopped(stop_at):
    """Three steps an epoch, two epochs of warming up: in it, at its end, and after it."""
    settings = Settings(
        epochs=4, batch_size=8, warm_up=2, earlier_rate=0.5, freeze=("features.bn1",)
    )
    whole = small_resnet()
    fit(whole, images(), settings=settings)
    first, steps = small_resnet(), 0

    def stop():
        nonlocal steps
        steps += 1
        return steps >= stop_at

    state = fit(first, images(), settings=settings, stop=stop).capture()
    assert state.values["step"] == stop_at
    second = small_resnet(seed=9)
    fit(second, images(), settings=settings, state=state)
    for name, value in whole.state_dict().items():
        assert torch.equal(second.state_dict()[name], value), name


def test_the_learning_rate_finder_looks_at_all_that_will_be_trained():
    network = small_resnet()
    before = state_of(network)
    settings = Settings(batch_size=8, warm_up=2, freeze=("features.bn1",))
    found = [
        find_learning_rate(
            network,
            images(),
            objective=OBJECTIVES["cross_entropy"],
            settings=Settings(batch_size=8, warm_up=warm, freeze=settings.freeze),
        ).losses
        for warm in (0, 2)
    ]
    assert found[0] == found[1]
    assert changed(before, network) == set()


# -- lower rates for earlier parts


def updated(name, weights, gradients, lr, momentum):
    """torch.optim's own classes, as a hand-written loop uses them."""
    kinds = {
        "sgd": lambda groups: torch.optim.SGD(groups, lr=lr),
        "momentum": lambda groups: torch.optim.SGD(groups, lr=lr, momentum=momentum),
        "nesterov": lambda groups: torch.optim.SGD(groups, lr=lr, momentum=momentum, nesterov=True),
        "adagrad": lambda groups: torch.optim.Adagrad(groups, lr=lr),
        "adadelta": lambda groups: torch.optim.Adadelta(groups, lr=lr),
        "rmsprop": lambda groups: torch.optim.RMSprop(groups, lr=lr, alpha=momentum),
        "adam": lambda groups: torch.optim.Adam(groups, lr=lr),
    }
    return kinds[name](weights)


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_rates_by_part_are_those_of_a_hand_written_loop(optimizer):
    lr = {"adam": 0.01, "rmsprop": 0.01, "adadelta": 1.0}.get(optimizer, 0.05)
    network, twin = dense(), dense()
    data = images(8)
    groups = [
        {"params": list(twin.features[1].parameters()), "lr": lr * 0.3**2},
        {"params": list(twin.features[3].parameters()), "lr": lr * 0.3},
        {"params": list(twin.head.parameters()), "lr": lr},
    ]
    rule = updated(optimizer, groups, None, lr, 0.9)
    for _ in range(12):
        rule.zero_grad()
        functional.cross_entropy(twin(data.inputs), data.targets).backward()
        rule.step()
    settings = Settings(
        epochs=12, batch_size=8, lr=lr, optimizer=optimizer, momentum=0.9, earlier_rate=0.3
    )
    fit(network, data, settings=settings)
    start = dense()
    for name, value in twin.state_dict().items():
        ours, begun = network.state_dict()[name], start.state_dict()[name]
        torch.testing.assert_close(ours - begun, value - begun, rtol=1e-3, atol=2e-6)


def test_a_rate_of_one_changes_nothing():
    one, other = small_resnet(), small_resnet()
    fit(one, images(), settings=Settings(epochs=2, batch_size=8))
    fit(other, images(), settings=Settings(epochs=2, batch_size=8, earlier_rate=1.0))
    assert changed(state_of(one), other) == set()


def names_of(network, shape):
    names = {module: name for name, module in network.named_modules()}
    return [[names[m].removeprefix("features.") for m in s] for s in stages_of(network, shape)]


def test_a_part_is_what_works_at_one_size_of_maps():
    with torch.device("cpu"):
        assert names_of(build_network("resnet18", (3, 32, 32), 3, {"width": 4}), (3, 32, 32)) == [
            ["conv1", "bn1", "layer1"], ["layer2"], ["layer3"], ["layer4"],
        ]  # fmt: skip
        network = build_network("resnet18", (3, 64, 64), 3, {"width": 4, "stem": "imagenet"})
        assert names_of(network, (3, 64, 64)) == [
            ["conv1", "bn1"], ["layer1"], ["layer2"], ["layer3"], ["layer4"],
        ]  # fmt: skip
    assert names_of(dense(batch_norm=True), SHAPE) == [["1", "2"], ["4", "5"]]
    network = vgg11(3, stem="small", width=4, hidden=8)
    assert [len(stage) for stage in names_of(network, (3, 32, 32))] == [1, 1, 2, 2, 2]


def test_every_family_has_parts_whose_rates_rise_to_the_head():
    for network in (
        densenet121(3, growth=2, stem="small"),
        googlenet(3, stem="small", width=4),
    ):
        factors = rate_factors(network, (3, 32, 32), 0.5)
        assert set(factors) == set(network.parameters())
        by_name = [factors[p] for n, p in network.named_parameters() if n.startswith("features.")]
        assert by_name == sorted(by_name)
        assert 0.5**7 < by_name[0] < by_name[-1] == 0.5
        assert all(factors[p] == 1 for p in network.head.parameters())


# -- engines


@pytest.mark.parametrize(
    "settings", [{"freeze": ("features",)}, {"warm_up": 1}, {"earlier_rate": 0.5}]
)
def test_engines_for_whole_networks_are_left_aside(settings):
    session = fit(dense(), images(), settings=Settings(epochs=2, **settings))
    assert session.engine == "autograd"
    with pytest.raises(SettingError, match="trains all parts alike"):
        fit(dense(), images(), settings=Settings(epochs=2, engine="compiled", **settings))
    session = Session(
        dense(), images(), None, OBJECTIVES["cross_entropy"], Settings(epochs=2, **settings)
    )
    assert "trained alike" in stacking_obstacle(session)
    session.close()


def test_several_networks_are_trained_as_alone():
    settings = Settings(epochs=3, batch_size=8, warm_up=1, earlier_rate=0.5)
    alone, several = dense(), [dense(), dense(seed=1)]
    fit(alone, images(), settings=settings)
    fit_many(several, images(), settings=[settings] * 2)
    assert changed(state_of(alone), several[0]) == set()
