from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

from nnatomy.data import toy

TOYS = [toy.xor, toy.spirals, toy.circles, toy.moons, toy.blobs]


@pytest.mark.parametrize("make", TOYS)
def test_points_with_labels_from_a_seed(make):
    frame = make(90, seed=3)
    assert list(frame.columns) == ["x1", "x2", "label"]
    assert len(frame) == 90
    assert frame["label"].dtype == np.int64
    assert frame["label"].value_counts().min() >= 25
    assert frame.equals(make(90, seed=3))
    assert not frame.equals(make(90, seed=4))
    assert frame["label"].iloc[:30].nunique() > 1  # shuffled


def test_xor_is_the_sign_of_the_product():
    frame = toy.xor(400, noise=0.1)
    assert ((frame["x1"] * frame["x2"] < 0) == (frame["label"] == 1)).all()


def test_spirals_without_noise_lie_on_their_arms():
    frame = toy.spirals(200, noise=0)
    radius = np.hypot(frame["x1"], frame["x2"])
    angle = np.arctan2(frame["x2"], frame["x1"])
    turned = np.cos(angle - 3 * np.pi * radius - np.pi * frame["label"])
    np.testing.assert_allclose(turned, 1, atol=1e-9)
    assert radius.between(0.1, 1).all()


@pytest.mark.parametrize("make", [toy.xor, toy.spirals, toy.circles])
def test_no_line_separates_what_neighbours_do(make):
    points, label = make()[["x1", "x2"]], make()["label"]
    assert LogisticRegression().fit(points, label).score(points, label) < 0.75
    near = KNeighborsClassifier(5).fit(points[::2], label[::2])
    assert near.score(points[1::2], label[1::2]) > 0.95
