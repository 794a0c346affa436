"""Everything the README and the guides show runs as shown, on data of the shape they name."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from nnatomy.cli.app import app
from nnatomy.diagnose.checks.catalog import CHECKS

ROOT = Path(__file__).parent.parent
SHELL = re.compile(r"^```sh\n(.*?)^```", re.S | re.M)
PYTHON = re.compile(r"^```python\n(.*?)^```", re.S | re.M)
COMMANDS = [
    line.split("#")[0].strip()
    for page in (
        "README.md",
        "docs/index.md",
        "docs/lecture.md",
        "docs/convolution.md",
        "docs/training.md",
        "docs/diagnosis.md",
        "docs/explaining.md",
    )
    for block in SHELL.findall((ROOT / page).read_text(encoding="utf-8"))
    for line in block.splitlines()
    if line.startswith("nnatomy")
]
SNIPPETS = [
    (page, code)
    for page in (
        "README.md",
        "docs/training.md",
        "docs/estimators.md",
        "docs/diagnosis.md",
        "docs/convolution.md",
        "docs/explaining.md",
        "docs/convolutional_networks.md",
    )
    for code in PYTHON.findall((ROOT / page).read_text(encoding="utf-8"))
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with the files that the pages speak of."""
    folder = tmp_path_factory.mktemp("reader")
    rng = np.random.default_rng(0)
    weight = rng.uniform(1500, 5000, 150)
    cars = pd.DataFrame(
        {
            "weight": weight.round(),
            "origin": rng.choice(["USA", "Europe", "Japan"], 150),
            "mpg": (60 - 0.01 * weight + rng.normal(0, 2, 150)).round(1),
        }
    )
    cars.to_csv(folder / "cars.csv", index=False)
    cars.drop(columns="mpg").head(5).to_csv(folder / "new_cars.csv", index=False)
    for photos, count in (("photos", 30), ("more_photos", 5)):
        for label, level in (("day", 200), ("night", 40)):
            (folder / photos / label).mkdir(parents=True)
            for i in range(count):
                pixels = rng.normal(level, 20, (16, 16, 3)).clip(0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / photos / label / f"{i}.png")
    return folder


def test_the_pages_show_commands():
    assert len(COMMANDS) >= 10
    assert len(SNIPPETS) >= 5


@pytest.mark.parametrize("command", COMMANDS)
def test_a_shown_command_runs(command, place):
    words = shlex.split(command)
    done = subprocess.run(
        [sys.executable, "-m", "nnatomy.cli.app", *words[1:]],
        cwd=place,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    assert done.returncode == 0, done.stderr[-2000:]


# What PyTorch calls deprecated and uses itself: a class whose objects its ONNX exporter copies, and
# a way to define methods, when its compiler is imported.
@pytest.mark.filterwarnings(
    r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning",
    "ignore:`torch.jit.script_method` is deprecated:DeprecationWarning",
)
@pytest.mark.parametrize(("page", "code"), SNIPPETS)
def test_a_shown_snippet_runs(page, code, place, monkeypatch):
    monkeypatch.chdir(place)
    exec(compile(code, page, "exec"), {"__name__": "shown"})


def test_the_picture_of_a_convolution_is_what_its_command_draws(tmp_path, monkeypatch):
    (command,) = [c for c in COMMANDS if "--padding 1 --out convolution.svg" in c]
    monkeypatch.chdir(tmp_path)
    app(shlex.split(command)[1:], standalone_mode=False)
    drawn = (tmp_path / "convolution.svg").read_text(encoding="utf-8")
    assert drawn == (ROOT / "docs/images/convolution.svg").read_text(encoding="utf-8")


def test_the_readme_shows_the_two_commands_of_the_set_up():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in ("make demo", "make test"):
        assert command in text
        assert f"\n{command.split()[1]}:" in targets


def test_every_check_is_in_the_guide():
    text = (ROOT / "docs/diagnosis.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| `(\w+)` \| (.*?) \| (\w+) \|$", text, re.M)
    assert listed == [(name, check.about, check.lecture) for name, check in CHECKS.items()]


def test_links_between_pages_lead_somewhere():
    for page in [ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"\]\(([^)#]+?)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if not link.startswith("http"):
                assert (page.parent / link).exists(), f"{page.name}: {link}"
