"""The experiment behind each item of the lecture."""

from __future__ import annotations

from collections.abc import Callable

import torch

from nnatomy.lecture.augmentation import augmentation
from nnatomy.lecture.back_propagation import back_propagation
from nnatomy.lecture.batch_norm import batch_norm
from nnatomy.lecture.capacity import capacity
from nnatomy.lecture.circles import three_initializations
from nnatomy.lecture.classic_networks import alexnet, vgg
from nnatomy.lecture.convolution import convolution, sizes
from nnatomy.lecture.dense_connections import dense_connections
from nnatomy.lecture.depth import relu_remedy, vanishing_gradients
from nnatomy.lecture.descent import step_size
from nnatomy.lecture.dropout import dropout, overfitting
from nnatomy.lecture.experiment import Experiment
from nnatomy.lecture.feature_maps import flatten, pooling, relu_of_a_map
from nnatomy.lecture.googlenet_table import googlenet
from nnatomy.lecture.images import image_tensors
from nnatomy.lecture.optimizers import optimizers
from nnatomy.lecture.penalties import penalties
from nnatomy.lecture.perceptron import perceptron
from nnatomy.lecture.pretraining import layerwise
from nnatomy.lecture.residual import residual
from nnatomy.lecture.schemes import he, xavier
from nnatomy.lecture.stop_rules import deep_networks, stop_rules
from nnatomy.lecture.transfer import transfer
from nnatomy.lecture.units import activations, losses
from nnatomy.lecture.xor import xor

EXPERIMENTS: dict[str, Callable[[], Experiment]] = {
    "O1": perceptron,
    "O2": activations,
    "O3": losses,
    "O4": step_size,
    "O5": xor,
    "O6": capacity,
    "O7": back_propagation,
    "O8": stop_rules,
    "O9": deep_networks,
    "O10": transfer,
    "O12": vanishing_gradients,
    "O13": layerwise,
    "O14": relu_remedy,
    "O15": overfitting,
    "O16": dropout,
    "C1": image_tensors,
    "C2": convolution,
    "C3": sizes,
    "C4": relu_of_a_map,
    "C5": pooling,
    "C6": flatten,
    "C7": alexnet,
    "C8": vgg,
    "C9": googlenet,
    "C10": residual,
    "C11": dense_connections,
    "P1": three_initializations,
    "P2": xavier,
    "P3": he,
    "P4": optimizers,
    "P5": penalties,
    "P6": batch_norm,
    "P7": augmentation,
}


def run_item(item: str) -> Experiment:
    """The experiment of an item; the random state of the caller is left alone."""
    with torch.random.fork_rng(devices=[]):
        return EXPERIMENTS[item]()
