"""The names that torchvision gives to the parameters of the same networks."""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

from nnatomy.errors import SettingError
from nnatomy.models.alexnet import AlexNet
from nnatomy.models.densenet import DenseNet
from nnatomy.models.googlenet import GoogLeNet
from nnatomy.models.resnet import ResNet
from nnatomy.models.vgg import VGG

PREFIXES: dict[type[nn.Module], dict[str, str]] = {
    AlexNet: {"features.": "features.", "head.": "classifier."},
    VGG: {"features.": "features.", "head.": "classifier."},
    GoogLeNet: {
        "features.": "",
        "head.1.": "fc.",
        "auxiliary.inception4a.": "aux1.",
        "auxiliary.inception4d.": "aux2.",
    },
    ResNet: {"features.": "", "head.": "fc."},
    DenseNet: {"features.": "features.", "head.": "classifier."},
}
"""How the names of each family begin: ours -> torchvision's."""

_LEGACY = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12]\.)")
"""DenseNet's weight files say "norm.1.weight" for "norm1.weight"."""


def _prefixes(network: nn.Module) -> dict[str, str]:
    for family, prefixes in PREFIXES.items():
        if isinstance(network, family):
            return prefixes
    raise SettingError(
        f"torchvision has no network like {type(network).__name__}: take one of "
        f"{', '.join(family.__name__ for family in PREFIXES)}"
    )


def to_torchvision(network: nn.Module) -> dict[str, Tensor]:
    """The network's tensors under torchvision's names, e.g. "fc.weight" for "head.weight".

    Args:
        network: Of a family of PREFIXES, of any stem and width. The plain networks have ResNet's
            names.

    Raises:
        SettingError: The network is of another family.

    Example:
        safetensors.torch.save_file(to_torchvision(resnet18()), "resnet18.safetensors")
    """
    prefixes = _prefixes(network)
    return {_renamed(name, prefixes): value for name, value in network.state_dict().items()}


def from_torchvision(network: nn.Module, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """torchvision's tensors under the network's names, for `load_state_dict`.

    A name that belongs to no part of the network is kept, so that a strict load tells it. The
    weights that torchvision offers for GoogLeNet expect images scaled to mean 0.5 and spread 0.5,
    its others images normalized by the channel means and spreads of ImageNet.

    Args:
        network: The one that shall be loaded; a GoogLeNet without auxiliary heads gets no weights
            for them.
        state: As in torchvision's weight files, DenseNet's older names included.

    Raises:
        SettingError: The network is of another family.

    Example:
        network.load_state_dict(from_torchvision(network, load_file("resnet18.safetensors")))
    """
    theirs = {their: our for our, their in _prefixes(network).items()}
    own = {_LEGACY.sub(r"\1\2", name): value for name, value in state.items()}
    renamed = {_renamed(name, theirs): value for name, value in own.items()}
    if isinstance(network, GoogLeNet) and not network.auxiliary:
        renamed = {k: v for k, v in renamed.items() if not k.startswith("auxiliary.")}
    return renamed


def _renamed(name: str, prefixes: Mapping[str, str]) -> str:
    """The name with the longest prefix that it has replaced; prefixes may be empty."""
    fitting = [prefix for prefix in prefixes if name.startswith(prefix)]
    if not fitting:
        return name
    prefix = max(fitting, key=len)
    return prefixes[prefix] + name.removeprefix(prefix)
