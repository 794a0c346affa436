"""The multi-layer perceptron."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nnatomy.errors import SettingError
from nnatomy.models.shape import values_in
from nnatomy.nn.activations import build_activation
from nnatomy.nn.initialization import initialize


class MLP(nn.Module):
    """Layers of neurons, each fed by all neurons of the one before.

    h_0 = x;  h_l = g(b_l + W_l h_{l-1});  y = b + W h_L
    Source: Rumelhart, Hinton, Williams 1986, Nature 323.

    Args:
        input_shape: Number of input values d, or the shape of an image, which is flattened.
        outputs: Number of output units K (pre-activations: the loss applies softmax or sigmoid).
        hidden: Width of each hidden layer.
        activation: Name of g, see nnatomy.nn.activations.
        dropout: Probability with which a hidden unit is silenced in training.
        batch_norm: Normalize each pre-activation over the batch (Ioffe and Szegedy 2015).
        init: How weights start, see nnatomy.nn.initialization.

    Shape: (B, *input_shape) -> (B, K).

    Raises:
        SettingError: A width is not positive, dropout is outside [0, 1), a name is unknown.
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
    ) -> None:
        super().__init__()
        if any(width < 1 for width in hidden):
            raise SettingError(f"hidden: every width must be at least 1, got {tuple(hidden)}")
        if not 0.0 <= dropout < 1.0:
            raise SettingError(f"dropout must be at least 0 and below 1, got {dropout}")
        flat = isinstance(input_shape, int) or len(input_shape) == 1
        layers: list[nn.Module] = [] if flat else [nn.Flatten()]
        width = values_in(input_shape)
        for next_width in hidden:
            layers.append(nn.Linear(width, next_width))
            if batch_norm:
                layers.append(nn.BatchNorm1d(next_width))
            layers.append(build_activation(activation))
            if dropout:
                layers.append(nn.Dropout(dropout))
            width = next_width
        self.features = nn.Sequential(*layers)
        self.head = nn.Linear(width, outputs)
        initialize(self, init)

    def forward(self, inputs: Tensor) -> Tensor:
        """Pre-activations of the output units."""
        outputs: Tensor = self.head(self.features(inputs))
        return outputs
