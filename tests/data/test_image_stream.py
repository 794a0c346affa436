from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from image_folders import noise, write_image
from nnatomy.data.image_decode import Framing, UnreadableImageError
from nnatomy.data.image_normalize import Normalizer
from nnatomy.data.image_stream import ImageFileSamples

FRAMING = Framing((6, 5), 3)


@pytest.fixture
def files(tmp_path):
    """50 images that need no resizing, and their pixels."""
    pixels = [noise(i, (6, 5, 3)) for i in range(50)]
    paths = [tmp_path / f"{i}.png" for i in range(50)]
    for path, image in zip(paths, pixels, strict=True):
        write_image(path, image)
    return paths, np.stack(pixels)


def threads():
    return [t for t in threading.enumerate() if t.name.startswith("nnatomy-prefetch")]


@pytest.mark.parametrize("workers", [1, 2, 5])
@pytest.mark.parametrize("size", [1, 16, 20, 64])
def test_batches_follow_the_order_for_any_number_of_threads(files, workers, size):
    paths, pixels = files
    targets = torch.arange(50)
    samples = ImageFileSamples(paths, targets, framing=FRAMING, workers=workers)
    order = torch.randperm(50, generator=torch.Generator().manual_seed(1))
    batches = list(samples.batches(order, size))
    assert [len(b.targets) for b in batches] == [len(part) for part in order.split(size)]
    inputs = torch.cat([b.inputs for b in batches])
    np.testing.assert_array_equal(inputs.numpy(), pixels[order.numpy()])
    assert torch.equal(torch.cat([b.targets for b in batches]), order)


def test_every_record_in_turn_without_an_order(files):
    paths, pixels = files
    samples = ImageFileSamples(paths, torch.zeros(50), framing=FRAMING)
    inputs = torch.cat([b.inputs for b in samples.batches(None, 7)])
    np.testing.assert_array_equal(inputs.numpy(), pixels)
    assert len(samples) == 50
    assert samples.input_shape == (6, 5, 3)


def test_the_transform_is_applied(files):
    paths, pixels = files
    normalizer = Normalizer([0.5] * 3, [0.25] * 3)
    samples = ImageFileSamples(paths, torch.zeros(50), framing=FRAMING, transform=normalizer)
    assert samples.input_shape == (3, 6, 5)
    batch = next(samples.batches(torch.tensor([4, 2]), 2))
    assert torch.equal(batch.inputs, normalizer(torch.from_numpy(pixels[[4, 2]])))


def test_threads_end_when_the_batches_are_left_early(files):
    samples = ImageFileSamples(files[0], torch.zeros(50), framing=FRAMING, workers=3)
    batches = samples.batches(None, 4)
    next(batches)
    assert threads()
    batches.close()
    assert threads() == []


def test_an_empty_order_gives_no_batches(files):
    samples = ImageFileSamples(files[0], torch.zeros(50), framing=FRAMING)
    assert list(samples.batches(torch.tensor([], dtype=torch.int64), 4)) == []


def test_errors_name_the_file(files):
    paths, _ = files
    paths[30].write_bytes(paths[30].read_bytes()[:60])
    paths[40].unlink()
    samples = ImageFileSamples(paths, torch.zeros(50), framing=FRAMING, workers=2)
    with pytest.raises(UnreadableImageError, match=r"30\.png: "):
        list(samples.batches(None, 8))
    with pytest.raises(UnreadableImageError, match=r"40\.png: cannot be read"):
        list(samples.batches(torch.tensor([40]), 8))
    assert threads() == []
