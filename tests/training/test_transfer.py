"""Weights of earlier networks and of files in torchvision's format, taken over into new ones."""

from __future__ import annotations

import hashlib
import json

import pytest
import safetensors.torch
import torch
from torch import nn

from nnatomy.errors import IntegrityError, SettingError
from nnatomy.models import (
    MLP,
    LogisticUnit,
    alexnet,
    densenet121,
    googlenet,
    resnet18,
    resnet34,
    to_torchvision,
    vgg11_bn,
)
from nnatomy.training.model_file import write_model
from nnatomy.training.transfer import HALF, IMAGENET, normalizer_of, take_over
from nnatomy.training.weight_source import read_start

FAMILIES = {
    "alexnet": lambda classes: alexnet(classes, stem="small", width=4, hidden=6),
    "vgg11_bn": lambda classes: vgg11_bn(classes, stem="small", width=4, hidden=6),
    "googlenet": lambda classes: googlenet(classes, stem="small", width=4),
    "resnet18": lambda classes: resnet18(classes, stem="small", width=4),
    "densenet121": lambda classes: densenet121(classes, stem="small", growth=2),
}
NEW = {
    "alexnet": {"head.6.weight", "head.6.bias"},
    "vgg11_bn": {"head.6.weight", "head.6.bias"},
    "googlenet": {
        *("head.1.weight", "head.1.bias"),
        *(f"auxiliary.inception4{i}.fc2.{kind}" for i in "ad" for kind in ("weight", "bias")),
    },
    "resnet18": {"head.weight", "head.bias"},
    "densenet121": {"head.weight", "head.bias"},
}


def drawn(build, classes, seed):
    """A network whose running averages have left their start."""
    torch.manual_seed(seed)
    network = build(classes)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.running_var.uniform_(0.5, 2.0)
            module.num_batches_tracked.fill_(7)
    return network


def written(path, tensors):
    safetensors.torch.save_file({k: v.contiguous() for k, v in tensors.items()}, path)
    return path


@pytest.fixture
def resnet_file(tmp_path):
    before = drawn(FAMILIES["resnet18"], 5, 1)
    return written(tmp_path / "resnet.safetensors", to_torchvision(before))


@pytest.mark.parametrize("family", FAMILIES)
def test_files_in_torchvisions_format_fit_every_family(family, tmp_path):
    before = drawn(FAMILIES[family], 7, 1)
    path = written(tmp_path / "weights.safetensors", to_torchvision(before))
    network = drawn(FAMILIES[family], 3, 2)
    drawn_anew = {name: value.clone() for name, value in network.state_dict().items()}
    taken = take_over(network, read_start(path), ("a", "b", "c"))
    assert set(taken.new) == NEW[family]
    for name, value in network.state_dict().items():
        source = drawn_anew if name in taken.new else before.state_dict()
        assert torch.equal(value, source[name]), name
    assert taken.tensors == (len(drawn_anew) - len(taken.new), len(drawn_anew))
    assert taken.reasons == ("answers other classes",)
    assert taken.start.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_densenets_older_names(tmp_path):
    before = drawn(FAMILIES["densenet121"], 3, 1)
    names = {}
    for name, value in to_torchvision(before).items():
        older = name
        for kind in ("norm", "conv"):
            for number in "12":
                if "denselayer" in name:
                    older = older.replace(f".{kind}{number}.", f".{kind}.{number}.")
        if not name.endswith("num_batches_tracked"):
            names[older] = value
    assert "features.denseblock1.denselayer1.norm.1.weight" in names
    network = drawn(FAMILIES["densenet121"], 3, 2)
    take_over(network, read_start(written(tmp_path / "old.safetensors", names)), (0, 1, 2))
    for name, value in before.features.state_dict().items():
        if not name.endswith("num_batches_tracked"):
            assert torch.equal(network.features.state_dict()[name], value)


def test_a_googlenet_without_auxiliary_heads_leaves_them(tmp_path):
    before = drawn(FAMILIES["googlenet"], 3, 1)
    path = written(tmp_path / "weights.safetensors", to_torchvision(before))
    network = googlenet(3, stem="small", width=4, auxiliary=False)
    assert set(take_over(network, read_start(path), (0, 1, 2)).new) == {
        "head.1.weight",
        "head.1.bias",
    }


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32_and_that_is_said(dtype, tmp_path):
    before = drawn(FAMILIES["resnet18"], 3, 1)
    other = {
        name: value.to(dtype) if value.is_floating_point() else value
        for name, value in to_torchvision(before).items()
    }
    network = drawn(FAMILIES["resnet18"], 3, 2)
    taken = take_over(network, read_start(written(tmp_path / "w.safetensors", other)), (0, 1, 2))
    said = str(dtype).removeprefix("torch.")
    assert taken.to_json()["converted"] == said
    assert taken.line().endswith(f"{said} became float32")
    weight = network.features.layer1[0].conv1.weight
    assert weight.dtype == torch.float32
    assert torch.equal(weight, before.features.layer1[0].conv1.weight.to(dtype).float())


def test_the_line_says_what_was_taken_what_not_and_why(resnet_file):
    network = drawn(FAMILIES["resnet18"], 3, 2)
    taken = take_over(network, read_start(resnet_file), (0, 1, 2))
    count = sum(p.numel() for p in network.features.parameters())
    assert taken.line() == (
        f"starting from {resnet_file} (sha256 {taken.start.sha256[:12]}): 120 of 122 tensors, "
        f"{count:,} of {count + 99:,} weights taken over; new: head.weight, head.bias (answers "
        "other classes)"
    )


# -- what does not fit


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: resnet18(3, stem="imagenet", width=4), "'features.conv1.weight' is 4×3×3×3 there "
         "and 4×3×7×7 here. Set stem=small."),
        (lambda: resnet18(3, 1, stem="small", width=4), "Read the images with 3 channels"),
        (lambda: resnet18(3, stem="small", width=8), "Set width to that of the file"),
        (lambda: resnet34(3, stem="small", width=4), "it has no 'features.layer1.2.conv1.weight'. "
         "Name the network that the file is of."),
        (lambda: vgg11_bn(3, stem="small", width=4), "it has no 'features.0.weight'"),
        (lambda: MLP(4, 3), "torchvision has no network like MLP"),
    ],
)  # fmt: skip
def test_another_network_gets_one_error_that_names_the_setting(build, words, resnet_file):
    network = build()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    with pytest.raises(SettingError) as caught:
        take_over(network, read_start(resnet_file), (0, 1, 2))
    assert words in str(caught.value)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), "nothing is taken over by half"


def test_a_count_of_batches_of_another_shape(tmp_path):
    network = FAMILIES["resnet18"](3)
    tensors = to_torchvision(network) | {"bn1.num_batches_tracked": torch.zeros(3).long()}
    path = written(tmp_path / "odd.safetensors", tensors)
    with pytest.raises(SettingError, match=r"num_batches_tracked' is 3 there and a number here"):
        take_over(network, read_start(path), (0, 1, 2))


def test_more_layers_than_the_network_has(tmp_path):
    larger = resnet34(3, stem="small", width=4)
    path = written(tmp_path / "resnet34.safetensors", to_torchvision(larger))
    with pytest.raises(
        SettingError, match=r"it has 'features\.layer1\.2\.\S+', which this network"
    ):
        take_over(FAMILIES["resnet18"](3), read_start(path), (0, 1, 2))


def test_numbers_that_are_not_finite_and_no_floats(tmp_path):
    tensors = to_torchvision(drawn(FAMILIES["resnet18"], 3, 1))
    tensors["layer1.0.conv1.weight"] = tensors["layer1.0.conv1.weight"].clone()
    tensors["layer1.0.conv1.weight"][0, 0, 0, 0] = float("nan")
    with pytest.raises(IntegrityError, match=r"'layer1.0.conv1.weight' holds values that are not"):
        read_start(written(tmp_path / "nan.safetensors", tensors))
    tensors["layer1.0.conv1.weight"] = torch.zeros(4, 4, 3, 3, dtype=torch.int64)
    with pytest.raises(IntegrityError, match="holds int64, weights are floats"):
        read_start(written(tmp_path / "int.safetensors", tensors))
    tensors = to_torchvision(drawn(FAMILIES["resnet18"], 3, 1))
    tensors["bn1.running_var"] = -torch.ones(4)
    with pytest.raises(IntegrityError, match=r"'bn1.running_var' holds variances below 0"):
        read_start(written(tmp_path / "below.safetensors", tensors))


def test_a_file_that_is_cut_short_or_is_something_else(resnet_file, tmp_path):
    data = resnet_file.read_bytes()
    for length in (0, 5, 9, 100, len(data) // 2, len(data) - 1):
        path = tmp_path / f"{length}.safetensors"
        path.write_bytes(data[:length])
        with pytest.raises(IntegrityError, match=str(path)):
            read_start(path)
    path = tmp_path / "text.safetensors"
    path.write_text("weights, weights and no header" * 10)
    with pytest.raises(IntegrityError, match="neither a model"):
        read_start(path)


def test_pytorchs_own_files_are_refused_with_the_way_out(tmp_path):
    for legacy in (False, True):
        path = tmp_path / f"weights{legacy}.pth"
        torch.save({"fc.weight": torch.ones(2)}, path, _use_new_zipfile_serialization=not legacy)
        with pytest.raises(SettingError, match="nnatomy import-weights"):
            read_start(path)


def test_what_is_not_there(tmp_path):
    with pytest.raises(SettingError, match="no such run folder or file"):
        read_start(tmp_path / "gone")
    with pytest.raises(SettingError, match="name the folder of a finished run"):
        read_start(tmp_path)


# -- models of our own


def model_file(path, network, name, shape, classes, settings=None):
    facts = {
        "network": name,
        "network_settings": settings or {},
        "input_shape": list(shape),
        "codec": {"format": "table", "task": {"classes": list(classes)}},
    }
    write_model(path, dict(network.state_dict()), facts)
    return read_start(path)


def test_the_head_is_kept_where_the_classes_agree(tmp_path):
    before = MLP(4, 3, hidden=(5,))
    start = model_file(tmp_path / "a.nnatomy", before, "mlp", (4,), ("x", "y", "z"))
    for classes, kept in ((("x", "y", "z"), True), (("x", "z", "y"), False), ((), False)):
        network = MLP(4, 3, hidden=(5,))
        taken = take_over(network, start, classes)
        assert torch.equal(network.head.weight, before.head.weight) == kept
        assert torch.equal(network.features[0].weight, before.features[0].weight)
        assert ("the classes are the same" in taken.line()) == kept
        assert ("answers other classes" in taken.line()) == (bool(classes) and not kept)
        assert ("the last layer of a regression" in taken.line()) == (not classes)


def test_another_width_of_an_own_model_names_its_settings(tmp_path):
    start = model_file(
        tmp_path / "a.nnatomy", MLP(4, 3, hidden=(5,)), "mlp", (4,), "xyz", {"hidden": [5]}
    )
    with pytest.raises(SettingError) as caught:
        take_over(MLP(4, 3, hidden=(6,)), start, ("x", "y", "z"))
    assert "'features.0.weight' is 5×4 there and 6×4 here" in str(caught.value)
    assert "It holds network mlp for inputs of 4 with hidden=[5]" in str(caught.value)


def test_a_head_alone_has_nothing_to_give_to_other_classes(tmp_path):
    before = LogisticUnit(4, 3)
    start = model_file(tmp_path / "a.nnatomy", before, "logistic", (4,), "xyz")
    with pytest.raises(SettingError, match="nothing can be taken over"):
        take_over(LogisticUnit(4, 3), start, ("a", "b", "c"))
    network = LogisticUnit(4, 3)
    take_over(network, start, tuple("xyz"))
    assert torch.equal(network.head.weight, before.head.weight)


def test_a_model_that_does_not_say_what_it_is(tmp_path):
    write_model(tmp_path / "a.nnatomy", dict(MLP(4, 3).state_dict()), {"network": "mlp"})
    with pytest.raises(IntegrityError, match="does not say what network"):
        read_start(tmp_path / "a.nnatomy")


def test_a_changed_byte_in_an_own_model_is_seen(tmp_path):
    model_file(tmp_path / "a.nnatomy", MLP(4, 3), "mlp", (4,), "xyz")
    data = bytearray((tmp_path / "a.nnatomy").read_bytes())
    data[-1] ^= 1
    (tmp_path / "a.nnatomy").write_bytes(data)
    with pytest.raises(IntegrityError, match="damaged"):
        read_start(tmp_path / "a.nnatomy")


def test_pixels_are_normalized_as_the_weights_expect(resnet_file):
    start = read_start(resnet_file)
    assert normalizer_of(start, "resnet18") is IMAGENET
    assert normalizer_of(start, "googlenet") is HALF
    pixel = torch.full((1, 1, 1, 3), 255, dtype=torch.uint8)
    expected = [(1 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    torch.testing.assert_close(IMAGENET(pixel).flatten(), torch.tensor(expected))


def test_the_record_is_json(resnet_file):
    taken = take_over(drawn(FAMILIES["resnet18"], 3, 2), read_start(resnet_file), (0, 1, 2))
    values = json.loads(json.dumps(taken.to_json()))
    assert values["from"] == str(resnet_file)
    assert values["format"] == "torchvision"
    assert values["network"] is None
