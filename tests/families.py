"""What holds for every network of the catalog."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from nnatomy.data.samples import TensorSamples
from nnatomy.errors import SettingError
from nnatomy.models.catalog import CATALOG, build_network, network_settings
from nnatomy.models.summary import count_parameters, summarize
from nnatomy.nn.initialization import initialize
from nnatomy.training.fit import fit
from nnatomy.training.settings import Settings
from nnatomy.types import Answers

OUTPUTS = 3
SHAPES: dict[str, list[tuple[int, ...]]] = {
    "any": [(5,), (2, 6, 7)],
    "image": [(1, 8, 8), (3, 13, 9), (2, 1, 1)],
}
NARROW: dict[str, dict[str, Any]] = {
    "alexnet": {"width": 8, "hidden": 64},
    "vgg11": {"width": 4, "hidden": 64},
    "vgg11_bn": {"width": 4, "hidden": 64},
    "googlenet": {"width": 4},
    "resnet18": {"width": 4},
    "resnet50": {"width": 2},
    "plain18": {"width": 4},
    "densenet121": {"growth": 2},
}
"""The published networks that are run, narrow; the others differ from them in depth only."""
PUBLISHED_SHAPES = {"googlenet": (1, 16, 16)}
CASES = [
    *(
        (name, shape)
        for name, entry in CATALOG.items()
        if entry.fit is None
        for shape in SHAPES[entry.needs]
    ),
    *((name, PUBLISHED_SHAPES.get(name, (2, 9, 8))) for name in NARROW),
]


def built(name: str, shape: tuple[int, ...], seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return build_network(name, shape, OUTPUTS, NARROW.get(name, {}))


def parts_of(answers: Tensor | Answers) -> tuple[Tensor, ...]:
    """The outputs, and those of the auxiliary heads if there are any."""
    return (answers.outputs, *answers.auxiliary) if isinstance(answers, Answers) else (answers,)


def records(shape: tuple[int, ...], count: int = 6) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(9))


def trained_a_little(name: str, shape: tuple[int, ...], steps: int = 3) -> nn.Module:
    """A network whose parameters and running averages have left their start."""
    network = built(name, shape)
    if name in NARROW:  # their published starts leave the outputs of a narrow network constant
        initialize(network, "he_normal")
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.reset_running_stats()  # GoogLeNet's belong to its published start
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    targets = torch.arange(6) % OUTPUTS
    for _ in range(steps):
        optimizer.zero_grad()
        parts = parts_of(network(records(shape)))
        sum(nn.functional.cross_entropy(part, targets) for part in parts).backward()
        optimizer.step()
    return network


def check_output_shape(name: str, shape: tuple[int, ...]) -> None:
    for count in (2, 5):
        for outputs in parts_of(built(name, shape)(records(shape, count))):
            assert outputs.shape == (count, OUTPUTS)
            assert outputs.dtype == torch.float32


def check_gradients_reach_all_parameters(name: str, shape: tuple[int, ...]) -> None:
    network = built(name, shape)
    parts = parts_of(network(records(shape)))
    # Against a fixed direction: at zero weights a square would have no slope.
    sum((outputs * records((OUTPUTS,))).sum() for outputs in parts).backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


def check_records_do_not_see_each_other(name: str, shape: tuple[int, ...]) -> None:
    network = trained_a_little(name, shape).eval()
    inputs = records(shape)
    together = network(inputs)
    alone = torch.cat([network(inputs[i : i + 1]) for i in range(len(inputs))])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-5)
    assert (together[0] - together[1]).abs().max() > 1e-6


def check_evaluation_is_repeatable(name: str, shape: tuple[int, ...]) -> None:
    network = trained_a_little(name, shape).eval()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    assert torch.equal(network(records(shape)), network(records(shape)))
    assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())
    assert not any(module.training for module in network.modules())
    assert all(module.training for module in network.train().modules())


def check_state_round_trip(name: str, shape: tuple[int, ...]) -> None:
    first, second = trained_a_little(name, shape), built(name, shape, seed=1)
    second.load_state_dict(first.state_dict(), strict=True)
    inputs = records(shape)
    assert torch.equal(first.eval()(inputs), second.eval()(inputs))


def check_seed_decides_the_weights(name: str, shape: tuple[int, ...]) -> None:
    first, again = built(name, shape, seed=4), built(name, shape, seed=4)
    for a, b in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(a, b)
    other = built(name, shape, seed=5)
    pairs = zip(first.parameters(), other.parameters(), strict=True)
    assert any(not torch.equal(a, b) for a, b in pairs) != starts_at_zero(first)


def starts_at_zero(network: nn.Module) -> bool:
    return not any(p.any() for p in network.parameters())


def check_parts_have_the_shared_names(name: str, shape: tuple[int, ...]) -> None:
    parts = {part for part, _ in built(name, shape).named_children()}
    assert {"features", "head"} <= parts <= {"features", "pool", "head", "auxiliary"}


def takes_a_record_alone(network: nn.Module, shape: tuple[int, ...]) -> bool:
    try:
        network.train()(records(shape, 1))
    except ValueError:  # of torch: no spread to normalize by
        return False
    return True


def check_a_last_batch_of_one(name: str, shape: tuple[int, ...]) -> None:
    samples = TensorSamples(records(shape, 7), torch.arange(7) % OUTPUTS)
    objective = CATALOG[name].objectives["classification"]
    normal = [{"batch_norm": True}] if "batch_norm" in network_settings(name) else []
    narrow = NARROW.get(name, {})
    for network_options in (narrow, *(narrow | more for more in normal)):

        def trained(batch_size: int, options: dict[str, Any] = network_options) -> int:
            network = build_network(name, shape, OUTPUTS, options)
            settings = Settings(epochs=2, batch_size=batch_size, device="cpu")
            session = fit(network, samples, objective=objective, settings=settings)
            assert all(torch.isfinite(p).all() for p in network.parameters())
            return session.step

        alone = takes_a_record_alone(build_network(name, shape, OUTPUTS, network_options), shape)
        # Of 7 records, sizes 2 and 3 leave one over and size 4 does not.
        assert trained(2) == (2 * 4 if alone else 2 * 2)
        assert trained(6) == (2 * 2 if alone else 2 * 1)
        if alone:
            assert trained(1) == 2 * 7
        else:
            with pytest.raises(SettingError, match="batch_size 1 leaves batch normalization"):
                trained(1)


def check_summary_leaves_no_trace(name: str, shape: tuple[int, ...]) -> None:
    network = trained_a_little(name, shape)
    next(network.children()).eval()
    modes = [module.training for module in network.modules()]
    state = {k: v.clone() for k, v in network.state_dict().items()}
    random_state = torch.get_rng_state()
    gradients = [p.grad.clone() for p in network.parameters() if p.grad is not None]
    rows = summarize(network, shape)
    assert [module.training for module in network.modules()] == modes
    assert all(torch.equal(v, state[k]) for k, v in network.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random_state)
    kept = [p.grad for p in network.parameters()]
    assert all(torch.equal(a, b) for a, b in zip(gradients, kept, strict=True))
    assert all(not module._forward_hooks for module in network.modules())
    assert [row.output for row in rows if row.output][-1] == (OUTPUTS,)
    assert sum(row.parameters for row in rows) == count_parameters(network)
    assert all(row.formula for row in rows)


CHECKS = [
    check_output_shape,
    check_gradients_reach_all_parameters,
    check_records_do_not_see_each_other,
    check_evaluation_is_repeatable,
    check_state_round_trip,
    check_seed_decides_the_weights,
    check_parts_have_the_shared_names,
    check_a_last_batch_of_one,
    check_summary_leaves_no_trace,
]
