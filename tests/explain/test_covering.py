"""Occlusion against a twin that covers one patch after the other."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from explain.networks import images, made
from nnatomy.errors import SettingError
from nnatomy.explain import occlusion


@pytest.mark.parametrize(("size", "stride"), [(8, 4), (5, 5), (32, 1), (7, 3)])
def test_every_patch_is_covered_and_every_pixel_has_their_mean(size, stride):
    network, inputs = made("parts"), images(2)
    found = occlusion(network, inputs, [1, 3], size=size, stride=stride)
    network.eval()
    starts = sorted({*range(0, 32 - size + 1, stride), 32 - size})
    assert found.maps.shape == (2, len(starts), len(starts))
    sums, counts = torch.zeros(2, 32, 32), torch.zeros(32, 32)
    for r, top in enumerate(starts):
        for c, left in enumerate(starts):
            covered = inputs.clone()
            for image in covered:
                for channel in image:
                    mean = channel.mean()
                    channel[top : top + size, left : left + size] = mean
            with torch.no_grad():
                falls = (network(inputs) - network(covered))[[0, 1], [1, 3]]
            torch.testing.assert_close(found.maps[:, r, c], falls, rtol=1e-3, atol=1e-4)
            sums[:, top : top + size, left : left + size] += falls[:, None, None]
            counts[top : top + size, left : left + size] += 1
    assert counts.min() >= 1
    torch.testing.assert_close(found.values, sums / counts, rtol=1e-3, atol=1e-4)


def test_what_covers_has_the_mean_color_of_its_own_image():
    inputs = images(2)
    inputs[0, 0] += 2
    inputs[1, 2] -= 3
    seen: list[torch.Tensor] = []

    class Heard(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            seen.extend(given.clone())
            return given.mean((2, 3))

    occlusion(Heard(), inputs, 0, size=16, stride=16)
    covered = torch.stack(seen[2:]).reshape(4, 2, 3, 32, 32)  # after the images as they are
    corners = [(0, 0), (0, 16), (16, 0), (16, 16)]
    for copies, (top, left) in zip(covered, corners, strict=True):
        expected = inputs.clone()
        expected[:, :, top : top + 16, left : left + 16] = inputs.mean((2, 3))[:, :, None, None]
        torch.testing.assert_close(copies, expected)


def test_patches_are_a_quarter_of_the_shorter_side_and_overlap_by_half():
    network = made("parts")
    for height, width in ((32, 48), (48, 32)):
        inputs = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
        found, named = (
            occlusion(network, inputs, 1),
            occlusion(network, inputs, 1, size=8, stride=4),
        )
        assert torch.equal(found.maps, named.maps)
        assert torch.equal(found.values, named.values)
        assert found.maps.shape == (1, (height - 8) // 4 + 1, (width - 8) // 4 + 1)


def test_it_finds_the_only_pixels_that_count():
    class Corner(nn.Module):
        def forward(self, inputs: torch.Tensor) -> torch.Tensor:
            seen = inputs[:, :, 4:8, 20:24].sum((1, 2, 3))
            return torch.stack([seen, -seen], 1)

    inputs = torch.zeros(1, 3, 32, 32)
    inputs[:, :, 4:8, 20:24] = 1
    found = occlusion(Corner(), inputs, size=4, stride=4)
    assert found.values.flatten(1).argmax(1).item() in [32 * y + x for y in range(4, 8)
                                                        for x in range(20, 24)]  # fmt: skip
    assert (found.values > 1e-3).sum() == 16
    against = occlusion(Corner(), inputs, 1, size=4, stride=4)
    torch.testing.assert_close(against.values, -found.values)


@pytest.mark.parametrize(("size", "stride"), [(0, 1), (33, 1), (4, 5), (4, 0)])
def test_patches_that_do_not_fit(size, stride):
    with pytest.raises(SettingError, match="do not fit images of 32×32"):
        occlusion(made("parts"), images(), size=size, stride=stride)
