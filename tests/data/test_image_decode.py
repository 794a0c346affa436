from __future__ import annotations

import io
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from image_folders import encoded, noise, png_header
from nnatomy.data.image_decode import (
    FORMATS,
    PIXEL_LIMIT,
    Framing,
    UnreadableImageError,
    brightest_pixel,
    decode_image,
    read_header,
    white_above,
)
from nnatomy.errors import SettingError


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_files_come_back_exactly(kind):
    pixels = noise(1, (5, 7, 3))
    decoded = decode_image(encoded(pixels, kind), Framing((5, 7), 3))
    np.testing.assert_array_equal(decoded, pixels)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_lossy_files_come_back_nearly(kind):
    pixels = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    decoded = decode_image(encoded(pixels, kind, quality=95), Framing((16, 16), 3))
    assert np.abs(decoded.astype(int) - pixels).max() <= 4


def test_gif_gives_its_first_frame():
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    content = saved(frames[0], "GIF", save_all=True, append_images=frames[1:])
    assert np.unique(decode_image(content, Framing((4, 4), 1))) == [10]


def test_transparency_is_laid_on_white():
    pixels = np.zeros((1, 3, 4), np.uint8)
    pixels[0, :, 3] = (0, 128, 255)
    decoded = decode_image(encoded(pixels), Framing((1, 3), 1))
    assert decoded[0, :, 0].tolist() == [255, 127, 0]  # 255 (1 - alpha / 255) for black


def test_transparent_palette_is_laid_on_white():
    image = Image.new("P", (2, 1))
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((1, 0), 1)
    decoded = decode_image(saved(image, "PNG", transparency=0), Framing((1, 2), 3))
    assert decoded.tolist() == [[[255, 255, 255], [0, 0, 255]]]


def test_grey_with_alpha_is_laid_on_white():
    image = Image.merge("LA", [Image.new("L", (1, 1), 0), Image.new("L", (1, 1), 0)])
    assert decode_image(saved(image, "PNG"), Framing((1, 1), 3)).tolist() == [[[255] * 3]]


def test_cmyk_becomes_rgb():
    image = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    assert decode_image(saved(image, "TIFF"), Framing((8, 8), 3))[0, 0].tolist() == [255, 0, 0]
    assert decode_image(saved(image, "JPEG", quality=95), Framing((8, 8), 3)).shape == (8, 8, 3)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_become_eight(kind):
    levels = np.array([[0, 257, 257 * 100, 65_535]], np.uint16)
    decoded = decode_image(encoded(levels, kind), Framing((1, 4), 1))
    assert decoded[0, :, 0].tolist() == [0, 1, 100, 255]


@pytest.mark.parametrize(
    ("brightest", "white"),
    [(0, 255), (255, 255), (256, 511), (4095, 4095), (4096, 8191), (65_535, 65_535)],
)
def test_white_is_all_ones_in_the_bits_that_are_used(brightest, white):
    content = encoded(np.array([[0, brightest]], np.uint16))
    assert white_above(brightest_pixel(content)) == white
    decoded = decode_image(content, Framing((1, 2), 1, white=white))
    assert decoded[0, :, 0].tolist() == [0, round(brightest / white * 255)]


def test_what_is_brighter_than_white_is_white():
    levels = np.array([[0, 1023, 1024, 65_535]], np.uint16)
    decoded = decode_image(encoded(levels), Framing((1, 4), 1, white=1023))
    assert decoded[0, :, 0].tolist() == [0, 255, 255, 255]


def test_black_and_white_becomes_grey():
    image = Image.fromarray(np.array([[True, False]]))
    assert decode_image(saved(image, "PNG"), Framing((1, 2), 1)).tolist() == [[[255], [0]]]


def test_color_becomes_grey_by_luma():
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255]]], np.uint8)
    decoded = decode_image(encoded(pixels), Framing((1, 3), 1))
    assert decoded[0, :, 0].tolist() == [76, 150, 29]  # 0.299, 0.587, 0.114 of 255


UPRIGHT = noise(3, (4, 6))
TURNS = {  # what a camera stores so that its orientation tag leads back to UPRIGHT
    1: UPRIGHT,
    2: UPRIGHT[:, ::-1],
    3: UPRIGHT[::-1, ::-1],
    4: UPRIGHT[::-1],
    5: UPRIGHT.T,
    6: np.rot90(UPRIGHT),
    7: UPRIGHT[::-1, ::-1].T,
    8: np.rot90(UPRIGHT, -1),
}


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_exif_orientation_is_undone(turn, kind):
    exif = Image.Exif()
    exif[0x0112] = turn
    content = encoded(np.ascontiguousarray(TURNS[turn]), kind, exif=exif)
    np.testing.assert_array_equal(decode_image(content, Framing((4, 6), 1))[..., 0], UPRIGHT)
    header = read_header(content)
    assert (header.height, header.width) == (4, 6)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "JPEG"])
@pytest.mark.parametrize(
    "notes",
    [
        b"Exif\0\0garbage",
        # The orientation as the fraction 6 / 0.
        b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\5\0\1\0\0\0\x1a\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0",
    ],
)
def test_broken_notes_beside_a_picture_do_not_spoil_it(notes, kind):
    pixels = noise(3, (6, 4, 3))
    content = encoded(pixels, kind, exif=notes[6:] if kind == "PNG" else notes)
    header = read_header(content)
    assert (header.height, header.width) == (6, 4)
    plain = decode_image(encoded(pixels, kind), Framing((6, 4), 3))
    np.testing.assert_array_equal(decode_image(content, Framing((6, 4), 3)), plain)


def test_large_turned_photo_is_reduced_in_the_right_direction():
    upright = np.zeros((1600, 400, 3), np.uint8)
    upright[:400] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    content = encoded(np.ascontiguousarray(np.rot90(upright)), "JPEG", exif=exif)
    decoded = decode_image(content, Framing((160, 40), 3))
    assert decoded[:39].min() > 250
    assert decoded[41:].max() < 5


BANDS = np.zeros((10, 30, 3), np.uint8)
BANDS[:, 10:20] = 255


def test_crop_keeps_the_middle():
    assert decode_image(encoded(BANDS), Framing((10, 10), 3)).min() == 255


def test_squash_keeps_everything():
    decoded = decode_image(encoded(BANDS), Framing((30, 30), 3, "squash"))
    np.testing.assert_array_equal(decoded, BANDS.repeat(3, axis=0))


def test_pad_adds_black_bars():
    white = np.full((10, 30, 3), 255, np.uint8)
    decoded = decode_image(encoded(white), Framing((30, 30), 3, "pad"))
    assert decoded[10:20].min() == 255
    assert decoded[:10].max() == decoded[20:].max() == 0


def test_shrinking_averages():
    board = np.indices((64, 64)).sum(axis=0) % 2 * np.uint8(255)
    decoded = decode_image(encoded(board.astype(np.uint8)), Framing((8, 8), 1))
    assert np.abs(decoded[1:-1, 1:-1].astype(int) - 127).max() <= 1


@pytest.mark.parametrize(("turn", "size"), [(1, (60, 100)), (6, (100, 60))])
def test_photos_are_unpacked_at_no_less_than_twice_the_wanted_size(turn, size, monkeypatch):
    sizes = []
    draft = JpegImageFile.draft

    def watched(image, *wanted):
        found = draft(image, *wanted)
        sizes.append(image.size)
        return found

    monkeypatch.setattr(JpegImageFile, "draft", watched)
    exif = Image.Exif()
    exif[0x0112] = turn
    content = encoded(np.zeros((400, 1600, 3), np.uint8), "JPEG", exif=exif)
    decode_image(content, Framing(size, 3))
    ((width, height),) = sizes
    assert 2 * 100 <= width < 1600
    assert 2 * 60 <= height < 400


def test_draft_mode_differs_little_from_full_unpacking():
    smooth = Image.fromarray(noise(5, (12, 16, 3))).resize((1600, 1200), Image.Resampling.BICUBIC)
    decoded = decode_image(saved(smooth, "JPEG", quality=95), Framing((60, 80), 3))
    witness = np.asarray(smooth.resize((80, 60), Image.Resampling.BILINEAR)).astype(int)
    assert np.abs(decoded - witness).mean() < 2


@pytest.mark.parametrize("side", [8001, 9500, 20_000, 2**31 - 1])
def test_bombs_are_refused_by_their_header(side):
    assert side * side > PIXEL_LIMIT
    for read in (read_header, lambda content: decode_image(content, Framing((8, 8), 1))):
        with pytest.raises(UnreadableImageError, match="million pixels"):
            read(png_header(side, side))


@pytest.mark.parametrize("kind", ["PPM", "ICO", "TGA", "PCX"])
def test_other_formats_stay_closed(kind):
    with pytest.raises(UnreadableImageError, match="known format"):
        decode_image(encoded(noise(0, (16, 16, 3)), kind), Framing((8, 8), 3))


def test_float_pixels_are_refused():
    with pytest.raises(UnreadableImageError, match="32-bit"):
        decode_image(encoded(np.ones((4, 4), np.float32), "TIFF"), Framing((4, 4), 1))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_truncated_files_are_refused(kind, share):
    content = encoded(noise(2, (40, 40, 3)), kind)
    with pytest.raises(UnreadableImageError):
        decode_image(content[: int(len(content) * share)], Framing((8, 8), 3))


def test_truncated_large_photo_is_refused_in_draft_mode():
    content = encoded(noise(2, (800, 800, 3)), "JPEG")
    with pytest.raises(UnreadableImageError, match="truncated"):
        decode_image(content[: len(content) - 2000], Framing((8, 8), 3))


def test_error_names_the_file(tmp_path):
    path = tmp_path / "broken.jpg"
    for content, reason in ((b"", "empty file"), (b"<html>", "not an image")):
        path.write_bytes(content)
        with pytest.raises(UnreadableImageError, match=rf"broken\.jpg: {reason}"):
            decode_image(path, Framing((8, 8), 3))
    with pytest.raises(UnreadableImageError, match=r"gone\.png: cannot be read \(No such file"):
        decode_image(tmp_path / "gone.png", Framing((8, 8), 3))
    with pytest.raises(UnreadableImageError, match="cannot be read"):
        decode_image(tmp_path, Framing((8, 8), 3))


def test_header_tells_size_format_and_grey():
    header = read_header(encoded(noise(0, (3, 5))))
    assert (header.height, header.width, header.grey, header.format) == (3, 5, True, "PNG")
    assert not read_header(encoded(noise(0), "JPEG")).grey
    assert read_header(encoded(noise(0, (3, 5)).astype(np.uint16))).grey


def test_framing_refuses_what_it_cannot_do():
    with pytest.raises(SettingError, match="did you mean 'squash'"):
        Framing((8, 8), 3, "squas")  # type: ignore[arg-type]
    with pytest.raises(SettingError, match="channels: 2"):
        Framing((8, 8), 2)
    with pytest.raises(SettingError, match="size"):
        Framing((0, 8), 3)
    with pytest.raises(SettingError, match="white"):
        Framing((8, 8), 3, white=100)


def test_warnings_of_pillow_stay_inside_and_filters_come_back(tmp_path):
    path = tmp_path / "large.png"
    path.write_bytes(png_header(9500, 9500))  # above the limit from which Pillow itself warns
    before = list(warnings.filters)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.warns(Image.DecompressionBombWarning):
            Image.open(path, formats=FORMATS).close()  # the warning is there to be kept inside
        caught.clear()
        inside = list(warnings.filters)

        def attempt(_: int) -> str:
            with pytest.raises(UnreadableImageError) as refused:
                read_header(path)
            return refused.value.reason

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(attempt, range(200))) == {"more than 64 million pixels"}
        assert warnings.filters == inside
    assert caught == []
    assert warnings.filters == before


VALID = [encoded(noise(9, (9, 11, 3)), kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF")]


@settings(max_examples=300, deadline=None)
@given(
    content=st.sampled_from(VALID),
    flips=st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), max_size=6),
    cut=st.none() | st.integers(0, 2000),
)
def test_mutated_files_give_an_image_or_the_typed_error(content, flips, cut):
    mutated = bytearray(content)
    for position, change in flips:
        mutated[position % len(mutated)] ^= change
    try:
        header = read_header(bytes(mutated[:cut]))
        decoded = decode_image(bytes(mutated[:cut]), Framing((8, 6), 3))
    except UnreadableImageError:
        return  # the typed error; any other fails the test
    assert header.height >= 1
    assert decoded.shape == (8, 6, 3)
    assert decoded.dtype == np.uint8


def test_unmutated_files_are_fine():
    for content in VALID:
        assert decode_image(content, Framing((8, 6), 3)).shape == (8, 6, 3)
