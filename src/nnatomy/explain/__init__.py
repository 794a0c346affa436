"""Where a network looks: maps of what speaks for a class, and how far to trust them."""

from nnatomy.explain.class_activation import cam
from nnatomy.explain.covering import occlusion
from nnatomy.explain.curves import Curves
from nnatomy.explain.explanation import Explanation
from nnatomy.explain.methods import METHODS, explain, grad_cam
from nnatomy.explain.regions import Box, boxes, count

__all__ = [
    "METHODS",
    "Box",
    "Curves",
    "Explanation",
    "boxes",
    "cam",
    "count",
    "explain",
    "grad_cam",
    "occlusion",
]
