"""Targets of tables and of images come from one code: clipped, matched and described alike."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from nnatomy.data.image_codec import ImageCodec
from nnatomy.data.image_decode import Framing
from nnatomy.data.image_normalize import Normalizer
from nnatomy.data.schema import Schema
from nnatomy.data.table_codec import TableCodec
from nnatomy.data.table_encode import Encoder
from nnatomy.data.target_code import TargetCode, description
from nnatomy.data.task import Task
from nnatomy.errors import IntegrityError

AMOUNTS = Task("regression", "", "price")
CODECS = [
    TableCodec(AMOUNTS, Schema(()), Encoder(()), 1.0, 1e-30),
    ImageCodec(AMOUNTS, Framing((2, 2), 1), Normalizer([0.0], [1.0]), False, 1.0, 1e-30),
]


@pytest.mark.parametrize("codec", CODECS, ids=["table", "images"])
def test_every_codec_keeps_targets_within_float32(codec):
    largest = float(np.finfo(np.float32).max)
    targets = codec.encode_target(np.array([1.0, 1e20, -1e20]))
    assert targets.dtype == torch.float32
    assert targets[:, 0].tolist() == [0.0, largest, -largest]


@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9),
    st.floats(-1e3, 1e3),
    st.floats(0.1, 1e3),
)
def test_decoding_undoes_encoding(values, mean, std):
    code = TargetCode(AMOUNTS, mean, std)
    decoded = code.decode(code.encode(np.array(values)).numpy())
    np.testing.assert_allclose(decoded[:, 0], values, rtol=1e-5, atol=1e-5 * (abs(mean) + std))


def test_classes_are_indices():
    code = TargetCode(Task("classification", "", "digit", (3, 7, "x")))
    values = code.values([7, "7", 7.0, np.int64(3), " x"])
    assert code.encode(values).tolist() == [1, 1, 1, 0, 2]
    assert code.match([7.0, "3", None, "y"]) == [7, 3, None, None]


def test_answers_that_are_missing_are_zeros():
    assert TargetCode(AMOUNTS, 5.0, 2.0).blank(3).tolist() == [[0.0]] * 3
    assert TargetCode(Task("classification", "", "t", ("a", "b"))).blank(2).tolist() == [0, 0]


def test_numbers_match_only_numbers():
    assert TargetCode(AMOUNTS).match([2, 0.5, "2", None]) == [2.0, 0.5, None, None]


@pytest.mark.parametrize(
    "code",
    [
        TargetCode(AMOUNTS, 0.1, 1 / 3),
        TargetCode(Task("classification", "why", "t", (1, 2.5, "a", True))),
    ],
)
def test_json_round_trip(code):
    assert TargetCode.from_json(json.loads(json.dumps(code.to_json()))) == code


@pytest.mark.parametrize(
    "change", [{"format": "images"}, {"version": 2}, {"task": None}, {"target_std": "much"}]
)
def test_other_descriptions_are_refused(change):
    values = {"format": "table", "version": 1, **TargetCode(AMOUNTS).to_json()} | change
    with pytest.raises(IntegrityError, match="table is not usable"), description(values, "table"):
        TargetCode.from_json(values)
