from __future__ import annotations

import hashlib
import json
import os
import random
import re
from pathlib import Path
from typing import Any

import pytest
import safetensors
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save
from torch import Tensor

from faults import Worker
from nnatomy.errors import IntegrityError, RunError
from nnatomy.training import model_file
from nnatomy.training.model_file import SCHEMA_VERSION, read_model, write_model

METADATA: dict[str, Any] = {
    "model": "mlp",
    "labels": ["ja", "nein", "né", "日本", '"sha256":"' + "0" * 64 + '"'],
    "mean": [0.1, -1e300, 5e-324],
}


def tensors() -> dict[str, Tensor]:
    return {
        "0.weight": torch.arange(6.0).view(2, 3).t(),
        "sha256": torch.tensor([True, False, True]),
        'odd "name"\\': torch.tensor(3),
        "empty": torch.empty(0, 4),
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "model.nnatomy"
    write_model(path, tensors(), METADATA)
    return path


def resign(data: bytes) -> bytes:
    """The bytes with the digest that fits them, as someone who means harm would make it."""
    blank = re.sub(rb'"sha256":"[0-9a-f]{64}"', b'"sha256":"%s"' % (b"0" * 64), data, count=1)
    digest = hashlib.sha256(blank).hexdigest().encode()
    return blank.replace(b'"sha256":"%s"' % (b"0" * 64), b'"sha256":"%s"' % digest, 1)


def test_content_comes_back(path: Path) -> None:
    back, metadata = read_model(path)
    assert metadata == METADATA
    assert back.keys() == tensors().keys()
    for name, tensor in tensors().items():
        assert back[name].dtype == tensor.dtype
        assert torch.equal(back[name], tensor)


def test_plain_safetensors_reads_it(path: Path) -> None:
    for name, tensor in load_file(path).items():
        assert torch.equal(tensor, tensors()[name])
    with safetensors.safe_open(path, "pt") as file:
        held = file.metadata()
    assert held.keys() == {"nnatomy", "sha256"}
    assert json.loads(held["nnatomy"]) == {"schema": SCHEMA_VERSION, **METADATA}


def test_digest_by_its_definition(path: Path) -> None:
    """sha256 over the file with the digest's 64 characters as zeros."""
    returned = write_model(path, tensors(), METADATA)
    data = path.read_bytes()
    assert data.count(returned.encode()) == 1
    blank = data.replace(returned.encode(), b"0" * 64)
    assert hashlib.sha256(blank).hexdigest() == returned


def test_equal_content_gives_equal_bytes(path: Path) -> None:
    first = path.read_bytes()
    for _ in range(5):
        write_model(path, tensors(), METADATA)
        assert path.read_bytes() == first


any_text = st.text(st.characters(exclude_categories=()))


@given(
    st.dictionaries(st.text(), st.lists(st.floats(width=32), max_size=3), max_size=4),
    st.dictionaries(
        any_text.filter(lambda key: key != "schema"),
        any_text | st.floats(allow_nan=False, allow_infinity=False),
        max_size=3,
    ),
)
@settings(max_examples=60, deadline=None)
def test_anything_comes_back(
    tmp_path_factory: pytest.TempPathFactory,
    numbers: dict[str, list[float]],
    metadata: dict[str, Any],
) -> None:
    numbers.pop("__metadata__", None)
    path = tmp_path_factory.getbasetemp() / "anything.nnatomy"
    write_model(path, {name: torch.tensor(value) for name, value in numbers.items()}, metadata)
    back, again = read_model(path)
    assert again == metadata
    assert back.keys() == numbers.keys()
    for name, value in numbers.items():
        assert back[name].numpy().tobytes() == torch.tensor(value).numpy().tobytes()


def test_metadata_that_cannot_be_written(path: Path) -> None:
    before = path.read_bytes()
    for bad in ({"x": float("nan")}, {"schema": 7}):
        with pytest.raises(ValueError, match=r"schema|not JSON compliant"):
            write_model(path, {}, bad)
    assert path.read_bytes() == before


class TestDamage:
    def test_every_byte(self, path: Path) -> None:
        draw = random.Random(0)
        whole = path.read_bytes()
        for place in range(len(whole)):
            changed = bytearray(whole)
            changed[place] ^= 1 << draw.randrange(8)
            path.write_bytes(changed)
            with pytest.raises(IntegrityError, match=r"model\.nnatomy is"):
                read_model(path)

    def test_every_truncation(self, path: Path) -> None:
        whole = path.read_bytes()
        for length in range(len(whole)):
            path.write_bytes(whole[:length])
            with pytest.raises(IntegrityError):
                read_model(path)

    @pytest.mark.parametrize("more", [b"\0", b" ", b"x" * 1000])
    def test_appended_bytes(self, path: Path, more: bytes) -> None:
        path.write_bytes(path.read_bytes() + more)
        with pytest.raises(IntegrityError, match="is damaged"):
            read_model(path)
        path.write_bytes(resign(path.read_bytes()))
        with pytest.raises(IntegrityError, match="not a valid safetensors file"):
            read_model(path)

    @given(st.binary(max_size=300))
    @settings(deadline=None)
    def test_random_bytes(self, tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
        path = tmp_path_factory.getbasetemp() / "random.nnatomy"
        for content in (data, len(data).to_bytes(8, "little") + data):
            path.write_bytes(content)
            with pytest.raises(IntegrityError, match="not an nnatomy model file"):
                read_model(path)


class TestHostile:
    """Files whose digest fits, made to break the reader: typed errors only."""

    def test_changed_headers_with_a_fitting_digest(self, path: Path) -> None:
        draw = random.Random(1)
        whole = path.read_bytes()
        end = 8 + int.from_bytes(whole[:8], "little")
        refused = 0
        for _ in range(600):
            changed = bytearray(whole)
            for _ in range(draw.randint(1, 3)):
                changed[draw.randrange(end)] = draw.choice(b'0123456789{}[]":,abc\\-\x00\xff')
            path.write_bytes(resign(bytes(changed)))
            try:
                read_model(path)  # a changed label is no fault that a reader could see
            except IntegrityError:
                refused += 1
        assert refused > 200

    def with_metadata(self, path: Path, text: str) -> None:
        plain = save({"w": torch.ones(2)}, {"nnatomy": text, "sha256": "0" * 64})
        path.write_bytes(resign(plain))

    def test_plain_library_and_own_digest_make_a_model_file(self, path: Path) -> None:
        """So that the refusals below are due to the metadata alone."""
        self.with_metadata(path, '{"schema": 1, "a": 2}')
        assert read_model(path)[1] == {"a": 2}

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "[]",
            "{}",
            '{"schema": "1"}',
            '{"schema": true}',
            '{"schema": 1, "x": NaN}',
            '{"schema": 1, "x": -Infinity}',
            '{"schema": 1, "x": ' + "[" * 200_000,
            '{"schema": 1, "x": ' + "9" * 5000 + "}",
        ],
    )
    def test_metadata(self, path: Path, text: str) -> None:
        self.with_metadata(path, text)
        with pytest.raises(IntegrityError, match="not an nnatomy model file"):
            read_model(path)

    def test_newer_schema(self, path: Path) -> None:
        self.with_metadata(path, json.dumps({"schema": SCHEMA_VERSION + 1}))
        with pytest.raises(IntegrityError, match=r"version 2, this nnatomy reads up to 1: upgrade"):
            read_model(path)

    def test_length_beyond_the_file(self, path: Path) -> None:
        data = path.read_bytes()
        for length in (len(data) - 7, 2**31, 2**63, 2**64 - 1):
            path.write_bytes(length.to_bytes(8, "little") + data[8:])
            with pytest.raises(IntegrityError, match="too short or is no safetensors file"):
                read_model(path)

    def test_header_longer_than_the_library_takes(
        self, path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(model_file, "_MAX_HEADER", 100)
        with pytest.raises(IntegrityError, match="not an nnatomy model file"):
            read_model(path)

    @pytest.mark.parametrize("entry", [{}, {"sha256": "F" * 64}])
    def test_digest_outside_the_metadata(self, path: Path, entry: dict[str, str]) -> None:
        tensor = {"dtype": "F32", "shape": [0], "data_offsets": [0, 0], "sha256": "0" * 64}
        entries = {"__metadata__": {"nnatomy": '{"schema":1}', **entry}, "w": tensor}
        header = json.dumps(entries, separators=(",", ":"))
        path.write_bytes(resign(len(header).to_bytes(8, "little") + header.encode()))
        with pytest.raises(IntegrityError, match="not an nnatomy model file"):
            read_model(path)

    def test_shape_that_promises_more_than_is_there(self, path: Path) -> None:
        data = save({"w": torch.ones(4)}, {"nnatomy": '{"schema":1}', "sha256": "0" * 64})
        for shape in (b"[9]", b"[-4]", b"[4.]", b"[]"):
            path.write_bytes(resign(data.replace(b"[4]", shape.ljust(3))))
            with pytest.raises(IntegrityError):
                read_model(path)


def test_other_files(tmp_path: Path) -> None:
    path = tmp_path / "x"
    with pytest.raises(RunError, match=r"cannot read .*x: No such file"):
        read_model(path)
    with pytest.raises(RunError, match="is a folder, not a model file"):
        read_model(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    for device in (Path("/dev/zero"), tmp_path / "pipe"):
        with pytest.raises(RunError, match="is a device or a pipe"):
            read_model(device)
    for content in (b"", b"PK\3\4" + b"\0" * 100, save({"w": torch.ones(2)}), b"\x80\x04N."):
        path.write_bytes(content)
        with pytest.raises(IntegrityError, match="is not an nnatomy model file"):
            read_model(path)


def test_reading_opens_one_file_and_runs_nothing(
    worker: Worker, path: Path, tmp_path: Path
) -> None:
    warm, events = tmp_path / "warm.nnatomy", tmp_path / "events.json"
    write_model(warm, tensors(), METADATA)
    code = worker.run(job="read", path=str(path), warm=str(warm), events=str(events))
    assert code == 0
    assert json.loads(events.read_text()) == [f"open {path}"]
