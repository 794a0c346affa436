"""The folded copy computes what the network computes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from nnatomy.models import MLP, LeNet
from nnatomy.models.alexnet import AlexNet
from nnatomy.models.densenet import DenseNet
from nnatomy.models.googlenet import GoogLeNet
from nnatomy.models.resnet import resnet18, resnet50
from nnatomy.models.vgg import vgg11_bn
from nnatomy.training.folding import for_inference


def trained(network: nn.Module) -> nn.Module:
    """Batch normalization as after training: no average at 0, no spread at 1."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.3)
            nn.init.normal_(module.bias)
            module.running_mean.normal_()
            module.running_var.uniform_(0.3, 3.0)
    return network.eval()


def norms(network: nn.Module) -> int:
    return sum(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in network.modules())


class Residual(nn.Module):
    """A sum, an output that is read twice, and a layer that is called twice."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.norm = nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3)
        self.shared, self.after = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)
        self.read_twice, self.last = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.norm(self.first(x))
        x = self.after(self.shared(self.shared(x)))
        y = self.read_twice(x)
        return self.last(y) + y


class Branching(nn.Module):
    """Its path depends on the data."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.norm = nn.Linear(4, 4), nn.BatchNorm1d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.layer(x)) if x.sum() > 0 else x


@pytest.mark.parametrize(
    ("build", "shape", "left"),
    [
        (lambda: MLP(5, 3, hidden=(8, 8), batch_norm=True), (5,), 0),
        (lambda: MLP(5, 3, hidden=(8, 8, 8), batch_norm=True, residual=True), (5,), 0),
        (lambda: LeNet((3, 12, 12), 4), (3, 12, 12), 0),
        (Residual, (3, 6, 6), 2),  # of a layer called twice, and of an output read twice
        (Branching, (4,), 1),
        (lambda: nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2)), (4,), 1),
        (lambda: nn.Sequential(nn.Linear(4, 2), nn.ReLU()), (4,), 0),
    ],
)
def test_folding_changes_nothing_but_the_work(
    build: Callable[[], nn.Module], shape: tuple[int, ...], left: int
) -> None:
    torch.manual_seed(0)
    network = trained(build())
    before = {name: value.clone() for name, value in network.state_dict().items()}
    folded = for_inference(network)
    inputs = torch.rand(7, *shape)
    with torch.no_grad():
        torch.testing.assert_close(folded(inputs), network(inputs), atol=1e-5, rtol=1e-5)
    assert norms(folded) == left
    assert type(folded) is type(network)
    assert [n for n, _ in folded.named_modules()] == [n for n, _ in network.named_modules()]
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


FAMILIES: dict[str, tuple[Callable[[], nn.Module], int]] = {
    "alexnet": (lambda: AlexNet(5, stem="small", width=8, hidden=16), 0),
    "vgg11_bn": (lambda: vgg11_bn(5, stem="small", width=4, hidden=16), 0),
    "googlenet": (lambda: GoogLeNet(5, stem="small", width=8), 0),
    "resnet18": (lambda: resnet18(5, stem="small", width=4), 0),
    "resnet50": (lambda: resnet50(5, stem="small", width=4), 0),
    # One before the first filters of each of four layers and of the transition, and the last.
    "densenet": (lambda: DenseNet((2, 2), num_classes=5, stem="small", growth=4), 6),
}


@pytest.mark.parametrize("family", FAMILIES)
def test_the_five_families_fold(family: str) -> None:
    torch.manual_seed(0)
    build, left = FAMILIES[family]
    network = trained(build())
    folded = for_inference(network)
    images = torch.rand(3, 3, 32, 32)
    with torch.no_grad():
        expected = network(images)
        gap = (folded(images) - expected).abs().max() / expected.abs().max()
    assert gap < 1e-5
    # The auxiliary heads, which prediction does not use, stay as they are.
    used = [m for name, m in folded.named_modules() if not name.startswith("auxiliary")]
    assert sum(isinstance(m, nn.BatchNorm2d) for m in used) == left


@pytest.mark.parametrize(
    ("layer", "norm", "shape"),
    [
        (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False), (2, 3, 8, 8)),
        (nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, track_running_stats=False), (2, 3, 8, 8)),
        (nn.Linear(3, 4), nn.BatchNorm1d(4, affine=False), (2, 3)),
        (nn.Linear(3, 4), nn.BatchNorm1d(5), (2, 5, 3)),
    ],
)
def test_unusual_batch_normalization_computes_the_same(
    layer: nn.Module, norm: nn.Module, shape: tuple[int, ...]
) -> None:
    for buffer in norm.buffers():
        buffer.copy_(torch.linspace(1, 2, buffer.numel()).reshape(buffer.shape))
    network, inputs = nn.Sequential(layer, norm).eval(), torch.randn(shape)
    torch.testing.assert_close(for_inference(network)(inputs), network(inputs))
