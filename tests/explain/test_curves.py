"""Deletion, insertion and the faithfulness made of them, against a twin and known networks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from explain.networks import images, made
from nnatomy.errors import SettingError
from nnatomy.explain import Explanation, cam
from nnatomy.explain.class_activation import enlarged
from nnatomy.explain.curves import ORDERS, STEPS, Judge, area, blur, rank_of
from nnatomy.explain.explanation import join


class Sees(nn.Module):
    """Its first class is as probable as the middle of the image is bright."""

    def forward(self, inputs: Tensor) -> Tensor:
        chance = inputs[:, 0, 12:20, 12:20].mean((1, 2)).clamp(0.01, 0.99)
        return torch.stack([chance, 1 - chance], 1)


def explained(network: nn.Module, inputs: Tensor, maps: Tensor) -> Explanation:
    """A map of our own, judged by the network."""
    base = cam(made("parts"), inputs)
    judge = base.judge
    judge.network, judge._versions = network, judge._versions[-1:]
    target = torch.zeros(len(inputs), dtype=torch.long)
    return replace(base, maps=maps, values=judge.enlarge(maps), target=target)


def spot(at: int) -> Tensor:
    maps = torch.zeros(1, 8, 8)
    maps[:, at : at + 2, at : at + 2] = 1
    return maps


def test_a_true_map_is_better_than_chance_and_a_false_one_worse():
    inputs = torch.zeros(1, 3, 32, 32)
    inputs[:, :, 12:20, 12:20] = 1
    right = explained(Sees(), inputs, spot(3)).faithfulness
    wrong = explained(Sees(), inputs, -spot(3)).faithfulness
    assert right.shape == (1,)
    assert right > 0.2
    assert wrong < -0.1
    assert right.abs() <= 1


def test_a_constant_map_is_no_better_than_chance():
    found = explained(Sees(), images(2), torch.ones(2, 8, 8))
    assert found.faithfulness.tolist() == pytest.approx([0.0, 0.0], abs=1e-6)


def test_a_network_that_does_not_look_has_no_faithful_maps():
    class Blind(nn.Module):
        def forward(self, inputs: Tensor) -> Tensor:
            return inputs.new_tensor([[0.7, 0.3]]).expand(len(inputs), 2)

    maps = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    found = explained(Blind(), images(3), maps)
    torch.testing.assert_close(found.faithfulness, torch.zeros(3), atol=1e-6, rtol=0)


def test_curves_by_a_slow_twin():
    network, inputs = made("parts"), images(2)
    inputs[:, :, :, 16:] += 4  # so that blurred is something else than of one color
    found = cam(network, inputs, [2, 0])
    curves = found.curves
    assert curves.deletion.shape == curves.insertion.shape == (2, STEPS + 1)
    assert curves.random_deletion.shape == (ORDERS, 2, STEPS + 1)
    for n, target in enumerate((2, 0)):
        order = sorted(range(1024), key=lambda p: -found.values[n].flatten()[p].item())
        for step in range(STEPS + 1):
            gone, come = inputs[n].clone().flatten(1), blur(inputs)[n].flatten(1)
            for pixel in order[: step * 1024 // STEPS]:
                gone[:, pixel] = inputs[n].mean((1, 2))
                come[:, pixel] = inputs[n].flatten(1)[:, pixel]
            for curve, pixels in ((curves.deletion, gone), (curves.insertion, come)):
                with torch.no_grad():
                    chance = network(pixels.reshape(1, 3, 32, 32)).softmax(1)[0, target]
                torch.testing.assert_close(curve[n, step], chance, rtol=1e-3, atol=1e-5)
    assert torch.equal(curves.random_deletion[0, :, 0], curves.deletion[:, 0])
    assert len({tuple(row.tolist()) for row in curves.random_deletion[:, 0]}) == ORDERS
    by_hand = (
        area(curves.insertion)
        - area(curves.random_insertion).mean(0)
        + area(curves.random_deletion).mean(0)
        - area(curves.deletion)
    ) / 2
    assert torch.equal(found.faithfulness, by_hand)


def test_an_image_is_judged_alike_whatever_is_beside_it():
    network, inputs = made("parts, flattened"), images(3)
    together, again = cam(network, inputs, 1), cam(network, inputs, 1)
    alone = cam(network, inputs[1:2], 1)
    assert torch.equal(together.faithfulness, again.faithfulness)
    torch.testing.assert_close(together.faithfulness[1:2], alone.faithfulness, atol=1e-4, rtol=0)
    joined = join([cam(network, inputs[:2], 1), cam(network, inputs[2:], 1)])
    torch.testing.assert_close(joined.values, together.values, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(joined.faithfulness, together.faithfulness, atol=1e-4, rtol=0)
    assert len(joined) == 3


def test_a_network_that_was_trained_since_is_not_judged_by_its_new_weights():
    network, inputs = made("parts"), images()
    found = cam(network, inputs)
    with torch.no_grad():
        network.head[2].weight.mul_(2)
    with pytest.raises(SettingError, match="have changed since"):
        _ = found.faithfulness
    found = cam(network, inputs)
    inputs.zero_()
    with pytest.raises(SettingError, match="have changed since"):
        _ = found.faithfulness


@pytest.mark.parametrize("shape", [(2, 10), (10, 2), (3, 5), (5, 3), (1, 2), (1, 1)])
def test_random_orders_are_those_of_the_map_at_other_places(shape):
    inputs, places = images(1), shape[0] * shape[1]
    maps = torch.arange(places).float().reshape(1, *shape)
    moved: list[Tensor] = []

    def enlarge(given: Tensor) -> Tensor:
        moved.append(given.clone())
        return enlarged(given, (32, 32))

    judge = Judge(Sees().eval(), inputs, enlarge)
    judge(replace(cam(made("parts"), inputs, 0), maps=maps, values=enlarge(maps)))
    rolled = {
        tuple(maps.roll((down, right), (1, 2)).flatten().tolist())
        for down in range(shape[0])
        for right in range(shape[1])
    }
    itself, *others = [tuple(given.flatten().tolist()) for given in moved]
    assert len(others) == ORDERS
    assert set(others) <= rolled
    if places > 1:
        assert itself not in others
        assert len(set(others)) == min(ORDERS, places - 1)


def test_judging_costs_90_passes():
    network, inputs = made("parts"), images(3)
    passed: list[int] = []
    found = cam(network, inputs)
    with network.register_forward_hook(lambda *heard: passed.append(len(heard[1][0]))):
        _ = found.faithfulness
    assert sum(passed) == 90 * 3


def test_an_explanation_made_by_hand_has_no_faithfulness():
    found = replace(cam(made("parts"), images()), judge=None)
    with pytest.raises(SettingError, match="knows no network"):
        _ = found.faithfulness


def test_parts_of_the_curves():
    assert area(torch.tensor([0.0, 1.0, 1.0])).item() == pytest.approx(0.75)
    values = torch.tensor([[[0.1, 0.9], [0.5, 0.9]]])
    assert rank_of(values).tolist() == [[[3, 0], [2, 1]]]
    flat = blur(torch.full((1, 2, 9, 5), 0.3))
    torch.testing.assert_close(flat, torch.full((1, 2, 9, 5), 0.3))
    one = torch.zeros(1, 1, 21, 21)
    one[0, 0, 10, 10] = 1
    smooth = blur(one)[0, 0]
    assert smooth[10, 10] == smooth.max() < 0.1
    line = torch.zeros(1, 1, 5, 41)
    line[..., 20] = 1
    wide = blur(line)[0, 0, 2]  # a tenth of the longer side: 4.1
    assert (wide[20] / wide[23]).item() == pytest.approx(np.exp(9 / (2 * 4.1**2)), rel=1e-3)
    ratio = smooth[10, 10] / smooth[10, 12]
    assert ratio.item() == pytest.approx(torch.tensor(4 / (2 * 2.1**2)).exp().item(), rel=1e-3)
