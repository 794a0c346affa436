"""Images, masks and boxes moved: against loops over pixels, Pillow, SciPy, dots found again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

import pixel_loops as twins
from nnatomy.data.augmentation import (
    Augmentation,
    augment_boxes,
    augment_images,
    augment_masks,
)
from nnatomy.data.augmentation.draws import Draws, draw
from nnatomy.data.augmentation.geometry import move_images, picture_map, source_map

FILLS = ("mean", "edge", "mirror")
SINGLE = {
    "flip": Augmentation(flip=1.0),
    "flip_vertical": Augmentation(flip_vertical=1.0),
    "rotate": Augmentation(rotate=180.0),
    "scale": Augmentation(scale=1.0),
    "crop": Augmentation(crop=0.6),
    "shift": Augmentation(shift=0.4),
    "flips and shift": Augmentation(flip=0.5, flip_vertical=0.5, shift=0.9),
    "all": Augmentation(0.5, 0.5, 180, 0.8, 0.5, 0.3),
}


def images_of(count: int = 6, channels: int = 3, size: tuple[int, int] = (7, 10)) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn(count, channels, *size, generator=generator)


def plain(size: tuple[int, int]) -> Draws:
    """One image to which nothing is done."""
    return draw(Augmentation(), [0], size)


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("name", SINGLE)
def test_every_operation_against_a_loop_over_pixels(name: str, fill: str) -> None:
    augmentation = replace(SINGLE[name], fill=fill)  # type: ignore[arg-type]
    images, records = images_of(), np.arange(6)
    found = augment_images(images, augmentation, records, seed=5, epoch=2)
    draws = draw(augmentation, records, (7, 10), seed=5, epoch=2)
    expected = twins.moved(images.double().numpy(), draws, fill)
    assert np.abs(found.double().numpy() - expected).max() < 2e-5
    assert not torch.equal(found, images)


@pytest.mark.parametrize("fill", FILLS)
def test_whole_pixels_are_moved_without_rounding(fill: str) -> None:
    augmentation = replace(SINGLE["flips and shift"], fill=fill)  # type: ignore[arg-type]
    images, records = images_of(40), np.arange(40)
    found = augment_images(images, augmentation, records)
    expected = twins.moved(images.double().numpy(), draw(augmentation, records, (7, 10)), fill)
    assert (found.double().numpy() == expected).all()
    resampled = move_images(
        images, replace(draw(augmentation, records, (7, 10)), between=True), augmentation.fill
    )
    assert (resampled - found).abs().max() < 2e-5


@pytest.mark.parametrize("fill", FILLS)
def test_affine_against_scipy(fill: str) -> None:
    augmentation = replace(SINGLE["all"], fill=fill)  # type: ignore[arg-type]
    images = images_of(8, 1, (12, 9))
    found = augment_images(images, augmentation, range(8), epoch=1)
    mode = {"mean": "grid-constant", "edge": "nearest", "mirror": "reflect"}[fill]
    maps = source_map(draw(augmentation, range(8), (12, 9), epoch=1))
    for picture, image, matrix in zip(found, images, maps, strict=True):
        linear = matrix[::-1, 1::-1]  # SciPy counts rows first, from the centers of pixels
        offset = linear @ [0.5, 0.5] + matrix[::-1, 2] - 0.5
        expected = ndimage.affine_transform(
            image[0].double().numpy(), linear, offset, order=1, mode=mode
        )
        assert np.abs(picture[0].numpy() - expected).max() < 2e-5


def test_rotation_and_scale_against_pillow() -> None:
    """Pillow turns counterclockwise as seen; its affine map enlarges about the center."""
    image = torch.zeros(1, 1, 21, 21)
    image[0, 0, 4:10, 12:17] = torch.arange(30.0).reshape(6, 5)
    picture = Image.fromarray(image[0, 0].numpy())
    turned = move_images(
        image, replace(plain((21, 21)), between=True, angle=np.deg2rad([30.0])), "mean"
    )
    expected = np.asarray(picture.rotate(30, Image.Resampling.BILINEAR))
    assert np.abs(turned[0, 0].numpy() - expected).max() < 0.01
    larger = move_images(
        image, replace(plain((21, 21)), between=True, factor=np.array([1.5])), "mean"
    )
    inset = 10.5 - 10.5 / 1.5
    map_of_pillow = (1 / 1.5, 0, inset, 0, 1 / 1.5, inset)
    expected = np.asarray(
        picture.transform(
            (21, 21), Image.Transform.AFFINE, map_of_pillow, Image.Resampling.BILINEAR
        )
    )
    assert np.abs(larger[0, 0].numpy() - expected).max() < 0.01


def test_directions() -> None:
    """A dot right of the center: up when turned by +90°, outwards when enlarged."""
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 4, 6] = 1.0

    def dot(**change: np.ndarray) -> tuple[int, int]:
        picture = move_images(image, replace(plain((9, 9)), between=True, **change), "mean")
        row, column = np.unravel_index(int(picture.argmax()), (9, 9))
        return int(row), int(column)

    assert dot(angle=np.deg2rad([90.0])) == (2, 4)
    assert dot(factor=np.array([2.0])) == (4, 8)
    assert dot(flip=np.array([True])) == (4, 2)
    assert dot(shift=np.array([[1.0], [-3.0]])) == (1, 7)
    assert dot(window=np.array([0.5])) == (4, 8)
    assert dot(center=np.array([[2.0], [0.0]]), window=np.array([0.5])) == (4, 4)


def test_the_maps_are_inverse() -> None:
    draws = draw(SINGLE["all"], range(50), (20, 30))
    there, back = source_map(draws), picture_map(draws)
    points = np.random.default_rng(0).uniform(0, 30, (50, 2, 1))
    image = there[:, :, :2] @ points + there[:, :, 2:]
    assert np.abs(back[:, :, :2] @ image + back[:, :, 2:] - points).max() < 1e-9


@pytest.mark.parametrize("fill", FILLS)
@pytest.mark.parametrize("name", ["flips and shift", "all"])
def test_masks_against_a_loop_over_pixels(name: str, fill: str) -> None:
    augmentation = replace(SINGLE[name], fill=fill)  # type: ignore[arg-type]
    masks = torch.randint(0, 5, (6, 7, 10), generator=torch.Generator().manual_seed(0))
    found = augment_masks(masks, augmentation, range(6), seed=5, ignore=99)
    draws = draw(augmentation, range(6), (7, 10), seed=5)
    assert (found.numpy() == twins.moved_masks(masks.numpy(), draws, fill, 99)).all()
    assert set(found.unique().tolist()) <= {0, 1, 2, 3, 4} | ({99} if fill == "mean" else set())


def test_bytes_are_masks_too() -> None:
    masks = torch.zeros(3, 5, 5, dtype=torch.uint8)
    found = augment_masks(masks, SINGLE["shift"], range(3))
    assert found.dtype == torch.uint8
    assert set(found.unique().tolist()) == {0, 255}


def test_image_mask_and_box_of_a_drawn_rectangle_stay_together() -> None:
    augmentation = Augmentation(0.5, 0.5, 20, 0.3, 0.3, 0.2)
    count, size = 40, (48, 64)
    images, masks = torch.zeros(count, 1, *size), torch.zeros(count, *size, dtype=torch.long)
    rng = np.random.default_rng(0)
    boxes = []
    for i in range(count):
        x, y, w, h = (
            rng.integers(0, 44),
            rng.integers(0, 30),
            rng.integers(8, 20),
            rng.integers(8, 18),
        )
        images[i, 0, y : y + h, x : x + w] = 1
        masks[i, y : y + h, x : x + w] = 1
        boxes.append(torch.tensor([[x, y, x + w, y + h]], dtype=torch.float32))
    pictures = augment_images(images, augmentation, range(count), seed=1, epoch=4)
    moved_masks = augment_masks(masks, augmentation, range(count), seed=1, epoch=4)
    moved_boxes = augment_boxes(boxes, augmentation, range(count), size, seed=1, epoch=4)
    seen = 0
    for picture, mask, (box, kept) in zip(pictures, moved_masks, moved_boxes, strict=True):
        shown = picture[0] > 0.5
        assert ((mask == 1) == shown).float().mean() > 0.995
        rows, columns = torch.nonzero(mask == 1, as_tuple=True)
        assert len(box) == len(kept)
        if not len(rows):
            continue
        seen += 1
        drawn = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        # A turned rectangle cut at the edge may be smaller than the box of its corners.
        outer = [min(a, b) for a, b in zip(drawn[:2], box[0, :2], strict=True)]
        outer += [max(a, b) for a, b in zip(drawn[2:], box[0, 2:], strict=True)]
        assert (torch.tensor(outer) - box[0]).abs().max() < 1.1
    assert seen > 35


def test_boxes_without_turning_are_exact() -> None:
    augmentation = Augmentation(flip=0.5, flip_vertical=0.5, shift=0.5)
    size, boxes = (16, 24), [torch.tensor([[3.0, 2, 9, 14], [20, 0, 24, 3]])] * 60
    masks = torch.zeros(60, *size, dtype=torch.long)
    masks[:, 2:14, 3:9], masks[:, 0:3, 20:24] = 1, 2
    moved = augment_masks(masks, augmentation, range(60), ignore=0)
    dropped = 0
    for mask, (found, kept) in zip(
        moved, augment_boxes(boxes, augmentation, range(60), size), strict=True
    ):
        drawn = [k for k in (1, 2) if (mask == k).any()]
        assert [int(k) + 1 for k in kept] == drawn
        dropped += 2 - len(kept)
        for box, k in zip(found, drawn, strict=True):
            rows, columns = torch.nonzero(mask == k, as_tuple=True)
            expected = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            assert box.tolist() == [int(v) for v in expected]
    assert dropped > 5


def test_boxes_in_whole_numbers_are_rounded() -> None:
    augmentation = Augmentation(rotate=30, scale=0.3)
    boxes = [torch.tensor([[10, 12, 20, 30], [0, 0, 5, 40]])] * 20
    floats = [own.double() for own in boxes]
    whole = augment_boxes(boxes, augmentation, range(20), (40, 40))
    exact = augment_boxes(floats, augmentation, range(20), (40, 40))
    for (own, kept), (other, same) in zip(whole, exact, strict=True):
        assert own.dtype == torch.long
        assert torch.equal(own.double(), other.round())
        assert torch.equal(kept, same)


def test_boxes_of_which_little_is_left_are_dropped() -> None:
    augmentation = Augmentation(shift=0.9)
    boxes = [torch.tensor([[0.0, 0, 10, 10]])] * 50
    all_left = augment_boxes(boxes, augmentation, range(50), (10, 10))
    most = augment_boxes(boxes, augmentation, range(50), (10, 10), least=0.5)
    for (some, _), (few, _) in zip(all_left, most, strict=True):
        area = ((some[:, 2] - some[:, 0]) * (some[:, 3] - some[:, 1])).sum()
        assert len(few) == int(area > 50)
    assert sum(len(kept) for _, kept in most) > 3
    assert augment_boxes([torch.zeros(0, 4)], augmentation, [0], (10, 10))[0][0].shape == (0, 4)
