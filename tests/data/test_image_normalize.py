from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from image_folders import noise
from nnatomy.data.image_normalize import ChannelMoments, Normalizer


@pytest.mark.parametrize("channels", [1, 3])
def test_bytes_follow_the_formula(channels):
    images = torch.from_numpy(noise(0, (4, 5, 7, channels)))
    mean, std = [0.3, 0.5, 0.1][:channels], [0.2, 0.4, 2.0][:channels]
    out = Normalizer(mean, std)(images)
    witness = (images.double() / 255 - torch.tensor(mean)) / torch.tensor(std)
    torch.testing.assert_close(out.double(), witness.permute(0, 3, 1, 2), atol=1e-6, rtol=1e-6)
    assert out.shape == (4, channels, 5, 7)
    assert out.dtype == torch.float32
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_floats_keep_their_scale_and_are_not_written_to():
    images = torch.randn(2, 3, 4, 3, generator=torch.Generator().manual_seed(0)) * 50
    before = images.clone()
    out = Normalizer([1.0, 2.0, 3.0], [2.0, 4.0, 8.0])(images)
    witness = (images - torch.tensor([1.0, 2, 3])) / torch.tensor([2.0, 4, 8])
    torch.testing.assert_close(out, witness.permute(0, 3, 1, 2))
    assert torch.equal(images, before)


def test_it_can_be_pickled():
    images = torch.from_numpy(noise(0, (2, 4, 4, 1)))
    normalizer = Normalizer([0.5], [0.25])
    again = pickle.loads(pickle.dumps(normalizer))
    assert torch.equal(again(images), normalizer(images))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=6), st.integers(0, 1000), st.booleans())
def test_moments_are_those_of_all_images_at_once(parts, seed, floats):
    images = [noise(seed + i, (n, 3, 4, 2)) for i, n in enumerate(parts)]
    if floats:
        images = [image.astype(np.float32) * 1e-3 + 1000 for image in images]
    moments = ChannelMoments(2)
    for image in images:
        moments.add(image)
    normalizer = moments.result()
    together = np.concatenate(images).astype(np.float64) / (1 if floats else 255)
    np.testing.assert_allclose(normalizer.mean, together.mean(axis=(0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(normalizer.std, together.std(axis=(0, 1, 2)), rtol=1e-9)


@pytest.mark.parametrize("value", [np.uint8(77), np.float32(0.1), np.float32(-1e6)])
def test_a_channel_without_spread_is_only_shifted(value):
    moments = ChannelMoments(1)
    for _ in range(3):
        moments.add(np.full((3, 5, 5, 1), value))
    normalizer = moments.result()
    assert normalizer.std == (1.0,)
    out = normalizer(torch.from_numpy(np.full((1, 2, 2, 1), value)))
    assert out.abs().max() < 1e-6 * max(1, abs(float(value)))


def test_large_sets_are_taken_in_parts():
    images = noise(0, (2, 700, 1100, 1))  # more pixels than one part
    moments = ChannelMoments(1)
    moments.add(images)
    np.testing.assert_allclose(moments.result().mean, [(images / 255).mean()], rtol=1e-12)
    np.testing.assert_allclose(moments.result().std, [(images / 255).std()], rtol=1e-12)
