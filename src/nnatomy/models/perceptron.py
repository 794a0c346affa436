"""One layer of neurons: the perceptron and the logistic unit."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from nnatomy.models.shape import values_in


class Perceptron(nn.Module):
    """Neurons that look at every input directly: a = b + W x.

    The unit fires when a > 0 (Rosenblatt's step unit). Trained with the perceptron criterion it
    follows Rosenblatt's rule; its decision boundary is a hyperplane, so XOR is out of its reach.
    Source: Rosenblatt 1958, The perceptron, Psychological Review 65.

    Args:
        input_shape: Number of input values d, or the shape of an image, which is flattened.
        outputs: Number of neurons K.

    Shape: (B, *input_shape) -> pre-activations (B, K).
    """

    def __init__(self, input_shape: int | Sequence[int], outputs: int) -> None:
        super().__init__()
        self.features = nn.Flatten()
        self.head = nn.Linear(values_in(input_shape), outputs)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, inputs: Tensor) -> Tensor:
        """Pre-activations of the neurons."""
        pre_activations: Tensor = self.head(self.features(inputs))
        return pre_activations


class LogisticUnit(Perceptron):
    """The same neurons with a sigmoid (one class against the rest) or softmax output.

    p = 1 / (1 + exp(-a)); the network gives the pre-activation a, the loss applies the sigmoid.
    Trained with cross-entropy this is logistic regression.

    Args:
        input_shape: Number of input values d, or the shape of an image.
        outputs: 1 for a sigmoid unit, K for a softmax layer.
    """
