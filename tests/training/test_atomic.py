from __future__ import annotations

import json
import math
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nnatomy.errors import IntegrityError, RunError
from nnatomy.training.atomic import (
    MANIFEST,
    commit_folder,
    discard,
    file_error,
    read_folder,
    read_non_finite,
    spell_non_finite,
    sweep,
    to_json,
    write_bytes,
    write_json,
)

FILES = {"a.bin": bytes(range(256)), "empty": b""}


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


def test_write_replaces_the_content(tmp_path: Path) -> None:
    path = tmp_path / "file"
    for data in (b"old", b"new and longer", b""):
        write_bytes(path, data)
        assert path.read_bytes() == data
        assert names(tmp_path) == ["file"]


def test_written_file_follows_the_umask(tmp_path: Path) -> None:
    write_bytes(tmp_path / "file", b"")
    (tmp_path / "plain").touch()
    assert (tmp_path / "file").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_write_names_file_reason_and_remedy(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"cannot write .*gone/x: No such file or directory; check"):
        write_bytes(tmp_path / "gone" / "x", b"")
    (tmp_path / "folder").mkdir()
    with pytest.raises(RunError, match="Is a directory"):
        write_bytes(tmp_path / "folder", b"")
    assert names(tmp_path) == ["folder"]


def test_message_of_a_full_disk(tmp_path: Path) -> None:
    """/dev/full refuses every write with the error of a full disk."""
    with pytest.raises(OSError, match="No space left") as caught:
        Path("/dev/full").write_bytes(b"x")

    message = str(file_error("write", tmp_path / "file", caught.value))
    assert message.endswith(
        "No space left on device; free some disk space and run the same command again"
    )


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=())),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(json_values)
def test_json_comes_back(value: object) -> None:
    for indent in (None, 2):
        assert json.loads(to_json(value, indent=indent)) == value


def test_json_refuses_non_finite_before_writing(tmp_path: Path) -> None:
    write_json(tmp_path / "file", {"x": 1})
    for bad in (float("nan"), float("inf")):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write_json(tmp_path / "file", [bad])
    assert json.loads((tmp_path / "file").read_text()) == {"x": 1}
    assert names(tmp_path) == ["file"]


def test_numbers_without_json_come_back_as_texts() -> None:
    value = {"a": [1.5, math.inf, (-math.inf, {"b": math.nan})], "c": "nano", "d": None, "e": 3}
    spelled = spell_non_finite(value)
    assert spelled == {"a": [1.5, "inf", ["-inf", {"b": "nan"}]], "c": "nano", "d": None, "e": 3}
    back = read_non_finite(json.loads(to_json(spelled)))
    assert back["a"][:2] == [1.5, math.inf]
    assert back["a"][2][0] == -math.inf
    assert math.isnan(back["a"][2][1]["b"])
    assert (back["c"], back["d"], back["e"]) == ("nano", None, 3)


def test_folder_comes_back(tmp_path: Path) -> None:
    folder = commit_folder(tmp_path, "7", FILES)
    assert folder == tmp_path / "7"
    assert names(folder) == [MANIFEST, "a.bin", "empty"]
    assert read_folder(folder) == FILES
    assert names(tmp_path) == ["7"]


def test_folder_with_content_is_not_replaced(tmp_path: Path) -> None:
    commit_folder(tmp_path, "7", FILES)
    with pytest.raises(RunError, match="not empty"):
        commit_folder(tmp_path, "7", {"other": b""})
    assert names(tmp_path) == ["7"]
    assert read_folder(tmp_path / "7") == FILES


def test_a_flipped_bit_in_any_byte_is_seen(tmp_path: Path) -> None:
    draw = random.Random(0)
    folder = commit_folder(tmp_path, "7", FILES)
    for path in folder.iterdir():
        whole = path.read_bytes()
        for place in range(len(whole)):
            changed = bytearray(whole)
            changed[place] ^= 1 << draw.randrange(8)
            path.write_bytes(changed)
            with pytest.raises(IntegrityError):
                read_folder(folder)
        path.write_bytes(whole)
    assert read_folder(folder) == FILES


def test_every_truncation_and_missing_file_is_seen(tmp_path: Path) -> None:
    folder = commit_folder(tmp_path, "7", FILES)
    for path in folder.iterdir():
        whole = path.read_bytes()
        for changed in [*(whole[:length] for length in range(len(whole))), whole + b"\n"]:
            path.write_bytes(changed)
            with pytest.raises(IntegrityError):
                read_folder(folder)
        path.unlink()
        with pytest.raises(IntegrityError, match="No such file"):
            read_folder(folder)
        path.write_bytes(whole)
    assert read_folder(folder) == FILES


def test_swapped_files_are_seen(tmp_path: Path) -> None:
    folder = commit_folder(tmp_path, "7", {"a": b"1", "b": b"2"})
    (folder / "a").write_bytes(b"2")
    (folder / "b").write_bytes(b"1")
    with pytest.raises(IntegrityError, match="do not match"):
        read_folder(folder)


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "sub/file"])
def test_manifest_cannot_name_files_elsewhere(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_bytes(b"s")
    folder = commit_folder(tmp_path, "7", FILES)
    (folder / MANIFEST).write_bytes(to_json({"schema": 1, "files": {name: {}}}))
    with pytest.raises(IntegrityError, match="elsewhere"):
        read_folder(folder)


@pytest.mark.parametrize("text", ["[]", "{}", '{"files": 3}', '{"files": [3]}', "nothing", "\xff"])
def test_manifest_of_another_form(tmp_path: Path, text: str) -> None:
    folder = commit_folder(tmp_path, "7", FILES)
    (folder / MANIFEST).write_text(text, encoding="latin-1")
    with pytest.raises(IntegrityError, match="not a manifest"):
        read_folder(folder)


def test_discard(tmp_path: Path) -> None:
    commit_folder(tmp_path, "7", FILES)
    (tmp_path / "file").touch()
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    (tmp_path / "link").symlink_to(outside)
    for name in ("7", "file", "link", "missing"):
        discard(tmp_path / name)
    assert names(tmp_path) == ["outside"]
    assert names(outside) == ["kept"]


def test_sweep_removes_only_unfinished_writes(tmp_path: Path) -> None:
    kept = [".hidden", ".a.tmp", "a.0123456789abcdef.tmp", ".a.0123456789ABCDEF.tmp", "a"]
    for name in kept:
        (tmp_path / name).touch()
    (tmp_path / ".file.json.0123456789abcdef.tmp").touch()
    (tmp_path / ".0000000010.0123456789abcdef.tmp").mkdir()
    (tmp_path / ".0000000010.0123456789abcdef.tmp" / "part").touch()
    sweep(tmp_path)
    assert names(tmp_path) == sorted(kept)


def test_interrupt_leaves_nothing(tmp_path: Path) -> None:
    """Ctrl-C between two files: the exception passes, the temporary folder is gone."""

    class Interrupting(dict[str, bytes]):
        def items(self):  # type: ignore[no-untyped-def]
            yield "first", b"1"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        commit_folder(tmp_path, "7", Interrupting())
    assert names(tmp_path) == []
