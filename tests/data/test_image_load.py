from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from image_folders import noise
from nnatomy.data.image_decode import Framing
from nnatomy.data.image_load import as_image_array, frame_array
from nnatomy.errors import DataError


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((5, 8, 9), (5, 8, 9, 1)),
        ((5, 8, 9, 3), (5, 8, 9, 3)),
        ((5, 3, 8, 9), (5, 8, 9, 3)),
        ((5, 1, 8, 9), (5, 8, 9, 1)),
        ((5, 3, 8, 3), (5, 3, 8, 3)),
    ],
)
def test_channels_come_last(shape, expected):
    images = noise(0, shape)
    array = as_image_array(images)
    assert array.shape == expected
    assert array.dtype == np.uint8
    assert array.astype(np.int64).sum() == images.astype(np.int64).sum()
    if shape[1:2] == (3,) and expected[1] == 8:
        np.testing.assert_array_equal(array[2, 4, 5], images[2, :, 4, 5])


@pytest.mark.parametrize("shape", [(5,), (5, 8), (5, 8, 9, 4), (5, 2, 8, 9), (0, 8, 8), (1,) * 5])
def test_other_shapes_are_refused(shape):
    with pytest.raises(DataError, match=r"shape \("):
        as_image_array(np.zeros(shape))


def test_numbers_and_their_scales():
    ramp = np.arange(4).reshape(1, 2, 2)
    assert as_image_array(ramp).dtype == np.uint8
    assert as_image_array(ramp - 1).dtype == np.float32
    assert as_image_array(ramp * 100).dtype == np.float32
    assert as_image_array(ramp / 3).dtype == np.float32
    assert as_image_array(ramp > 1).ravel().tolist() == [0, 0, 255, 255]
    assert as_image_array(ramp.tolist()).dtype == np.uint8
    assert as_image_array(torch.from_numpy(ramp)).shape == (1, 2, 2, 1)
    with pytest.raises(DataError, match="not numbers"):
        as_image_array(np.array([[["a"]]]))


def test_resizing_bytes_is_pillows():
    images = noise(0, (2, 20, 20, 3))
    framed = frame_array(images, Framing((8, 8), 3))
    for image, ours in zip(images, framed, strict=True):
        theirs = Image.fromarray(image).resize((8, 8), Image.Resampling.BILINEAR)
        np.testing.assert_array_equal(ours, np.asarray(theirs))


def test_resizing_floats_is_torchs():
    images = np.random.default_rng(0).normal(0, 9, (2, 20, 20, 1)).astype(np.float32)
    framed = frame_array(images, Framing((8, 8), 1))
    theirs = torch.nn.functional.interpolate(
        torch.from_numpy(images).permute(0, 3, 1, 2), (8, 8), mode="bilinear", antialias=True
    )
    np.testing.assert_allclose(framed[..., 0], theirs[:, 0].numpy(), atol=1e-4)


def test_grey_is_pillows_luma():
    images = noise(0, (2, 6, 7, 3))
    grey = frame_array(images, Framing((6, 7), 1))
    theirs = np.stack([np.asarray(Image.fromarray(image).convert("L")) for image in images])
    assert np.abs(grey[..., 0].astype(int) - theirs).max() <= 1


def test_one_color_image_is_not_many_grey_ones() -> None:
    with pytest.raises(DataError, match=r"\(24, 20, 3\) looks like one color image"):
        as_image_array(np.zeros((24, 20, 3), np.uint8))
    assert as_image_array(np.zeros((24, 20, 3, 1), np.uint8)).shape == (24, 20, 3, 1)
    assert as_image_array(np.zeros((3, 3, 3), np.uint8)).shape == (3, 3, 3, 1)
