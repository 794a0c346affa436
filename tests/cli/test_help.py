"""The command answers at once, and as it is installed."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version

import pytest

from cli.commands import ENVIRONMENT, subprocess_run
from cli.conftest import Command

COMMANDS = [
    *("train", "evaluate", "predict", "explain", "inspect", "diagnose", "report", "list"),
    "convolve",
]

WITHOUT_HEAVY = """
import sys
{act}
heavy = {{"torch", "pandas", "sklearn", "numpy", "matplotlib", "PIL"}} & set(sys.modules)
print("heavy:", sorted(heavy), file=sys.stderr)
"""

ALL_HELP = """
from nnatomy.cli.app import main
for words in ([], *([name] for name in {commands!r})):
    sys.argv = ["nnatomy", *words, "--help"]
    try:
        main()
    except SystemExit as end:
        assert not end.code
"""


@pytest.mark.parametrize("act", ["import nnatomy", ALL_HELP.format(commands=COMMANDS)])
def test_help_waits_for_no_large_library(act: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT_HEAVY.format(act=act)],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        check=False,
    )
    assert ended.stderr == "heavy: []\n"
    assert ended.returncode == 0
    if "main" in act:
        assert ended.stdout.count("Usage: nnatomy") == 1 + len(COMMANDS)


def test_no_arguments_show_the_help(command: Command) -> None:
    code, out, err = command()
    assert (code, out) == (2, "")
    assert err.startswith("Usage: nnatomy")
    assert all(f"  {name} " in err for name in COMMANDS)


def test_every_option_is_explained(command: Command) -> None:
    for name in COMMANDS:
        shown = command(name, "--help").out
        options = [line for line in shown.splitlines() if line.startswith("  --")]
        assert options
        assert all(len(line.split("  ")) > 2 for line in options), name


def test_version() -> None:
    assert subprocess_run("--version") == (0, f"nnatomy {version('nnatomy')}\n", "")


def test_a_mistake_as_it_is_installed() -> None:
    code, out, err = subprocess_run("train", "no-such-file.csv", "--out", "no-such-folder")
    assert (code, out) == (1, "")
    assert err.startswith("error: no-such-file.csv: no such file")
    assert err.count("\n") == 1


def test_a_reader_that_goes_away(run) -> None:
    """As in `nnatomy predict ... | head -1`."""
    words = [sys.executable, "-m", "nnatomy.cli.app", "inspect", str(run), "--json"]
    with subprocess.Popen(
        words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ENVIRONMENT
    ) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode != 0
