"""The facts of networks against counts made by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from nnatomy import models
from nnatomy.models.lenet import LeNet
from nnatomy.models.mlp import MLP
from nnatomy.models.summary import count_multiplications, count_parameters, summarize


def test_mlp_by_hand() -> None:
    rows = summarize(MLP((64,), 10), (64,))
    assert [(r.name, r.layer, r.output, r.parameters, r.multiplications) for r in rows] == [
        ("features.0", "Linear(64 → 100)", (100,), 64 * 100 + 100, 6400),
        ("features.1", "ReLU", (100,), 0, 0),
        ("head", "Linear(100 → 10)", (10,), 100 * 10 + 10, 1000),
    ]
    assert count_parameters(MLP((64,), 10)) == 7510


def test_residual_sums_are_listed_after_what_they_go_around() -> None:
    network = MLP((4,), 2, hidden=(3, 3), residual=True)
    rows = summarize(network, (4,))
    assert [(r.name, r.layer, r.parameters, r.multiplications) for r in rows] == [
        ("features.0", "Linear(4 → 3)", 15, 12),
        ("features.1", "ReLU", 0, 0),
        ("features.2.branch.0", "Linear(3 → 3)", 12, 9),
        ("features.2.branch.1", "ReLU", 0, 0),
        ("features.2", "Residual", 0, 0),
        ("head", "Linear(3 → 2)", 8, 6),
    ]
    assert all(row.formula for row in rows)


def test_lenet_by_hand() -> None:
    rows = summarize(LeNet((1, 28, 28), 10), (1, 28, 28))
    facts = {r.name: (r.layer, r.output, r.parameters, r.multiplications) for r in rows}
    assert facts == {
        "features.0.0": ("Conv2d(1 → 32, 3×3)", (32, 28, 28), 288, 288 * 784),
        "features.0.1": ("BatchNorm2d(32)", (32, 28, 28), 64, 32 * 784),
        "features.0.2": ("ReLU", (32, 28, 28), 0, 0),
        "features.0.3": ("MaxPool2d", (32, 14, 14), 0, 0),
        "features.1.0": ("Conv2d(32 → 64, 3×3)", (64, 14, 14), 18432, 18432 * 196),
        "features.1.1": ("BatchNorm2d(64)", (64, 14, 14), 128, 64 * 196),
        "features.1.2": ("ReLU", (64, 14, 14), 0, 0),
        "features.1.3": ("MaxPool2d", (64, 7, 7), 0, 0),
        "pool": ("AdaptiveAvgPool2d", (64, 4, 4), 0, 0),
        "head.0": ("Flatten", (1024,), 0, 0),
        "head.1": ("Dropout", (1024,), 0, 0),
        "head.2": ("Linear(1024 → 128)", (128,), 131200, 131072),
        "head.3": ("ReLU", (128,), 0, 0),
        "head.4": ("Dropout", (128,), 0, 0),
        "head.5": ("Linear(128 → 10)", (10,), 1290, 1280),
    }


def test_stride_and_groups() -> None:
    network = nn.Sequential(nn.Conv2d(4, 8, (3, 1), stride=2, groups=2))
    (row,) = summarize(network, (4, 9, 9))
    assert row.layer == "Conv2d(4 → 8, 3×1, stride 2, 2 groups)"
    assert row.output == (8, 4, 5)
    # Each of 8 filters sees 4/2 channels through a 3×1 window.
    assert row.parameters == 8 * 2 * 3 + 8
    assert row.multiplications == 8 * 4 * 5 * 2 * 3


class Repeated(nn.Module):
    """One layer called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, inputs: Tensor) -> Tensor:
        return self.layer(self.layer(inputs))


def test_a_layer_called_twice_works_twice_and_weighs_once() -> None:
    rows = summarize(Repeated(), (4,))
    assert [(row.parameters, row.multiplications) for row in rows] == [(20, 16), (0, 16)]
    assert count_multiplications(Repeated(), (4,)) == 32


def test_frozen_parameters_are_not_counted() -> None:
    network = MLP((4,), 2, hidden=(3,))
    network.head.requires_grad_(False)
    assert count_parameters(network) == 4 * 3 + 3


def test_a_network_that_fails_is_left_as_it_was() -> None:
    network = MLP((4,), 2, hidden=(3,))
    with pytest.raises(RuntimeError):
        summarize(network, (5,))
    assert network.training
    assert all(not module._forward_hooks for module in network.modules())


def test_summary_in_double_precision() -> None:
    network = MLP((4,), 2).double()
    assert summarize(network, (4,))[-1].output == (2,)
    assert network.head.weight.dtype == torch.float64


def test_a_network_of_words_gets_whole_numbers() -> None:
    network = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(), nn.Linear(8, 2))
    rows = summarize(network, (2,))
    assert [(row.output, row.parameters) for row in rows] == [((2, 4), 36), ((8,), 0), ((2,), 18)]


PUBLISHED_FIELDS = {
    ("alexnet", "features.12"): (195, 32),  # pool5; Araujo et al. 2019, as VGG-16's 212
    ("vgg16", "features.28"): (196, 16),  # conv5_3
    ("vgg16", "features.30"): (212, 32),
    ("resnet18", "features.maxpool"): (11, 4),
    ("resnet18", "features.layer1.1.conv2"): (43, 4),  # 11 + 4 convolutions of 2 · 4
    ("resnet18", "features.layer4.1.conv2"): (435, 32),
}


@pytest.mark.parametrize(("name", "layer"), PUBLISHED_FIELDS)
def test_published_receptive_fields(name: str, layer: str) -> None:
    with torch.device("meta"):
        network = getattr(models, name)()
    rows = {row.name: row for row in summarize(network, (3, 224, 224))}
    row = rows[layer]
    assert (row.receptive_field, row.jump) == PUBLISHED_FIELDS[name, layer]
    assert list(rows.values())[-1].receptive_field is None


def test_receptive_field_is_what_a_value_depends_on() -> None:
    """Dilation, strides and branches against the gradient of one value."""

    class Branches(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first = nn.Conv2d(1, 2, 3, stride=2, padding=1)
            self.wide = nn.Conv2d(2, 2, 3, padding=2, dilation=2)
            self.narrow = nn.Conv2d(2, 2, 1)
            self.pool = nn.AvgPool2d(3, stride=1)
            self.last = nn.Identity()

        def forward(self, x: Tensor) -> Tensor:
            x = self.first(x)
            return self.last(self.pool(self.narrow(x) + self.wide(x)))

    network = Branches()
    row = summarize(network, (1, 41, 41))[-1]
    image = torch.rand(1, 1, 41, 41, requires_grad=True)
    network(image)[0, 0, 9, 9].backward()
    seen = image.grad[0, 0].nonzero()
    reach = (seen.max(0).values - seen.min(0).values + 1).tolist()
    assert reach == [row.receptive_field] * 2 == [15, 15]
    assert row.jump == 2


def test_the_longer_side_is_given_where_they_differ() -> None:
    row = summarize(nn.Sequential(nn.Conv2d(1, 1, (3, 5), stride=(1, 2))), (1, 9, 9))[0]
    assert (row.receptive_field, row.jump) == (5, 2)


@pytest.mark.parametrize("kind", [nn.MaxPool3d, nn.AvgPool3d])
def test_pooling_of_volumes_sees_its_window(kind: type[nn.Module]) -> None:
    layers = nn.Sequential(kind(3, stride=1, padding=1), kind(2))
    rows = summarize(layers, (2, 8, 8, 8))
    assert [(row.receptive_field, row.jump) for row in rows] == [(3, 1), (4, 2)]


def test_layers_of_other_kinds() -> None:
    convolution = summarize(nn.Sequential(nn.Conv1d(2, 3, 5, dilation=2)), (2, 20))[0]
    assert convolution.layer == "Conv1d(2 → 3, 5, dilation 2)"
    assert (convolution.multiplications, convolution.receptive_field) == (12 * 3 * 2 * 5, 9)
    back = summarize(nn.Sequential(nn.ConvTranspose2d(2, 3, 2, stride=2)), (2, 4, 4))[0]
    assert back.layer == "ConvTranspose2d(2 → 3, 2×2, stride 2)"
    assert back.output == (3, 8, 8)
    assert (back.multiplications, back.receptive_field) == (16 * 2 * 3 * 4, None)


def test_heads_that_prediction_does_not_use_come_last() -> None:
    rows = summarize(models.googlenet(3, 1, stem="small", width=4), (1, 32, 32))
    unused = [row for row in rows if not row.output]
    assert unused == rows[-len(unused) :]
    assert {row.name.split(".")[0] for row in unused} == {"auxiliary"}
    assert {(row.multiplications, row.formula) for row in unused} == {(0, "in training only")}
