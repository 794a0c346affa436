"""nnatomy convolve."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cli.conftest import Command

EXAMPLE = "1 1 1 0 0 / 0 1 1 1 0 / 0 0 1 1 1 / 0 0 1 1 0 / 0 1 1 0 0"
KERNEL = "1 0 1 / 0 1 0 / 1 0 1"


def test_the_example_of_the_lecture(command: Command) -> None:
    code, out, err = command("convolve", EXAMPLE, KERNEL)
    assert code == 0
    assert "sum: 1 + 0 + 1 + 0 + 1 + 0 + 0 + 0 + 1 = 4\n" in out
    assert out.endswith("map 3×3\n4 3 4\n2 4 3\n2 3 4\n")
    assert err.startswith("note: this is cross-correlation")
    assert err.count("\n") == 1


def test_the_padded_example_of_the_lecture(command: Command, tmp_path: Path) -> None:
    (tmp_path / "image.csv").write_text(
        "105,102,100,97,96\n103,99,103,101,102\n101,98,104,102,100\n"
        "99,101,106,104,99\n104,104,104,100,98\n"
    )
    code, out, _ = command("convolve", "image.csv", "sharpen", "--padding", 1, "--json")
    facts = json.loads(out)
    assert code == 0
    assert facts["steps"][0]["sum"] == 320
    assert facts["map"][4] == [317, 211, 210, 194, 291]


def test_a_kernel_that_begins_with_a_minus_sign(command: Command) -> None:
    code, out, _ = command("convolve", "-1 2 3", "-1 1", "--all", "--stride", 1)
    assert code == 0
    assert "1,1: −1·(−1) + 2·1 = 3\n1,2: 2·(−1) + 3·1 = 1\n" in out


def test_one_position_or_all(command: Command) -> None:
    out = command("convolve", EXAMPLE, KERNEL, "--at", "2,3").out
    assert "row 2, column 3 of the map" in out
    out = command("convolve", EXAMPLE, KERNEL, "--all").out
    assert out.count(" = ") == 1 + 9  # of the size, and of every value
    steps = json.loads(command("convolve", EXAMPLE, KERNEL, "--all", "--json").out)["steps"]
    assert len(steps) == 9


def test_pooling(command: Command) -> None:
    code, out, err = command("convolve", "1 2 6 3 / 3 5 2 1 / 1 2 2 1 / 7 3 4 8", "--pool", "max")
    assert (code, err) == (0, "")
    assert out.endswith("map 2×2\n5 6\n7 8\n")
    out = command("convolve", EXAMPLE, "--pool", "average", "--size", 3, "--stride", 2).out
    assert out.endswith("map 2×2\n0.6667 0.6667\n0.4444 0.6667\n")


def test_files_are_written_and_said(command: Command, tmp_path: Path) -> None:
    for name in ("a.svg", "a.html", "a.png", "a.csv"):
        code, _, err = command("convolve", EXAMPLE, KERNEL, "--out", name)
        assert code == 0
        assert err.endswith(f"written: {name}\n")
        assert (tmp_path / name).stat().st_size > 10
    code, out, _ = command("convolve", "a.csv", "--pool", "max", "--size", 3)
    assert out.endswith("4\n")


def test_of_a_photo_only_the_size_and_one_step_are_printed(
    command: Command, tmp_path: Path
) -> None:
    x = np.arange(600, dtype=np.uint32)
    pixels = ((x[:, None] + x) % 256).astype(np.uint8)
    Image.fromarray(pixels[:400]).save(tmp_path / "photo.jpg")
    code, out, _ = command("convolve", "photo.jpg", "edge", "--out", "edges.svg")
    assert code == 0
    assert len(out.splitlines()) < 16
    assert "input 400×600: from" in out
    assert json.loads(command("convolve", "photo.jpg", "edge", "--json").out)["map"] is None


MISTAKES = [
    (2, (EXAMPLE,), "a kernel is missing"),
    (2, (), "missing argument"),
    (2, (EXAMPLE, "sharpn"), "did you mean 'sharpen'?"),
    (2, (EXAMPLE, KERNEL, "--stride", 0), "stride must be a whole number of at least 1, got 0"),
    (2, (EXAMPLE, KERNEL, "--stride", -1), "stride must be"),
    (2, (EXAMPLE, KERNEL, "--stride", "x"), "--stride"),
    (2, (EXAMPLE, KERNEL, "--padding", -1), "padding must be a whole number of at least 0"),
    (2, (EXAMPLE, KERNEL, "--dilation", 0), "dilation must be"),
    (2, (EXAMPLE, KERNEL, "--dilation", 3), "reach 7 with dilation 3"),
    (2, (KERNEL, EXAMPLE), "a kernel of 5 does not fit into 3 pixels"),
    (2, (EXAMPLE, KERNEL, "--size", 2), "--size belongs to --pool"),
    (2, (EXAMPLE, KERNEL, "--pool", "max"), "not both"),
    (2, (EXAMPLE, "--pool", "mean"), "pooling 'mean' is unknown"),
    (2, (EXAMPLE, "--pool", "max", "--dilation", 2), "--dilation belongs to a kernel"),
    (2, (EXAMPLE, "--pool", "max", "--size", 9), "does not fit"),
    (2, (EXAMPLE, "--pool", "max", "--padding", 2), "more than half of the window"),
    (2, (EXAMPLE, KERNEL, "--at", "4,1"), "the map has no row 4, column 1"),
    (2, (EXAMPLE, KERNEL, "--at", "0,1"), "the map has no row 0, column 1"),
    (2, (EXAMPLE, KERNEL, "--at", "1"), "--at takes row,column such as 1,3"),
    (2, (EXAMPLE, KERNEL, "--at", "a,b"), "--at takes row,column"),
    (2, (EXAMPLE, KERNEL, "--out", "a.pdf"), "a.pdf: a convolution is written as .svg"),
    (2, (EXAMPLE, KERNEL, "--strid", 2), "--strid"),
    (2, (EXAMPLE, "--blur"), "there is no option --blur"),
    (2, (EXAMPLE, "-p"), "there is no option -p"),
    (1, (EXAMPLE, KERNEL, "--out", "no/a.svg"), "cannot write no/a.svg"),
    (1, ("1 2 / 3", KERNEL), "row 2 is 1 long where row 1 is 2 long"),
    (1, ("1 x", "1"), "row 1, column 2: 'x' is no number"),
    (1, ("1 nan", "1"), "row 1, column 2: 'nan' is no finite number"),
    (1, ("empty.csv", "1"), "empty.csv is empty"),
    (1, ("empty.png", "1"), "empty.png: empty file"),
    (1, ("text.png", "1"), "text.png"),
    (1, ("no.png", "1"), "no.png: no such file"),
    (1, (".", "1"), ". is a folder"),
]


@pytest.mark.parametrize(("code", "argv", "words"), MISTAKES)
def test_a_mistake_is_one_line(
    code: int, argv: tuple[object, ...], words: str, command: Command, tmp_path: Path
) -> None:
    for name in ("empty.csv", "empty.png"):
        (tmp_path / name).touch()
    (tmp_path / "text.png").write_text("1 2")
    done = command("convolve", *argv)
    assert (done.code, done.out) == (code, "")
    assert done.err.startswith("error: ")
    assert done.err.count("\n") == 1
    assert words in done.err
    assert len(list(tmp_path.iterdir())) == 3


def test_kernels_are_listed(command: Command) -> None:
    assert "sobel-x" in command("list", "kernels").out
    rows = {
        row["name"]: row["rows"] for row in json.loads(command("list", "kernels", "--json").out)
    }
    assert rows["sharpen"] == [[0, -1, 0], [-1, 5, -1], [0, -1, 0]]
