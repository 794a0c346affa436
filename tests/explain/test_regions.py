"""Boxes and counts on maps drawn by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from nnatomy.errors import SettingError
from nnatomy.explain import Box, Explanation, boxes, count


def by_hand(*rows: str) -> Explanation:
    """One map; a digit is a value in tenths, a letter a negative one."""
    values = torch.tensor([[int(c) / 10 if c.isdigit() else -0.9 for c in row] for row in rows])
    one = torch.zeros(1, dtype=torch.long)
    return Explanation(values[None], values[None], one, "cam", torch.zeros(1, 2))


def test_the_largest_region_above_the_share_is_framed():
    found = by_hand(
        "9900000",
        "9900300",
        "00x0330",
        "0000330",
        "1000030",
    )
    assert boxes(found) == [Box(left=4, top=1, right=6, bottom=5)]
    assert boxes(found, share=0.5) == [Box(0, 0, 2, 2)]
    assert count(found, share=0.2).tolist() == [2]
    assert count(found, share=0.1).tolist() == [3]
    assert count(found, share=0.1, smallest=2 / 35).tolist() == [2]


def test_shares_are_least_values():
    found = by_hand("8004", "0000", "0200", "0200")
    assert boxes(found, share=1.0) == [Box(0, 0, 1, 1)]
    assert count(found, share=0.5).tolist() == [2]
    assert count(found, share=0.25).tolist() == [3]
    assert count(found, share=0.25, smallest=2 / 16).tolist() == [1]


def test_pixels_that_touch_at_a_corner_belong_together():
    assert count(by_hand("900", "090", "009")).tolist() == [1]
    assert count(by_hand("900", "000", "009")).tolist() == [2]


def test_a_map_without_anything_positive_has_no_box():
    assert boxes(by_hand("xx", "xx")) == [None]
    assert boxes(by_hand("00", "00")) == [None]
    assert count(by_hand("0x", "00")).tolist() == [0]


def test_several_maps_are_counted_one_by_one():
    values = torch.zeros(3, 20, 20)
    for n in range(3):
        for k in range(n + 1):
            values[n, 6 * k : 6 * k + 3, 2:5] = 1 + n
    found = Explanation(values, values, torch.zeros(3, dtype=torch.long), "cam", torch.zeros(3, 2))
    assert count(found).tolist() == [1, 2, 3]
    assert count(found).dtype == np.int64


@pytest.mark.parametrize("share", [0, -0.1, 1.1, float("nan")])
def test_shares_that_cannot_be(share):
    with pytest.raises(SettingError, match="share must be"):
        boxes(by_hand("1"), share)
    with pytest.raises(SettingError, match="smallest must be"):
        count(by_hand("1"), smallest=1.0)
