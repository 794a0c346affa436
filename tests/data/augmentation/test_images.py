"""Whole pictures: colors, noise, erasing, and that only seed, epoch and record matter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import pixel_loops as twins
from nnatomy.data.augmentation import PRESETS, Augmentation, PixelScale, augment_images
from nnatomy.data.augmentation.draws import draw
from nnatomy.data.augmentation.noise import noise_bank
from nnatomy.data.image_normalize import Normalizer

ALL = Augmentation(0.5, 0.5, 30, 0.3, 0.3, 0.2, 0.3, 0.3, 0.3, 0.2, 0.5)
KINDS = {**PRESETS, "all": ALL, "mirror": replace(ALL, fill="mirror")}
BYTES = PixelScale((0.5, 0.4, 0.45), (0.25, 0.2, 0.3), (0.0, 1.0))


def images_of(count: int = 24, channels: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    images = torch.randn(count, 12, 10, channels, generator=generator)
    return images.permute(0, 3, 1, 2)  # as the normalizer leaves them


@settings(max_examples=60, deadline=None)
@given(
    kind=st.sampled_from(sorted(KINDS)),
    order=st.permutations(range(24)),
    cuts=st.lists(st.integers(1, 23), max_size=5, unique=True),
    epoch=st.integers(0, 3),
)
def test_the_batch_does_not_matter_to_the_bit(
    kind: str, order: list[int], cuts: list[int], epoch: int
) -> None:
    images = images_of()
    whole = augment_images(images, KINDS[kind], range(24), seed=7, epoch=epoch, scale=BYTES)
    for part in np.split(np.array(order), sorted(cuts)):
        own = augment_images(images[part], KINDS[kind], part, seed=7, epoch=epoch, scale=BYTES)
        assert torch.equal(own, whole[part])


@pytest.mark.parametrize("kind", KINDS)
def test_layout_and_threads_do_not_matter(kind: str) -> None:
    images = images_of(40)
    whole = augment_images(images, KINDS[kind], range(40), scale=BYTES)
    other = augment_images(images.contiguous(), KINDS[kind], range(40), scale=BYTES)
    assert torch.equal(whole, other)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(3 - min(threads, 2))
        assert torch.equal(whole, augment_images(images, KINDS[kind], range(40), scale=BYTES))
    finally:
        torch.set_num_threads(threads)


def test_threads_do_not_matter_to_large_images() -> None:
    """PyTorch sums up planes of more than 32,768 numbers by parts, one a thread."""
    images = torch.randn(8, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    threads, found = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            found.append(augment_images(images, Augmentation(contrast=1.0), range(8)))
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(found[0], found[1])
    assert torch.equal(found[0], found[2])


@pytest.mark.parametrize("kind", sorted(set(KINDS) - {"none"}))
def test_seed_and_epoch_matter_and_the_images_are_left_alone(kind: str) -> None:
    images = images_of()
    before, state = images.clone(), torch.get_rng_state()
    first = augment_images(images, KINDS[kind], range(24), scale=BYTES)
    assert not torch.equal(first, augment_images(images, KINDS[kind], range(24), epoch=1))
    assert not torch.equal(first, augment_images(images, KINDS[kind], range(24), seed=1))
    assert torch.equal(images, before)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.data_ptr() != images.data_ptr()


@pytest.mark.parametrize("name", ["flip", "shift", "rotate", "brightness", "noise", "erase"])
def test_one_operation_leaves_the_images_alone_in_either_layout(name: str) -> None:
    for images in (images_of(), images_of().contiguous()):
        before = images.clone()
        found = augment_images(images, Augmentation(**{name: 1.0}), range(24))
        assert not torch.equal(found, images)
        assert torch.equal(images, before)


def test_nothing_is_done_to_no_images_and_by_none() -> None:
    images = images_of()
    assert torch.equal(augment_images(images, PRESETS["none"], range(24)), images)
    assert augment_images(images[:0], ALL, []).shape == (0, 3, 12, 10)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("limited", [True, False])
@pytest.mark.parametrize("name", ["brightness", "contrast", "saturation", "all"])
def test_colors_against_one_operation_after_the_other(
    name: str, limited: bool, channels: int
) -> None:
    names = ["brightness", "contrast", "saturation"] if name == "all" else [name]
    augmentation = Augmentation(**dict.fromkeys(names, 0.9))
    scale = PixelScale(BYTES.mean[:channels], BYTES.std[:channels], (0, 1) if limited else None)
    images = images_of(channels=channels)
    found = augment_images(images, augmentation, range(24), scale=scale)
    expected = twins.colored(
        images.double().numpy(),
        draw(augmentation, range(24), (12, 10)),
        np.array(scale.mean),
        np.array(scale.std),
        limited=limited,
    )
    assert np.abs(found.numpy() - expected).max() < 1e-5


def test_colors_of_bytes_against_pillow() -> None:
    from PIL import Image, ImageEnhance

    pixels = np.random.default_rng(0).integers(90, 160, (1, 12, 10, 3), dtype=np.uint8)
    normalizer = Normalizer(BYTES.mean, BYTES.std)
    images, scale = normalizer(torch.from_numpy(pixels)), PixelScale.of(normalizer, floats=False)
    for name, enhancer in (
        ("brightness", ImageEnhance.Brightness),
        ("contrast", ImageEnhance.Contrast),
        ("saturation", ImageEnhance.Color),
    ):
        augmentation = Augmentation(**{name: 0.4})
        factor = getattr(draw(augmentation, [3], (12, 10)), name)[0]
        found = augment_images(images, augmentation, [3], scale=scale)[0]
        back = found * torch.tensor(BYTES.std)[:, None, None]
        back = (back + torch.tensor(BYTES.mean)[:, None, None]) * 255
        expected = np.asarray(enhancer(Image.fromarray(pixels[0])).enhance(factor), np.float64)
        assert np.abs(back.permute(1, 2, 0).numpy() - expected).max() < 1.5


def test_noise_is_a_piece_of_the_bank_and_gaussian() -> None:
    from scipy import stats

    images = torch.zeros(2000, 3, 12, 10)
    augmentation = Augmentation(noise=0.5)
    found = augment_images(images, augmentation, range(2000))
    draws, bank = draw(augmentation, range(2000), (12, 10)), noise_bank(1 << 20)
    for i in (0, 77, 1999):
        start = int(draws.place[i] * (len(bank) - 360))
        expected = bank[start : start + 360] * float(np.float32(draws.noise[i]))
        assert torch.equal(found[i].reshape(-1), expected)
    whitened = found.double().reshape(2000, -1).numpy() / draws.noise[:, None]
    assert stats.kstest(whitened[:200].ravel()[::7], "norm").pvalue > 0.001
    assert abs(whitened.mean()) < 0.01
    assert abs(whitened.std() - 1) < 0.01


def test_the_bank_grows_with_the_images() -> None:
    augmentation = Augmentation(noise=1.0)
    found = augment_images(torch.zeros(2, 3, 320, 320), augmentation, range(2))
    draws, bank, values = draw(augmentation, range(2), (320, 320)), noise_bank(1 << 21), 3 * 320**2
    assert 4 * values <= len(bank)
    for image, place, deviation in zip(found, draws.place, draws.noise, strict=True):
        start = int(place * (len(bank) - values))
        expected = bank[start : start + values] * float(np.float32(deviation))
        assert torch.equal(image.reshape(-1), expected)


def test_erased_rectangles_have_the_mean_color() -> None:
    augmentation = Augmentation(erase=1.0)
    images = images_of() + 10
    found = augment_images(images, augmentation, range(24))
    for image, picture, (x0, y0, x1, y1) in zip(
        images, found, draw(augmentation, range(24), (12, 10)).erased.T, strict=True
    ):
        expected = image.clone()
        for y in range(y0, y1):
            for x in range(x0, x1):
                expected[:, y, x] = 0
        assert torch.equal(picture, expected)
        assert (picture == 0).any()


@pytest.mark.parametrize("preset", sorted(PRESETS))
def test_images_with_their_channels_last_stay_so(preset: str) -> None:
    images = torch.rand(4, 3, 9, 8)
    last = images.contiguous(memory_format=torch.channels_last)
    varied = augment_images(last, PRESETS[preset], range(4))
    assert varied.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(varied, augment_images(images, PRESETS[preset], range(4)))
