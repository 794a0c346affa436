"""PyTorch's own files of weights become files of tensors, or are refused without being run."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import zipfile
from collections import OrderedDict

import pytest
import safetensors.torch
import torch
from safetensors import safe_open

import nnatomy
from nnatomy.cli import app
from nnatomy.errors import IntegrityError, RunError, SettingError
from nnatomy.models import googlenet, resnet18, resnet34, to_torchvision, vgg11
from nnatomy.training.transfer import take_over
from nnatomy.training.weight_source import read_start

SMALL = {"stem": "small", "width": 4}


@pytest.fixture
def weights():
    torch.manual_seed(1)
    return OrderedDict(to_torchvision(resnet18(5, **SMALL)))


@pytest.fixture
def pth(weights, tmp_path):
    path = tmp_path / "resnet.pth"
    torch.save(weights, path)
    return path


def imported(path, out="weights.safetensors", network="resnet18", settings=SMALL, **more):
    out = path.parent / out
    return nnatomy.import_weights(path, network, out=out, settings=settings, **more)


@pytest.mark.parametrize("legacy", [False, True])
def test_a_file_of_weights_becomes_a_file_of_tensors(weights, tmp_path, legacy):
    path = tmp_path / "resnet.pt"
    torch.save(weights, path, _use_new_zipfile_serialization=not legacy)
    done = imported(path)
    written = safetensors.torch.load_file(done.path)
    assert list(weights) == [name for name in weights if name in written]
    assert all(torch.equal(written[name], value) for name, value in weights.items())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with safe_open(done.path, "pt") as file:
        about = json.loads(file.metadata()["imported"])
    assert about == {"network": "resnet18", "source": "resnet.pt", "sha256": digest}
    parameters = sum(v.numel() for n, v in weights.items() if "num_batches" not in n)
    assert (done.tensors, done.parameters, done.outputs) == (122, parameters, 5)
    network = resnet18(3, **SMALL)
    assert take_over(network, read_start(done.path), "abc").new == ("head.weight", "head.bias")


@pytest.mark.parametrize("wrapper", ["state_dict", "model"])
def test_weights_among_other_things_and_of_several_devices(weights, tmp_path, wrapper):
    path = tmp_path / "training.pth"
    parallel = {f"module.{name}": value for name, value in weights.items()}
    torch.save({"epoch": 3, wrapper: parallel, "optimizer": {"lr": 0.1}}, path)
    assert imported(path).tensors == 122


def test_a_googlenet_with_its_auxiliary_heads_and_half_precision(tmp_path):
    state = to_torchvision(googlenet(4, stem="small", width=4))
    path = tmp_path / "googlenet.pth"
    torch.save({n: v.half() if v.is_floating_point() else v for n, v in state.items()}, path)
    done = imported(path, network="googlenet")
    assert done.converted == "float16"
    assert done.tensors == len(state)
    assert safetensors.torch.load_file(done.path)["fc.weight"].dtype == torch.float32


class Trap:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


@pytest.mark.parametrize("zipped", [False, True])
def test_a_file_that_would_run_code_is_refused_and_not_run(weights, tmp_path, zipped):
    mark, path = tmp_path / "it ran", tmp_path / "trap.pth"
    content = dict(weights) | {"fc.bias": Trap(mark)}
    if zipped:
        torch.save(content, path)
    else:
        path.write_bytes(pickle.dumps({"fc.bias": Trap(mark)}))
    with pytest.raises(IntegrityError) as caught:
        imported(path)
    assert not mark.exists()
    assert str(path) in str(caught.value)
    if zipped:
        assert "posix.mkdir, which is no tensor and could run code" in str(caught.value)
    assert not (tmp_path / "weights.safetensors").exists()
    pickle.loads(pickle.dumps(Trap(mark)))
    assert mark.exists(), "the trap is one: the check above could have failed"


def test_a_pickle_hidden_in_a_zip_archive_is_not_run(tmp_path):
    mark, path = tmp_path / "it ran", tmp_path / "trap.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Trap(mark)))
        archive.writestr("archive/version", "3\n")
        archive.writestr("archive/byteorder", "little")
    with pytest.raises(IntegrityError):
        imported(path)
    assert not mark.exists()


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.99])
def test_a_file_that_is_cut_short(pth, share):
    data = pth.read_bytes()
    pth.write_bytes(data[: int(share * len(data))])
    with pytest.raises(IntegrityError, match="no PyTorch file or is damaged"):
        imported(pth)
    assert [p.name for p in pth.parent.iterdir()] == ["resnet.pth"]


def changed(weights, path, **tensors):
    torch.save({**weights, **{k.replace("__", "."): v for k, v in tensors.items()}}, path)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("fc__weight", torch.ones(5, 7), "'fc.weight' is [5, 7], not [5, 32]"),
        ("layer1__0__conv1__weight", torch.ones(9, 4, 3, 3), "is 9×4×3×3 there and 4×4×3×3 here"),
        ("layer5__0__conv1__weight", torch.ones(4), "'features.layer5.0.conv1.weight', which"),
        ("bn1__weight", torch.full((4,), float("inf")), "'bn1.weight' holds values that are not"),
        ("bn1__weight", torch.ones(4, dtype=torch.int32), "holds int32, weights are floats"),
        ("bn1__weight", [1.0], "holds a list as 'bn1.weight'"),
        ("bn1__num_batches_tracked", torch.zeros(3).long(), "is 3 there and a number here"),
        ("fc__weight", torch.ones(5, 32).to_sparse(), "'fc.weight' is sparse or nested"),
        ("fc__weight", torch.ones(5, 32, device="meta"), "'fc.weight' has no numbers in it"),
        ("fc__weight", torch.ones(1).expand(10**7, 10**7), "'fc.weight' repeats the same numbers"),
    ],
)
def test_what_is_not_the_networks_is_refused_before_anything_is_written(
    weights, tmp_path, name, value, words
):
    path = tmp_path / "other.pth"
    changed(weights, path, **{name: value})
    with pytest.raises((IntegrityError, SettingError)) as caught:
        imported(path)
    assert words in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["other.pth"]


def test_tensors_that_share_memory(weights, tmp_path):
    zeros, path = torch.zeros(4), tmp_path / "shared.pth"
    shared = {"bn1.bias": zeros, "layer1.0.bn1.bias": zeros}
    torch.save({**weights, **shared}, path)
    written = safetensors.torch.load_file(imported(path).path)
    assert all(torch.equal(written[name], zeros) for name in shared)


def test_a_tensor_that_is_missing(weights, tmp_path):
    path = tmp_path / "short.pth"
    torch.save({name: value for name, value in weights.items() if name != "fc.bias"}, path)
    with pytest.raises(SettingError, match=r"it has no 'fc.bias'"):
        imported(path)


def test_another_network_and_other_settings(pth, tmp_path):
    torch.save(to_torchvision(resnet34(5, **SMALL)), tmp_path / "resnet34.pth")
    with pytest.raises(SettingError, match="which this network lacks"):
        imported(tmp_path / "resnet34.pth")
    with pytest.raises(SettingError, match="Set stem=small"):
        imported(pth, settings={"width": 4})
    with pytest.raises(SettingError, match="torchvision has no network 'mlp'"):
        imported(pth, network="mlp")
    with pytest.raises(SettingError, match="did you mean 'resnet18'"):
        imported(pth, network="resnet-18")


@pytest.mark.parametrize("build", [resnet18, vgg11])
def test_nnatomys_own_names_are_told_apart(tmp_path, build):
    path = tmp_path / "own.pth"
    torch.save(build(2, **SMALL).state_dict(), path)
    with pytest.raises(SettingError, match=r"of nnatomy's own, torchvision's are .*to_torchvision"):
        imported(path, network=build.__name__)


def test_where_the_result_goes(pth, tmp_path):
    with pytest.raises(SettingError, match=r"ends in \.safetensors"):
        imported(pth, out="weights.pth")
    with pytest.raises(SettingError, match="no such file"):
        imported(tmp_path / "gone.pth")
    with pytest.raises(RunError, match="cannot write"):
        imported(pth, out="no/such/folder.safetensors")
    imported(pth)
    with pytest.raises(SettingError, match="--overwrite"):
        imported(pth)
    imported(pth, overwrite=True)


def test_on_the_command_line(pth, monkeypatch, capsys):
    def run(*words):
        monkeypatch.setattr("sys.argv", ["nnatomy", "import-weights", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            app.main()
        return ended.value.code, *capsys.readouterr()

    monkeypatch.chdir(pth.parent)
    small = ("--set", "stem=small", "--set", "width=4")
    code, out, err = run("resnet.pth", "--network", "resnet18", "--out", "w.safetensors", *small)
    assert (code, err) == (0, "")
    named = "--network resnet18 --set stem=small --set width=4 --from w.safetensors"
    assert f"start from it: nnatomy train FOLDER {named}\n" in out
    code, out, err = run("resnet.pth", "--network", "resnet18", "--out", "w.safetensors", *small)
    assert (code, out) == (2, "")
    assert err == (
        "error: w.safetensors is there already: add --overwrite, or choose another --out\n"
    )
    code, out, _ = run(
        "resnet.pth", "--network", "resnet18", "--out", "v.safetensors", *small, "--json"
    )
    assert json.loads(out)["outputs"] == 5


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"width": "4"}, {"stem": "imagenet", "width": 4}),
        ({"width": 4, "stem": "auto"}, {"stem": "imagenet", "width": 4}),
        ({"width": 64}, {"stem": "imagenet"}),
    ],
)
def test_settings_that_a_training_has_to_name(tmp_path, given, named):
    width = int(given["width"])
    path = tmp_path / "large.pth"
    torch.save(to_torchvision(resnet18(2, stem="imagenet", width=width)), path)
    assert imported(path, settings=given).settings == named
