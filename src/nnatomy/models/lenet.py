"""A small convolutional network in the manner of LeNet."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from torch import Tensor, nn

from nnatomy.errors import SettingError
from nnatomy.nn.activations import build_activation
from nnatomy.nn.initialization import initialize


def convolution_stage(inputs: int, outputs: int, kernel: int, activation: str) -> nn.Sequential:
    """Convolution, batch normalization, activation, 2×2 max pooling.

    Shape: (B, inputs, H, W) -> (B, outputs, ceil(H/2), ceil(W/2)).
    """
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        build_activation(activation),
        nn.MaxPool2d(2, ceil_mode=True),
    )


class LeNet(nn.Module):
    """Convolution stages, then dense layers: LeNet-5's plan with today's parts.

    Differs from LeCun et al. 1998 (Gradient-based learning applied to document recognition, II.B)
    in batch normalization, ReLU, max pooling, zero padding and dropout. Maps larger than 4×4 are
    averaged down to 4×4 before the dense layers, so that large images cost no huge layer.

    Args:
        input_shape: (channels, height, width) of the images.
        outputs: Number of output units K.
        channels: Filters of each convolution stage.
        kernel: Width of the (square) filters; odd.
        hidden: Width of the dense layer.
        activation: See nnatomy.nn.activations.
        dropout: Probability of silencing a unit before each dense layer in training.
        init: See nnatomy.nn.initialization.

    Shape: (B, *input_shape) -> (B, K).

    Raises:
        SettingError: A width is not positive, the kernel is even, dropout is outside [0, 1).
    """

    def __init__(
        self,
        input_shape: Sequence[int],
        outputs: int,
        *,
        channels: Sequence[int] = (32, 64),
        kernel: int = 3,
        hidden: int = 128,
        activation: str = "relu",
        dropout: float = 0.25,
        init: str = "default",
    ) -> None:
        super().__init__()
        if not channels or any(width < 1 for width in channels) or hidden < 1:
            raise SettingError(f"channels and hidden must be positive, got {channels}, {hidden}")
        if kernel < 1 or kernel % 2 == 0:
            raise SettingError(f"kernel must be odd and positive, got {kernel}")
        if not 0.0 <= dropout < 1.0:
            raise SettingError(f"dropout must be at least 0 and below 1, got {dropout}")
        widths = [input_shape[0], *channels]
        height, width = (-(-side // 2 ** len(channels)) for side in input_shape[1:])
        grid = min(height, 4), min(width, 4)
        self.features = nn.Sequential(
            *(convolution_stage(a, b, kernel, activation) for a, b in pairwise(widths))
        )
        self.pool = nn.Identity() if grid == (height, width) else nn.AdaptiveAvgPool2d(grid)
        self.head = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(dropout),
            nn.Linear(channels[-1] * grid[0] * grid[1], hidden),
            build_activation(activation),
            nn.Dropout(dropout),
            nn.Linear(hidden, outputs),
        )
        initialize(self, init)

    def forward(self, images: Tensor) -> Tensor:
        """Pre-activations of the output units."""
        maps = self.pool(self.features(images))  # B C h w
        outputs: Tensor = self.head(maps)
        return outputs
