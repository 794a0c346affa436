from __future__ import annotations

import math
import random
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from nnatomy.errors import IntegrityError, RunError
from nnatomy.training.atomic import commit_folder
from nnatomy.training.checkpoint import (
    VALUES,
    DamagedCheckpointWarning,
    _decode,
    _encode,
    load_latest,
    save,
)
from nnatomy.training.state import State
from nnatomy.training.tensor_file import decode_tensors, encode_tensors
from small_run import state_of


def steps(folder: Path) -> list[str]:
    return sorted(entry.name.lstrip("0") for entry in folder.iterdir())


def loaded_step(folder: Path) -> int:
    found = load_latest(folder)
    assert found is not None
    state, path = found
    step = state.values["step"]
    assert path.parent == folder
    assert torch.equal(state.tensors["w"], state_of(step).tensors["w"])
    return step


def test_nothing_saved_yet(tmp_path: Path) -> None:
    assert load_latest(tmp_path) is None


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (9, 10, 100, 1000):
        save(tmp_path, step, state_of(step), keep=3)
        assert loaded_step(tmp_path) == step
    assert steps(tmp_path) == ["10", "100", "1000"]
    save(tmp_path, 1001, state_of(1001), keep=1)
    assert steps(tmp_path) == ["1001"]


def test_second_save_of_a_step_is_the_newer(tmp_path: Path) -> None:
    for mark in (1, 2, 3):
        state = state_of(5)
        state.values["mark"] = mark
        save(tmp_path, 5, state)
    found = load_latest(tmp_path)
    assert found is not None
    assert found[0].values["mark"] == 3
    assert steps(tmp_path) == ["5.1", "5.2"]


def test_later_steps_belong_to_a_course_that_was_left(tmp_path: Path) -> None:
    save(tmp_path, 50, state_of(50))
    save(tmp_path, 40, state_of(40))
    assert steps(tmp_path) == ["40"]


def awkward_tensors() -> dict[str, Tensor]:
    base = torch.arange(24.0)
    complex_part = torch.tensor([1 + 2j, 3 - 4j])
    return {
        "shared.one": base,
        "shared.two": base,
        "part": base[3:7],
        "strided": base.view(4, 6).t()[::2],
        "expanded": torch.ones(1).expand(5, 2),
        "channels_last": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "empty": torch.empty(0, 3),
        "scalar": torch.tensor(2.5, dtype=torch.float64),
        "bool": torch.tensor([True, False]),
        "int64": torch.tensor([2**62, -1]),
        "uint8": torch.get_rng_state(),
        "bfloat16": torch.randn(3).bfloat16(),
        "half": torch.randn(3).half(),
        "non_finite": torch.tensor([math.nan, math.inf, -math.inf, -0.0]),
        "leaf": torch.nn.Parameter(torch.ones(2)),
        "conjugate": complex_part.conj().imag,
    }


def test_every_kind_of_tensor_comes_back_to_the_bit(tmp_path: Path) -> None:
    tensors = awkward_tensors()
    save(tmp_path, 1, State(dict(tensors), {}))
    found = load_latest(tmp_path)
    assert found is not None
    back = found[0].tensors
    assert back.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert back[name].dtype == tensor.dtype
        assert back[name].shape == tensor.shape
        assert back[name].is_contiguous()
        bits = [t.detach().contiguous().reshape(-1).view(torch.uint8) for t in (back[name], tensor)]
        assert torch.equal(*bits), name


def test_saved_state_shares_no_memory(tmp_path: Path) -> None:
    tensor = torch.zeros(3)
    save(tmp_path, 1, State({"w": tensor}, {}))
    found = load_latest(tmp_path)
    assert found is not None
    found[0].tensors["w"].add_(1)
    assert tensor.tolist() == [0, 0, 0]


def test_decoding_other_bytes() -> None:
    data = encode_tensors({"w": torch.ones(3)})
    for bad in (b"", data[:-1], data + b"\0", b"\xff" * 40):
        with pytest.raises(IntegrityError, match="not a valid safetensors file"):
            decode_tensors(bad)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@given(values)
def test_values_come_back_exactly(value: object) -> None:
    assert _decode(_encode(value)) == value


def test_non_finite_values_and_look_alikes(tmp_path: Path) -> None:
    held = {
        "nan": math.nan,
        "texts": ["nan", "inf", "-inf"],
        "both": [-math.inf, math.inf],
        "t": (1,),
    }
    save(tmp_path, 1, State({}, held))
    found = load_latest(tmp_path)
    assert found is not None
    back = found[0].values
    assert math.isnan(back["nan"])
    assert back["texts"] == ["nan", "inf", "-inf"]
    assert back["both"] == [-math.inf, math.inf]
    assert back["t"] == [1]


def test_any_damage_is_told_and_the_one_before_is_used(tmp_path: Path) -> None:
    """A random bit of sampled bytes of each file, and each file missing."""
    draw = random.Random(0)
    save(tmp_path, 10, state_of(10))
    newest = save(tmp_path, 20, state_of(20))
    for path in sorted(newest.iterdir()):
        whole = path.read_bytes()
        for place in draw.sample(range(len(whole)), 40):
            changed = bytearray(whole)
            changed[place] ^= 1 << draw.randrange(8)
            path.write_bytes(changed)
            with pytest.warns(DamagedCheckpointWarning, match="0000000020 is damaged") as caught:
                assert loaded_step(tmp_path) == 10
            assert len(caught) == 1
            assert "\n" not in str(caught[0].message)
            (tmp_path / "0000000020.damaged").rename(newest)
        path.unlink()
        with pytest.warns(DamagedCheckpointWarning):
            assert loaded_step(tmp_path) == 10
        (tmp_path / "0000000020.damaged").rename(newest)
        path.write_bytes(whole)
    assert loaded_step(tmp_path) == 20


def test_damaged_one_is_told_once_and_goes_after_the_next_save(tmp_path: Path) -> None:
    save(tmp_path, 10, state_of(10))
    (save(tmp_path, 20, state_of(20)) / VALUES).write_text("{}")
    with pytest.warns(DamagedCheckpointWarning):
        assert loaded_step(tmp_path) == 10
    assert loaded_step(tmp_path) == 10
    assert steps(tmp_path) == ["10", "20.damaged"]
    save(tmp_path, 30, state_of(30))
    assert steps(tmp_path) == ["10", "30"]


def test_all_damaged(tmp_path: Path) -> None:
    for step in (10, 20):
        (save(tmp_path, step, state_of(step)) / VALUES).unlink()
    with (
        pytest.warns(DamagedCheckpointWarning),
        pytest.raises(RunError, match=r"every checkpoint .* is damaged; start again"),
    ):
        load_latest(tmp_path)
    with pytest.raises(RunError, match="every checkpoint"):  # and does not begin anew in silence
        load_latest(tmp_path)


def test_whole_folder_that_is_no_checkpoint(tmp_path: Path) -> None:
    commit_folder(tmp_path, "0000000010", {"other": b"x"})
    with pytest.warns(DamagedCheckpointWarning, match="not a checkpoint"), pytest.raises(RunError):
        load_latest(tmp_path)


def test_folder_is_gone(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="No such file"):
        load_latest(tmp_path / "gone")
    with pytest.raises(RunError, match="No such file"):
        save(tmp_path / "gone", 1, state_of(1))


def test_other_entries_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").touch()
    save(tmp_path, 1, state_of(1), keep=1)
    save(tmp_path, 2, state_of(2), keep=1)
    assert steps(tmp_path) == ["2", "notes.txt"]
