"""Kernels that have a name: what each makes of a picture can be seen at once.

Source: Gonzalez and Woods, Digital Image Processing, chapter 3 (sharpening, smoothing, Laplacian
and Sobel); those for vertical and horizontal change are laid on as they stand, not turned.
"""

from __future__ import annotations

import torch
from torch import Tensor

from nnatomy.errors import SettingError, nearest

_Rows = tuple[tuple[float, ...], ...]

KERNELS: dict[str, tuple[str, _Rows]] = {
    "identity": ("the picture as it is", ((0, 0, 0), (0, 1, 0), (0, 0, 0))),
    "sharpen": (
        "each pixel against its four neighbors (the lecture's)",
        ((0, -1, 0), (-1, 5, -1), (0, -1, 0)),
    ),
    "blur": ("the mean of nine pixels", ((1 / 9,) * 3,) * 3),
    "edge": ("edges of all directions", ((-1, -1, -1), (-1, 8, -1), (-1, -1, -1))),
    "sobel-x": ("vertical edges: change from left to right", ((-1, 0, 1), (-2, 0, 2), (-1, 0, 1))),
    "sobel-y": ("horizontal edges: change downwards", ((-1, -2, -1), (0, 0, 0), (1, 2, 1))),
    "emboss": ("relief, lit from the upper left", ((-2, -1, 0), (-1, 1, 1), (0, 1, 2))),
}
"""Name -> what it shows, and its rows."""


def named_kernel(name: str) -> Tensor:
    """A kernel by its name.

    Shape: -> (1, F, G), float64.

    Raises:
        SettingError: The name is unknown.

    >>> named_kernel("sharpen").tolist()
    [[[0.0, -1.0, 0.0], [-1.0, 5.0, -1.0], [0.0, -1.0, 0.0]]]
    """
    if name not in KERNELS:
        raise SettingError(f"kernel '{name}' is unknown: {nearest(name, KERNELS)}")
    return torch.tensor(KERNELS[name][1], dtype=torch.float64)[None]
