"""The multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from nnatomy.errors import SettingError
from nnatomy.models.shape import values_in
from nnatomy.nn.activations import build_activation
from nnatomy.nn.initialization import initialize
from nnatomy.nn.residual import Residual


class MLP(nn.Module):
    """Layers of neurons, each fed by all neurons of the one before.

    h_0 = x;  h_l = g(b_l + W_l h_{l-1});  y = b + W h_L
    Source: Rumelhart, Hinton, Williams 1986, Nature 323.

    In its residual form h_l = h_{l-1} + g(b_l + W_l h_{l-1}) for every hidden layer that has as
    many units as inputs; all others stay as they are. The same weights, and a way for the gradient
    around each such layer. Source: He, Zhang, Ren, Sun 2016, Deep residual learning for image
    recognition, eq. 1, whose blocks have two weight layers or more, and add before the last
    activation; here a block is one layer, and nothing comes after the sum.

    Args:
        input_shape: Number of input values d, or the shape of an image, which is flattened.
        outputs: Number of output units K (pre-activations: the loss applies softmax or sigmoid).
        hidden: Width of each hidden layer.
        activation: Name of g, see nnatomy.nn.activations.
        dropout: Probability with which a hidden unit is silenced in training.
        batch_norm: Normalize each pre-activation over the batch (Ioffe and Szegedy 2015).
        init: How weights start, see nnatomy.nn.initialization.
        residual: Add its inputs to what each hidden layer of their width makes of them;
            normalization and dropout belong to what is added to them.

    Shape: (B, *input_shape) -> (B, K).

    Raises:
        SettingError: A width is not positive, dropout is outside [0, 1), a name is unknown, or
            the network shall be residual and no hidden layer is as wide as its inputs.
    """

    def __init__(
        self,
        input_shape: int | Sequence[int],
        outputs: int,
        *,
        hidden: Sequence[int] = (100,),
        activation: str = "relu",
        dropout: float = 0.0,
        batch_norm: bool = False,
        init: str = "default",
        residual: bool = False,
    ) -> None:
        super().__init__()
        if any(width < 1 for width in hidden):
            raise SettingError(f"hidden: every width must be at least 1, got {tuple(hidden)}")
        if not 0.0 <= dropout < 1.0:
            raise SettingError(f"dropout must be at least 0 and below 1, got {dropout}")
        flat = isinstance(input_shape, int) or len(input_shape) == 1
        layers: list[nn.Module] = [] if flat else [nn.Flatten()]
        widths = [values_in(input_shape), *hidden]
        if residual:
            _check_shortcuts(widths)
        for width, next_width in pairwise(widths):
            parts: list[nn.Module] = [nn.Linear(width, next_width)]
            if batch_norm:
                parts.append(nn.BatchNorm1d(next_width))
            parts.append(build_activation(activation))
            if dropout:
                parts.append(nn.Dropout(dropout))
            shortcut = residual and width == next_width
            layers += [Residual(nn.Sequential(*parts))] if shortcut else parts
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1], outputs)
        initialize(self, init)

    def forward(self, inputs: Tensor) -> Tensor:
        """Pre-activations of the output units."""
        outputs: Tensor = self.head(self.features(inputs))
        return outputs


def _check_shortcuts(widths: Sequence[int]) -> None:
    """Refuse a setting that would change nothing: somebody would compare a network with itself."""
    if not any(width == next_width for width, next_width in pairwise(widths)):
        hidden = ", ".join(map(str, widths[1:])) or "none"
        raise SettingError(
            f"residual needs a hidden layer as wide as its inputs, and of hidden layers {hidden} "
            f"after {widths[0]} inputs there is none: give two successive ones the same width, or "
            "leave residual out"
        )
