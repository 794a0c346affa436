"""Estimators with the scikit-learn contract."""

from nnatomy.estimators.image import ImageClassifier
from nnatomy.estimators.mlp import MLPClassifier, MLPRegressor
from nnatomy.estimators.perceptron import PerceptronClassifier

__all__ = ["ImageClassifier", "MLPClassifier", "MLPRegressor", "PerceptronClassifier"]
