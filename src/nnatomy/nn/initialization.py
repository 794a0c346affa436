"""Where weights start: the schemes of the lecture by name."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from nnatomy.errors import SettingError, nearest


def _lecun_normal(weight: Tensor) -> Tensor:
    """N(0, 1/n_in). Source: LeCun et al. 1998, Efficient BackProp, 4.6."""
    fan_in = weight[0].numel()
    return nn.init.normal_(weight, 0.0, fan_in**-0.5)


def _lecun_uniform(weight: Tensor) -> Tensor:
    """U(-sqrt(3/n_in), sqrt(3/n_in)): the variance of `_lecun_normal`."""
    bound = (3.0 / weight[0].numel()) ** 0.5
    return nn.init.uniform_(weight, -bound, bound)


INITIALIZATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "zeros": nn.init.zeros_,
    "constant": partial(nn.init.constant_, val=0.1),
    "normal": partial(nn.init.normal_, std=0.01),
    "uniform": partial(nn.init.uniform_, a=-0.05, b=0.05),
    "lecun_normal": _lecun_normal,
    "lecun_uniform": _lecun_uniform,
    "xavier_normal": nn.init.xavier_normal_,
    "xavier_uniform": nn.init.xavier_uniform_,
    "he_normal": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
    "he_uniform": partial(nn.init.kaiming_uniform_, nonlinearity="relu"),
    "orthogonal": nn.init.orthogonal_,
    # What the lecture calls Xavier's, considering the forward path only, is LeCun's.
    "xavier_forward_normal": _lecun_normal,
    "xavier_forward_uniform": _lecun_uniform,
    "lecun": _lecun_normal,
    "xavier": nn.init.xavier_normal_,
    "he": partial(nn.init.kaiming_normal_, nonlinearity="relu"),
}

FORMULAS: dict[str, str] = {
    "default": "U(-1/sqrt(n_in), 1/sqrt(n_in)), biases too (PyTorch's)",
    "zeros": "0",
    "constant": "0.1",
    "normal": "N(0, 0.01²)",
    "uniform": "U(-0.05, 0.05)",
    "lecun_normal": "N(0, 1/n_in)",
    "lecun_uniform": "U(-sqrt(3/n_in), sqrt(3/n_in))",
    "xavier_normal": "N(0, 2/(n_in + n_out))",
    "xavier_uniform": "U(-sqrt(6/(n_in + n_out)), sqrt(6/(n_in + n_out)))",
    "he_normal": "N(0, 2/n_in)",
    "he_uniform": "U(-sqrt(6/n_in), sqrt(6/n_in))",
    "orthogonal": "rows or columns of length 1 at right angles",
    "xavier_forward_normal": "N(0, 1/n_in), as lecun_normal",
    "xavier_forward_uniform": "U(-sqrt(3/n_in), sqrt(3/n_in)), as lecun_uniform",
    "lecun": "lecun_normal",
    "xavier": "xavier_normal",
    "he": "he_normal",
}
"""How each scheme draws a weight of a layer with n_in inputs and n_out outputs."""


def check_initialization(scheme: str) -> None:
    """Refuse an unknown scheme.

    Raises:
        SettingError: The name is unknown.
    """
    if scheme != "default" and scheme not in INITIALIZATIONS:
        hint = nearest(scheme, [*INITIALIZATIONS, "default"])
        raise SettingError(f"initialization '{scheme}' is unknown: {hint}")


@torch.no_grad()
def initialize(network: nn.Module, scheme: str) -> None:
    """Draw the weights of dense and convolutional layers anew and set their biases to zero.

    Args:
        network: Changed in place.
        scheme: A name of INITIALIZATIONS, or "default" to keep PyTorch's own
            (uniform within ±1/sqrt(n_in), weights and biases).

    Raises:
        SettingError: The name is unknown.
    """
    check_initialization(scheme)
    if scheme == "default":
        return
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            INITIALIZATIONS[scheme](module.weight)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
