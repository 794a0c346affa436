"""Class labels and their positions among the outputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import assert_all_finite
from sklearn.utils.multiclass import check_classification_targets, unique_labels

from nnatomy.errors import DataError


def distinct_classes(labels: NDArray[Any]) -> NDArray[Any]:
    """The labels that occur, sorted.

    Raises:
        ValueError: The labels are numbers with fractions, of several types, or not finite.
    """
    assert_all_finite(labels, input_name="y")
    check_classification_targets(labels)
    found: NDArray[Any] = np.unique(labels)
    return found


def several_classes(labels: NDArray[Any]) -> NDArray[Any]:
    """The labels that occur, sorted, where there is something to tell apart.

    Raises:
        DataError: All are the same.
        ValueError: As for `distinct_classes`.
    """
    found = distinct_classes(labels)
    if len(found) == 1:
        raise DataError(f"all records are of one class, {found[0]}: a classifier needs two or more")
    return found


def announced_classes(classes: Any, known: NDArray[Any] | None) -> NDArray[Any]:
    """The classes of a training that goes on over several calls.

    Args:
        classes: Those given with this call, or None.
        known: Those of the earlier calls, or None at the first.

    Raises:
        DataError: They are missing at the first call, or other than before.
    """
    if classes is None:
        if known is None:
            raise DataError("the first call of partial_fit needs classes: all labels to come")
        return known
    given: NDArray[Any] = unique_labels(classes)
    if known is not None and not np.array_equal(given, known):
        raise DataError(f"classes are {given.tolist()}, but were {known.tolist()} before")
    return given


def class_indices(labels: NDArray[Any], classes: NDArray[Any]) -> NDArray[np.int64]:
    """The position of each label among the sorted classes.

    Raises:
        DataError: A label is none of the classes.
    """
    strange = np.setdiff1d(labels, classes)
    if len(strange):
        raise DataError(
            f"label {strange.tolist()[0]!r} is none of the classes {classes.tolist()} to be learned"
        )
    return np.searchsorted(classes, labels).astype(np.int64)
