"""The five convolutional families: published sizes, torchvision's outputs, small images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from filled_weights import filled, image
from image_networks import lived
from nnatomy import models
from nnatomy.errors import SettingError
from nnatomy.models import from_torchvision, to_torchvision
from nnatomy.models.catalog import CATALOG, build_network
from nnatomy.models.googlenet import has_room_for_heads
from nnatomy.models.image_network import is_sketch, stem_for
from nnatomy.models.summary import count_parameters
from nnatomy.training.folding import for_inference

HERE = Path(__file__).parent
MANIFEST = json.loads((HERE / "torchvision_manifest.json").read_text(encoding="utf-8"))
OUTPUTS = json.loads((HERE / "torchvision_outputs.json").read_text(encoding="utf-8"))
PUBLISHED = {
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg13": 133_047_848,
    "vgg16": 138_357_544,
    "vgg19": 143_667_240,
    "vgg11_bn": 132_868_840,
    "vgg13_bn": 133_053_736,
    "vgg16_bn": 138_365_992,
    "vgg19_bn": 143_678_248,
    "googlenet": 13_004_888,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "densenet121": 7_978_856,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
}
NARROW: dict[str, dict] = {
    "alexnet": {"width": 4, "hidden": 8},
    "vgg11": {"width": 4, "hidden": 8},
    "vgg11_bn": {"width": 4, "hidden": 8},
    "googlenet": {"width": 4},
    "resnet18": {"width": 4},
    "resnet50": {"width": 4},
    "plain18": {"width": 4},
    "densenet121": {"growth": 4},
}


def sketch(name: str, **settings: object) -> nn.Module:
    """A network of sizes without values."""
    with torch.device("meta"):
        return getattr(models, name)(**settings)


def narrow(name: str, **settings: object) -> nn.Module:
    torch.manual_seed(0)
    return getattr(models, name)(5, 2, **(NARROW[name] | settings))


def images(side: int, count: int = 2) -> Tensor:
    return torch.randn(count, 2, side, side, generator=torch.Generator().manual_seed(3))


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_parameter_count(name: str) -> None:
    assert count_parameters(sketch(name)) == PUBLISHED[name]


def test_parameter_count_of_densenet264_by_hand() -> None:
    """Table 1 of the paper, k = 32, added up without a network."""
    k, maps, total = 32, 64, 3 * 64 * 49 + 2 * 64
    for block, depth in enumerate((6, 12, 64, 48)):
        for _ in range(depth):
            total += 2 * maps + maps * 4 * k + 2 * 4 * k + 4 * k * k * 9
            maps += k
        if block < 3:
            total += 2 * maps + maps * (maps // 2)
            maps //= 2
    total += 2 * maps + maps * 1000 + 1000
    assert count_parameters(sketch("densenet264")) == total == 33_337_704


@pytest.mark.parametrize(
    ("batch_norm", "auxiliary", "count"),
    [
        (True, False, 6_624_904),  # torchvision's
        (False, False, 6_998_552),  # Caffe's bvlc_googlenet
        (False, True, 13_378_280),
    ],
)
def test_forms_of_googlenet(batch_norm: bool, auxiliary: bool, count: int) -> None:
    assert (
        count_parameters(sketch("googlenet", batch_norm=batch_norm, auxiliary=auxiliary)) == count
    )


@pytest.mark.parametrize(
    ("module", "weights", "printed"),
    [
        *(("3a", 159.5, 159), ("3b", 379.0, 380), ("4a", 366.75, 364), ("4b", 438.0, 437)),
        *(("4c", 497.5, 463), ("4d", 590.5, 580), ("4e", 847.0, 840)),
        *(("5a", 1018.0, 1072), ("5b", 1409.0, 1388)),
    ],
)
def test_the_weights_of_the_papers_table(module: str, weights: float, printed: int) -> None:
    """In units of 1024, by hand from the printed filters; the printed sums are less exact."""
    part = sketch("googlenet", batch_norm=False).features.get_submodule(f"inception{module}")
    counted = sum(m.weight.numel() for m in part.modules() if isinstance(m, nn.Conv2d))
    assert counted / 1024 == weights == pytest.approx(printed, rel=0.08)


def test_plain_networks_are_residual_ones_without_shortcuts() -> None:
    for depth, projections in ((18, 3), (34, 3)):
        plain, residual = sketch(f"plain{depth}"), sketch(f"resnet{depth}")
        added = {k: v for k, v in residual.state_dict().items() if ".downsample." in k}
        assert len(added) == projections * 6
        assert {k: v.shape for k, v in plain.state_dict().items()} == {
            k: v.shape for k, v in residual.state_dict().items() if k not in added
        }


@pytest.mark.parametrize("name", MANIFEST)
def test_names_and_shapes_are_torchvisions(name: str) -> None:
    network = sketch(name)
    theirs = to_torchvision(network)
    assert {key: list(value.shape) for key, value in theirs.items()} == MANIFEST[name]
    assert list(from_torchvision(network, theirs)) == list(network.state_dict())


@pytest.mark.parametrize("name", OUTPUTS)
def test_outputs_are_torchvisions(name: str) -> None:
    """Computed by torchvision 0.29.1 from weights and an image that a formula gives."""
    narrower = {"hidden": 64} if name in ("alexnet", "vgg11_bn") else {}
    network = getattr(models, name)(5, **narrower).eval()
    state = from_torchvision(network, filled(to_torchvision(network)))
    network.load_state_dict(state, strict=True)
    expected = torch.tensor(OUTPUTS[name]["outputs"])
    with torch.no_grad():
        found = network(image(OUTPUTS[name]["side"]))[0]
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5 * expected.abs().max().item())


def test_older_names_of_densenet() -> None:
    network = narrow("densenet121")
    old = {
        key.replace("norm1", "norm.1").replace("norm2", "norm.2")
        if ".denselayer" in key
        else key: value
        for key, value in to_torchvision(network).items()
    }
    old = {
        key.replace("conv1", "conv.1").replace("conv2", "conv.2")
        if ".denselayer" in key
        else key: value
        for key, value in old.items()
    }
    assert "features.denseblock1.denselayer1.norm.1.weight" in old
    assert list(from_torchvision(network, old)) == list(network.state_dict())


def test_weights_of_heads_that_are_not_there_are_left_out() -> None:
    with_heads, without = narrow("googlenet"), narrow("googlenet", auxiliary=False)
    without.load_state_dict(from_torchvision(without, to_torchvision(with_heads)), strict=True)


def test_other_networks_have_no_names_there() -> None:
    with pytest.raises(SettingError, match="torchvision has no network like LeNet"):
        to_torchvision(models.LeNet((1, 8, 8), 2))


def test_running_variances_of_googlenet_start_where_its_maps_are() -> None:
    """Started at 1, a hundred times as large, they would hide what the first steps have learned."""
    torch.manual_seed(0)
    network = models.googlenet(10, stem="small", width=16)
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    before = [norm.running_var.clone() for norm in norms]
    for norm in norms:
        norm.momentum = 1.0  # what remains is the variance of the batch
    network(torch.randn(16, 3, 32, 32))
    ratios = [(old / norm.running_var).median() for old, norm in zip(before, norms, strict=True)]
    assert 0.1 < min(ratios) < 1 < max(ratios) < 10


@pytest.mark.parametrize("stem", ["imagenet", "small"])
@pytest.mark.parametrize(
    ("name", "settings"),
    [*NARROW.items(), ("googlenet", {"width": 4, "batch_norm": False})],
)
def test_the_least_side_is_the_least(name: str, settings: dict, stem: str) -> None:
    network = getattr(models, name)(5, 2, stem=stem, **settings).eval()
    least = getattr(network, "least_side", 1)
    with torch.no_grad():
        assert network(images(least)).shape == (2, 5)
    if least > 1:
        small = images(least - 1)
        with pytest.raises(SettingError, match=f"needs {least}×{least} or more"):
            network(small)
        with pytest.raises(RuntimeError, match=r"[Oo]utput size|too small"):
            network.pool(network.features(small))


@pytest.mark.parametrize("name", NARROW)
def test_maps_of_small_images(name: str) -> None:
    sides = {28: (1, 2, 3, 4), 32: (2, 4), 64: (4, 8)}
    for side, expected in sides.items():
        network = build_network(name, (2, side, side), 5, NARROW[name]).eval()
        with torch.no_grad():
            maps = network.features(images(side))
            outputs = network(images(side))
        assert maps.shape[-1] in expected
        assert outputs.shape == (2, 5)
        pooled = network.pool(maps)
        torch.testing.assert_close(network.head(pooled.flatten(1)), outputs)


def test_the_stem_follows_the_size() -> None:
    assert stem_for((3, 64, 200)) == "small"
    assert stem_for((3, 65, 65)) == "imagenet"
    for side, stride in ((64, 1), (65, 2)):
        network = build_network("resnet18", (3, side, side), 2, {"width": "4"})
        assert network.features.conv1.stride == (stride, stride)
    network = build_network("resnet18", (3, 32, 32), 2, {"width": "4", "stem": "imagenet"})
    assert network.features.conv1.stride == (2, 2)


def test_heads_need_room() -> None:
    for side, heads in ((16, 2), (15, 0)):
        network = build_network("googlenet", (1, side, side), 2, {"width": 4})
        assert len(network.auxiliary) == heads
    assert not build_network("googlenet", (1, 32, 32), 2, {"width": 4, "auxiliary": "no"}).auxiliary


@pytest.mark.parametrize(("stem", "sides"), [("small", range(8, 24)), ("imagenet", range(55, 72))])
def test_there_is_room_where_the_maps_of_the_heads_are_large_enough(stem, sides) -> None:
    network = models.googlenet(2, 1, stem=stem, width=4).eval()
    before = list(network.features).index(network.features.inception4a)
    for side in sides:
        with torch.no_grad():
            maps = network.features[: before + 1](torch.zeros(1, 1, side, side))
        assert has_room_for_heads(side, stem) == (maps.shape[-1] >= 4), side


@pytest.mark.parametrize(
    ("name", "shape", "settings", "message"),
    [
        ("densenet121", (1, 7, 9), {}, "images of 7×9 are too small for densenet121"),
        ("vgg16", (1, 20, 40), {"stem": "imagenet"}, "or take stem='small'"),
        ("googlenet", (1, 3, 3), {}, "with the small stem, which needs 4×4 or more: enlarge"),
        ("resnet18", (1, 8, 8), {"stem": "smal"}, "did you mean 'small'"),
        ("resnet18", (1, 8, 8), {"width": 0}, "width must be at least 1, got 0"),
        ("resnet18", (1, 8, 8), {"widht": 8}, "did you mean 'width'"),
        ("resnet18", (64,), {}, "takes images"),
        ("googlenet", (1, 32, 32), {"wide": 4}, "wide must be odd"),
        ("googlenet", (1, 32, 32), {"auxiliary_dropout": 1}, "auxiliary_dropout must be"),
        ("vgg11", (1, 8, 8), {"dropout": 1}, "dropout must be at least 0"),
        ("vgg11", (1, 8, 8), {"hidden": 0}, "hidden must be at least 1"),
        ("densenet121", (1, 8, 8), {"growth": 0}, "growth must be at least 1"),
    ],
)
def test_a_mistake_is_named(name: str, shape: tuple, settings: dict, message: str) -> None:
    with pytest.raises(SettingError, match=message):
        build_network(name, shape, 2, settings)


def test_densenet_silences_what_its_layers_add() -> None:
    network = models.densenet121(2, 1, stem="small", growth=2, dropout=0.5)
    silenced = [m.p for m in network.modules() if isinstance(m, nn.Dropout)]
    assert silenced == [0.5] * (6 + 12 + 24 + 16)
    assert not network.head.bias.any()


@pytest.mark.parametrize("depths", [(1, 1, 1), (1, 1, 1, 1, 1, 1), (0, 1, 1, 1, 1)])
def test_vgg_has_five_stages(depths: tuple) -> None:
    with pytest.raises(SettingError, match="depths must be five numbers of at least 1"):
        models.VGG(depths, num_classes=2, width=4, hidden=4)


@pytest.mark.parametrize("name", NARROW)
def test_channels_last_gives_equal_outputs(name: str) -> None:
    network = lived(narrow(name, stem="small"))
    with torch.no_grad():
        expected = network(images(32))
        network.to(memory_format=torch.channels_last)
        found = network(images(32).to(memory_format=torch.channels_last))
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "left"),
    # In DenseNet only the second of a layer's two follows a convolution; a transition's and the
    # last one follow a concatenation.
    [
        ("vgg11_bn", 0),
        ("googlenet", 2),  # of the auxiliary heads, which prediction does not use
        ("resnet18", 0),
        ("resnet50", 0),
        ("plain18", 0),
        ("densenet121", 58 + 3 + 1),
    ],
)
def test_batch_normalization_is_folded_for_prediction(name: str, left: int) -> None:
    network = lived(narrow(name, stem="small"))
    folded = for_inference(network)
    with torch.no_grad():
        expected = network(images(32))
        scale = expected.abs().max().clamp(min=1.0)
        torch.testing.assert_close(
            folded(images(32)) / scale, expected / scale, rtol=1e-5, atol=1e-5
        )
    assert sum(isinstance(m, nn.BatchNorm2d) for m in folded.modules()) == left


@pytest.mark.parametrize("name", PUBLISHED)
def test_sketches_draw_nothing(name: str) -> None:
    assert is_sketch(sketch(name))


def test_starts_are_torchvisions() -> None:
    """The spread of the first weights against the formulas."""
    torch.manual_seed(0)

    def spread(weight: Tensor) -> float:
        return weight.std().item()

    resnet = models.resnet18(10, stem="small", width=32)
    assert spread(resnet.features.layer3[0].conv1.weight) == pytest.approx(  # from 64 to 128 maps
        (2 / (128 * 9)) ** 0.5, rel=0.02
    )
    vgg = models.vgg11(10, stem="small", width=32)
    assert spread(vgg.head[0].weight) == pytest.approx(0.01, rel=0.02)
    assert not vgg.features[0].bias.any()
    dense = models.densenet121(10, stem="small")
    layer = dense.features.denseblock1.denselayer1.conv2
    assert spread(layer.weight) == pytest.approx((2 / (128 * 9)) ** 0.5, rel=0.02)
    google = models.googlenet(10, stem="small")
    assert spread(google.features.conv3.conv.weight) == pytest.approx(0.01, rel=0.02)
    paper = models.googlenet(10, stem="small", batch_norm=False)
    assert spread(paper.features.conv3.conv.weight) == pytest.approx((64 * 9) ** -0.5, rel=0.02)
    assert (paper.features.conv3.conv.bias == 0.2).all()


def test_every_network_of_the_catalog_is_a_builder() -> None:
    assert set(CATALOG) <= set(models.__all__)
