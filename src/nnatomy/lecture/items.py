"""What the lecture's items are called; read without loading anything that computes."""

from __future__ import annotations

from collections.abc import Iterable

from nnatomy.errors import SettingError, nearest

ITEMS: dict[str, str] = {
    "O1": "Perceptron: one neuron, what it learns and what it cannot",
    "O2": "Activation functions and their derivatives",
    "O3": "Losses and cost",
    "O4": "Gradient descent and the step size",
    "O5": "XOR by hand",
    "O6": "Multi-layer perceptron: capacity and boundary",
    "O7": "Back-propagation, a worked example",
    "O8": "Training: updates and stop rules",
    "O9": "Deep networks",
    "O10": "Transfer: layers of a trained network taken over",
    "O12": "Vanishing gradients",
    "O13": "Layer-wise pre-training",
    "O14": "ReLU as the remedy",
    "O15": "Overfitting",
    "O16": "Dropout as the remedy",
    "C1": "Images as tensors",
    "C2": "Convolution, a worked example",
    "C3": "Stride, padding, and the size of the map",
    "C4": "Activation of a feature map",
    "C5": "Max and average pooling",
    "C6": "Flattening",
    "C7": "AlexNet",
    "C8": "VGG",
    "C9": "GoogLeNet: its table, line by line",
    "C10": "Residual networks, and plain ones of the same depth",
    "C11": "Densely connected networks",
    "P1": "Weight initialization: zeros, random, He",
    "P2": "Xavier's initialization",
    "P3": "He's initialization",
    "P4": "Variants of gradient descent",
    "P5": "Regularization: L1 and L2",
    "P6": "Batch normalization",
    "P7": "Image augmentation",
}
PARTS = {
    "O": "Overview: perceptron, MLP, deep networks",
    "C": "Convolutional networks",
    "P": "Practical techniques",
}


def chosen_items(wanted: Iterable[str]) -> list[str]:
    """The items of these names, in the lecture's order; all of them where none is named.

    Args:
        wanted: Items such as "O7", or parts such as "P"; capitals do not matter.

    Raises:
        SettingError: A name is neither.
    """
    names = [name.upper() for name in wanted]
    for name in names:
        if name not in ITEMS and name not in PARTS:
            hint = nearest(name, [*ITEMS, *PARTS])
            raise SettingError(f"the lecture has no item '{name}': {hint}")
    if not names:
        return list(ITEMS)
    return [item for item in ITEMS if item in names or item[0] in names]
