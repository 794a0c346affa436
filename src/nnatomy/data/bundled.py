"""Small data sets that come along: classics from scikit-learn, and toy problems."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nnatomy.data import toy
from nnatomy.data.scenes import SHAPES, scenes
from nnatomy.errors import DataError, nearest

Images = tuple[NDArray[np.uint8], NDArray[Any]]

_DIGITS = Path(__file__).parent / "files" / "digits.npz"
_DIGIT_INKS = 16  # the digits are stored with 0 (paper) to 16 (ink)


def iris() -> pd.DataFrame:
    """150 iris flowers, four lengths in cm; the column "species" has three classes."""
    return _named("load_iris", "species")


def wine() -> pd.DataFrame:
    """178 wines, 13 chemical measurements; the column "cultivar" has three classes."""
    return _named("load_wine", "cultivar")


def breast_cancer() -> pd.DataFrame:
    """569 tumors, 30 measurements of cell nuclei; "diagnosis" is malignant or benign."""
    return _named("load_breast_cancer", "diagnosis")


def diabetes() -> pd.DataFrame:
    """442 patients, ten measurements in their own units; the number "progression" after a year."""
    from sklearn.datasets import load_diabetes

    bunch = load_diabetes(as_frame=True, scaled=False)
    frame: pd.DataFrame = bunch.data
    return frame.assign(progression=bunch.target)


def digits() -> Images:
    """1,797 handwritten digits of 8 × 8 pixels with their labels 0 to 9.

    The stored inks 0 to 16 become bytes, 16 being 255: byte = round(ink · 255 / 16).
    Source: Alpaydin and Kaynak 1998, Optical Recognition of Handwritten Digits, UCI Machine
    Learning Repository (CC BY 4.0), the test part, which scikit-learn ships too.
    """
    with np.load(_DIGITS) as stored:
        pixels = np.round(stored["inks"] * (255 / _DIGIT_INKS)).astype(np.uint8)
        return pixels, stored["labels"].astype(np.int64)


def shapes() -> Images:
    """1,000 generated scenes of 48 × 48 pixels with a disc, square, cross or ring at some place."""
    made = scenes(1000)
    return made.images, np.array(SHAPES)[made.labels]


def _named(loader: str, target: str) -> pd.DataFrame:
    """Measurements beside the class names instead of the class numbers."""
    # Importing scikit-learn takes a second; who trains on other data does not pay it.
    from sklearn import datasets

    bunch = getattr(datasets, loader)(as_frame=True)
    frame: pd.DataFrame = bunch.data
    return frame.assign(**{target: np.asarray(bunch.target_names)[bunch.target].astype(object)})


_BUNDLED: dict[str, Callable[[], pd.DataFrame | Images]] = {
    "iris": iris,
    "wine": wine,
    "breast_cancer": breast_cancer,
    "diabetes": diabetes,
    "digits": digits,
    "scenes": shapes,
    "xor": toy.xor,
    "circles": toy.circles,
    "moons": toy.moons,
    "spirals": toy.spirals,
    "blobs": toy.blobs,
}


def bundled_names() -> tuple[str, ...]:
    """Names of the data sets that come along."""
    return tuple(_BUNDLED)


def describe_bundled(name: str) -> str:
    """One line on a data set that comes along: what it holds and what is to be learned.

    Args:
        name: One of `bundled_names()`.

    Raises:
        DataError: There is no such set.
    """
    return (_find(name).__doc__ or "").splitlines()[0]


def load_bundled(name: str) -> pd.DataFrame | Images:
    """A data set that comes along: a frame whose last column is the target, or (images, labels).

    Args:
        name: One of `bundled_names()`.

    Raises:
        DataError: There is no such set.
    """
    return _find(name)()


def _find(name: str) -> Callable[[], pd.DataFrame | Images]:
    if name not in _BUNDLED:
        raise DataError(f"no bundled data set {name!r}; {nearest(name, _BUNDLED)}")
    return _BUNDLED[name]
