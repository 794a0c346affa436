"""Networks, one family a file. Each is a plain module that knows nothing of data or training."""

from nnatomy.models.alexnet import AlexNet
from nnatomy.models.catalog import CATALOG, build_network
from nnatomy.models.densenet import DenseNet, densenet121, densenet169, densenet201, densenet264
from nnatomy.models.googlenet import GoogLeNet
from nnatomy.models.lenet import LeNet
from nnatomy.models.mlp import MLP
from nnatomy.models.perceptron import LogisticUnit, Perceptron
from nnatomy.models.resnet import (
    ResNet,
    plain18,
    plain34,
    resnet18,
    resnet34,
    resnet50,
    resnet101,
    resnet152,
)
from nnatomy.models.summary import count_multiplications, count_parameters, summarize
from nnatomy.models.torchvision_names import from_torchvision, to_torchvision
from nnatomy.models.vgg import (
    VGG,
    vgg11,
    vgg11_bn,
    vgg13,
    vgg13_bn,
    vgg16,
    vgg16_bn,
    vgg19,
    vgg19_bn,
)

# A network that has one size only is its own builder. The names are those of their modules.
perceptron = Perceptron
logistic = LogisticUnit
mlp = MLP
lenet = LeNet
alexnet = AlexNet
googlenet = GoogLeNet

__all__ = [
    "CATALOG",
    "MLP",
    "VGG",
    "AlexNet",
    "DenseNet",
    "GoogLeNet",
    "LeNet",
    "LogisticUnit",
    "Perceptron",
    "ResNet",
    "alexnet",
    "build_network",
    "count_multiplications",
    "count_parameters",
    "densenet121",
    "densenet169",
    "densenet201",
    "densenet264",
    "from_torchvision",
    "googlenet",
    "lenet",
    "logistic",
    "mlp",
    "perceptron",
    "plain18",
    "plain34",
    "resnet18",
    "resnet34",
    "resnet50",
    "resnet101",
    "resnet152",
    "summarize",
    "to_torchvision",
    "vgg11",
    "vgg11_bn",
    "vgg13",
    "vgg13_bn",
    "vgg16",
    "vgg16_bn",
    "vgg19",
    "vgg19_bn",
]
