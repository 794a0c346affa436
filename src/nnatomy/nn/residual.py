"""The identity shortcut around layers."""

from __future__ import annotations

from torch import Tensor, nn


class Residual(nn.Module):
    """y = x + f(x): what layers compute is added to what they were given.

    ∂y/∂x = 1 + f'(x), so that a gradient passes even where the layers let none through.
    Source: He, Zhang, Ren, Sun 2016, Deep residual learning for image recognition, eq. 1.

    Args:
        branch: f, whose outputs have the shape of its inputs.

    Shape: (B, ...) -> (B, ...).
    """

    def __init__(self, branch: nn.Module) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, inputs: Tensor) -> Tensor:
        """The inputs and what the branch makes of them, added."""
        outputs: Tensor = inputs + self.branch(inputs)
        return outputs
