"""Networks, one family a file. Each is a plain module that knows nothing of data or training."""

from nnatomy.models.catalog import CATALOG, build_network
from nnatomy.models.lenet import LeNet
from nnatomy.models.mlp import MLP
from nnatomy.models.perceptron import LogisticUnit, Perceptron
from nnatomy.models.summary import count_multiplications, count_parameters, summarize

perceptron = Perceptron
logistic = LogisticUnit
mlp = MLP
lenet = LeNet

__all__ = [
    "CATALOG",
    "MLP",
    "LeNet",
    "LogisticUnit",
    "Perceptron",
    "build_network",
    "count_multiplications",
    "count_parameters",
    "lenet",
    "logistic",
    "mlp",
    "perceptron",
    "summarize",
]
