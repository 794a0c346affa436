"""Class activation maps against the class score, their printed formulas and a slow twin."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from explain.networks import (
    CLASSES,
    IMAGE_NETWORKS,
    LINEAR,
    OTHERS,
    Pooled,
    images,
    made,
    ready,
)
from nnatomy.errors import DataError, SettingError
from nnatomy.explain import cam, explain, grad_cam, occlusion
from nnatomy.models import mlp

ALL = [*LINEAR, *OTHERS, *IMAGE_NETWORKS]


def has_linear_head(network: nn.Module) -> bool:
    """By structure, a witness beside the numbers that the code goes by."""
    pool = getattr(network, "pool", None)
    dense = [m for m in network.head.modules() if isinstance(m, nn.Linear)]
    bends = [m for m in network.head.modules() if isinstance(m, nn.ReLU | nn.Conv2d)]
    is_global = isinstance(pool, nn.AdaptiveAvgPool2d) and pool.output_size in (1, (1, 1))
    return is_global and len(dense) == 1 and not bends


@pytest.mark.parametrize("name", ALL)
def test_the_mean_of_an_exact_map_plus_the_bias_is_the_class_score(name):
    network = made(name)
    inputs = images()
    expected = network(inputs).detach()
    linear = name in LINEAR or (name not in OTHERS and has_linear_head(network))
    for target in range(CLASSES):
        found = cam(network, inputs, target)
        assert found.method == ("cam" if linear else "grad-cam")
        assert found.values.shape == (3, 32, 32)
        assert found.target.tolist() == [target] * 3
        assert torch.isfinite(found.values).all()
        if not linear:
            continue
        scores = found.maps.mean((1, 2)) + found.bias
        torch.testing.assert_close(scores, found.scores[:, target], rtol=1e-4, atol=1e-5)
        if "densenet's names" in name:  # its outputs are the log-softmax of the scores
            torch.testing.assert_close(found.scores.log_softmax(1), expected)
        elif "softmax" in name:
            torch.testing.assert_close(found.probability, expected[:, target])
            torch.testing.assert_close(found.scores.softmax(1), expected)
        else:
            torch.testing.assert_close(found.scores, expected)


@pytest.mark.parametrize("name", IMAGE_NETWORKS)
def test_maps_of_networks_of_the_catalog_follow_the_image(name):
    network = made(name)
    found = cam(network, images())
    assert found.target.tolist() == network(images()).argmax(1).tolist()
    assert (found.values[0] - found.values[1]).abs().max() > 0
    alone = cam(network, images()[1:2], int(found.target[1]))
    torch.testing.assert_close(alone.values[0], found.values[1], rtol=1e-3, atol=1e-5)


def test_an_exact_map_is_the_printed_sum():
    network, inputs = made("parts"), images()
    maps = network.features(inputs).detach().double()
    weights = network.head[2].weight.detach().double()
    found = cam(network, inputs, [0, 1, 3])
    for n, c in enumerate([0, 1, 3]):
        by_hand = sum(weights[c, k] * maps[n, k] for k in range(maps.shape[1]))
        torch.testing.assert_close(found.maps[n].double(), by_hand, rtol=1e-5, atol=1e-6)


def test_gradient_maps_are_the_printed_ones_by_finite_differences():
    network, inputs = made("vgg's names").double(), images(1).double()
    maps = network.features(inputs).detach()
    target, step = 2, 1e-6

    def score(maps: torch.Tensor) -> torch.Tensor:
        return network.classifier(network.avgpool(maps).flatten(1))[0, target].detach()

    slopes = torch.zeros_like(maps)
    for place in range(maps.numel()):
        moved = maps.clone().flatten()
        moved[place] += step
        gain = score(moved.reshape(maps.shape)) - score(maps)
        slopes.view(-1)[place] = gain / step
    alpha = slopes.mean((2, 3))
    expected = (alpha[:, :, None, None] * maps).sum(1)
    found = cam(network, inputs, target)
    torch.testing.assert_close(found.maps, expected, rtol=1e-4, atol=1e-8)
    assert found.values.min() < 0
    torch.testing.assert_close(found.positive, found.values.relu())


@pytest.mark.parametrize("name", [n for n in LINEAR if "densenet" not in n and "softmax" not in n])
def test_gradient_maps_of_a_linear_head_are_exact_maps_over_their_places(name):
    network, inputs = made(name), images()
    exact, by_gradient = cam(network, inputs, 1), grad_cam(network, inputs, 1)
    places = exact.maps[0].numel()
    assert by_gradient.method == "grad-cam"
    torch.testing.assert_close(by_gradient.maps * places, exact.maps, rtol=1e-4, atol=1e-5)


def test_maps_are_enlarged_bilinearly_with_the_corners_of_pixels_aligned():
    found = cam(made("parts"), images(), 0)
    factor = 32 // found.maps.shape[1]
    assert factor == 4
    # Half-way between the middles of two cells lies the mean of both.
    between = found.values[:, 2 * factor - 1 : 2 * factor + 1, 2 * factor - 1 : 2 * factor + 1]
    mean = found.maps[:, 1:3, 1:3].mean((1, 2))
    torch.testing.assert_close(between.mean((1, 2)), mean, rtol=1e-4, atol=1e-5)


def test_maps_of_wide_and_high_images_lie_as_the_images_do():
    network = made("parts")
    for height, width in ((16, 40), (40, 16)):
        inputs = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(2))
        found, turned = cam(network, inputs, 1), occlusion(network, inputs, 1, size=4)
        assert found.values.shape == turned.values.shape == (2, height, width)
        assert found.maps.shape == (2, height // 4, width // 4)
        scores = network(inputs)[:, 1]
        torch.testing.assert_close(found.maps.mean((1, 2)) + found.bias, scores)
        assert torch.isfinite(found.faithfulness).all()


def test_a_head_that_is_nearly_linear_is_not_taken_for_one():
    class Nearly(Pooled):
        def forward(self, images):
            return self.head(1.01 * self.pool(self.features(images)))

    network = ready(Nearly())
    assert cam(network, images()).method == "grad-cam"
    with pytest.raises(SettingError, match="not linear"):
        cam(network, images(), method="cam")


def test_maps_of_one_place_are_taken_where_there_are_no_others():
    squeezed = nn.Sequential(  # a layer of 1×1 filters behind the pooling is no place to look
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 4, 1), nn.Flatten()
    )
    assert cam(squeezed, images(), 1).maps.shape == (3, 30, 30)
    single = nn.Sequential(nn.Conv2d(3, 8, 32), nn.ReLU(), nn.Flatten(), nn.Linear(8, 4))
    found = cam(single, images(), 1)
    assert (found.method, found.maps.shape) == ("cam", (3, 1, 1))
    torch.testing.assert_close(found.maps[:, 0, 0] + found.bias, single(images())[:, 1])


@pytest.mark.parametrize("value", [0.0, 1.0, -3.0])
@pytest.mark.parametrize("name", ["parts", "parts, flattened", "vgg's names"])
def test_constant_images_have_finite_maps_and_faithfulness(name, value):
    found = cam(made(name), torch.full((2, 3, 32, 32), value))
    assert torch.isfinite(found.values).all()
    assert torch.isfinite(found.faithfulness).all()


def test_a_network_of_one_output_and_grey_images():
    network = Pooled(channels=1)
    network.head[2] = nn.Linear(16, 1)
    found = cam(ready(network, 1), images(2, 1))
    assert found.target.tolist() == [0, 0]
    torch.testing.assert_close(found.probability, found.scores[:, 0])


def test_half_precision():
    network, inputs = made("parts"), images()
    exact = cam(network, inputs, 0)
    half = cam(network.to(torch.bfloat16), inputs, 0)
    assert (half.method, half.values.dtype) == ("cam", torch.float32)
    gap = (half.maps - exact.maps).abs().max() / exact.maps.abs().max()
    assert gap < 0.1


def test_a_compiled_network_is_explained_as_what_it_was_compiled_from():
    network, inputs = made("parts"), images()
    compiled = torch.compile(network, backend="eager")
    torch.testing.assert_close(cam(compiled, inputs, 1).maps, cam(network, inputs, 1).maps)


def test_inside_inference_mode():
    network, inputs = made("parts, flattened"), images()
    expected = cam(network, inputs, 1).maps
    with torch.inference_mode():
        torch.testing.assert_close(cam(network, inputs, 1).maps, expected)


@pytest.mark.parametrize(
    ("inputs", "target", "error", "words"),
    [
        (torch.zeros(0, 3, 32, 32), None, DataError, "one image or more"),
        (torch.zeros(3, 32, 32), None, DataError, "(3, 32, 32)"),
        (torch.zeros(2, 1, 32, 32), None, DataError, "cannot take images of 1×32×32"),
        (torch.zeros(2, 3, 32, 32, dtype=torch.uint8), None, DataError, "normalized floats"),
        (torch.full((2, 3, 32, 32), torch.nan), None, DataError, "image 0 are not finite"),
        (torch.zeros(2, 3, 32, 32), 4, SettingError, "outputs 0 to 3"),
        (torch.zeros(2, 3, 32, 32), -1, SettingError, "target -1"),
        (torch.zeros(2, 3, 32, 32), [0, 7], SettingError, "target 7"),
        (torch.zeros(2, 3, 32, 32), [0, 1, 2], SettingError, "each of the 2 images"),
        (torch.zeros(2, 3, 32, 32), 1.0, SettingError, "whole numbers"),
        (torch.zeros(2, 3, 32, 32), "cat", SettingError, "no index"),
    ],
)
def test_mistakes_get_one_typed_error(inputs, target, error, words):
    for name in ("parts", "resnet's names", "parts, flattened"):
        with pytest.raises(error) as caught:
            cam(made(name), inputs, target)
        assert words in str(caught.value)


def test_methods_that_do_not_fit_are_refused():
    with pytest.raises(SettingError, match="not linear after global average pooling"):
        cam(made("vgg's names"), images(), method="cam")
    with pytest.raises(SettingError, match="did you mean 'cam'"):
        explain(made("parts"), images(), method="cm")
    with pytest.raises(SettingError, match="did you mean 'grad-cam'"):
        cam(made("parts"), images(), method="gradcam")
    flat = mlp((3, 32, 32), CLASSES)
    with pytest.raises(SettingError, match="has no maps"):
        cam(flat, images())
    assert explain(flat, images()).method == "occlusion"
    with pytest.raises(SettingError, match="one row of class scores"):
        cam(nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU()), images())
    with pytest.raises(SettingError, match="no gradient reaches"):
        cam(Cut(), images())
    with pytest.raises(SettingError, match="no gradient reaches"):
        cam(Cut().requires_grad_(False), images())


class Cut(Pooled):
    def forward(self, images):
        maps = self.pool(self.features(images)).detach()
        return self.head(maps) ** 2
