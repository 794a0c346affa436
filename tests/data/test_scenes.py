"""Pictures whose object is known: where it is, and that no pixel alone tells."""

from __future__ import annotations

import numpy as np

from nnatomy.data.scenes import SHAPES, scenes


def test_masks_boxes_and_labels_agree():
    made = scenes(40, seed=3)
    assert made.images.shape == (40, 48, 48, 3)
    assert made.images.dtype == np.uint8
    assert np.bincount(made.labels).tolist() == [10] * len(SHAPES)
    for mask, (left, top, right, bottom) in zip(made.masks, made.boxes, strict=True):
        inside = np.zeros_like(mask)
        inside[top:bottom, left:right] = True
        assert mask.sum() > 20
        assert not (mask & ~inside).any()
        assert mask[top].any()
        assert mask[bottom - 1].any()
        assert mask[:, left].any()
        assert mask[:, right - 1].any()
        assert not mask[[0, -1]].any()
    middles = made.boxes[:, :2] + made.boxes[:, 2:]
    assert middles.std(0).min() > 10, "places differ"


def test_the_seed_decides():
    assert np.array_equal(scenes(8, seed=1).images, scenes(8, seed=1).images)
    assert not np.array_equal(scenes(8, seed=1).images, scenes(8, seed=2).images)


def test_brightness_does_not_tell_object_from_ground():
    made = scenes(200)
    inside, outside = made.images[made.masks].mean(1), made.images[~made.masks].mean(1)
    assert abs(inside.mean() - outside.mean()) < 10
