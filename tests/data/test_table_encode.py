"""Codes of columns, against plain arithmetic."""

from __future__ import annotations

import json
import math
from collections import Counter
from fractions import Fraction

import numpy as np
import pytest

from nnatomy.data.schema import Column
from nnatomy.data.table_encode import Encoder, Tally, fit_code, mean_and_std

NAN = math.nan


def encode(code: object, values: list[object]) -> tuple[list[list[float]], Tally]:
    tally = Tally()
    dtype = object if any(isinstance(v, str) for v in values) else float
    out = Encoder((code,)).encode([np.array(values, dtype=dtype)], tally)  # type: ignore[arg-type]
    assert out.dtype == np.float32
    return out.tolist(), tally


def column(kind: str) -> Column:
    return Column("c", kind, "")  # type: ignore[arg-type]


def test_numbers_are_standardised() -> None:
    code = fit_code(column("number"), np.array([1.0, 2.0, 3.0, 6.0]))
    std = math.sqrt(Fraction(14, 4))  # squared deviations 4, 1, 0, 9 from the mean 3
    rows, tally = encode(code, [3.0, 6.0, NAN])
    assert rows[0] == [0.0]
    assert rows[1][0] == pytest.approx(3 / std, rel=1e-7)
    assert rows[2] == [0.0]
    assert tally.counts == Counter({("filled-missing", "c"): 1})


def test_a_missing_number_is_told_to_the_network_when_training_had_one() -> None:
    code = fit_code(column("number"), np.array([1.0, NAN, 3.0]))
    rows, tally = encode(code, [NAN, 3.0, math.inf])
    assert rows == [[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]
    assert tally.counts == Counter({("infinite", "c"): 1})


def test_far_values_are_clipped_and_counted() -> None:
    code = fit_code(column("number"), np.array([-1.0, 1.0]))
    rows, tally = encode(code, [1e308, -1e9, 999.0, -1e308])
    assert rows == [[1000.0], [-1000.0], [999.0], [-1000.0]]
    assert tally.counts == Counter({("clipped-values", "c"): 3})


@pytest.mark.parametrize(
    "values",
    [
        [1e308, -1e308, 5e307],
        [1e-300, 3e-300],
        [1e9, 1e9 + 1, 1e9 + 5],
        [0.1, 0.7, -5.5, 1e15],
        [5e-324, 0.0],
    ],
)
def test_mean_and_deviation_are_right_at_any_scale(values: list[float]) -> None:
    exact = [Fraction(value) for value in values]
    mean = sum(exact) / len(exact)
    variance = sum((value - mean) ** 2 for value in exact) / len(exact)
    unit = Fraction(max(map(abs, values)))
    found_mean, found_std = mean_and_std(np.array(values))
    assert float((Fraction(found_mean) - mean) / unit) == pytest.approx(0.0, abs=1e-15) or (
        unit < Fraction(1e-320)
    )
    assert found_std > 0
    if unit > Fraction(1e-320):
        ratio = Fraction(found_std) ** 2 / variance
        assert float(ratio) == pytest.approx(1.0, rel=1e-6)


def test_constant_and_empty_numbers_have_deviation_one() -> None:
    assert mean_and_std(np.array([0.1] * 7)) == (0.1, 1.0)
    assert mean_and_std(np.array([])) == (0.0, 1.0)


def test_booleans_keep_zero_and_one() -> None:
    code = fit_code(column("boolean"), np.array([1.0, 0.0, 0.0, 0.0]))
    rows, _ = encode(code, [1.0, 0.0, NAN])
    assert rows == [[1.0], [0.0], [0.25]]


def test_rare_missing_and_unseen_levels_share_one_trained_input() -> None:
    values = np.array(["b", "a", "b", "a", "once", None], dtype=object)
    code = fit_code(column("category"), values)
    rows, tally = encode(code, ["a", "b", "once", "new", None])
    assert rows == [[1, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1], [0, 0, 1]]
    assert tally.counts["unknown-category", "c"] == 2
    assert "'once', 'new'" in tally.findings()[0].message


def test_an_unseen_level_is_the_average_where_unknown_was_not_trained() -> None:
    values = np.array(["a", "b", "a", "a", "b"], dtype=object)
    code = fit_code(column("category"), values)
    rows, tally = encode(code, ["a", "new", None])
    assert rows[0] == [1.0, 0.0]
    np.testing.assert_allclose(rows[1:], [[0.6, 0.4], [0.6, 0.4]], rtol=1e-7)
    assert tally.counts == Counter({("unknown-category", "c"): 1, ("filled-missing", "c"): 1})


def test_dates_are_days_and_the_cycles_that_vary() -> None:
    monday = np.datetime64("2024-01-01")
    days = (monday + np.array([0, 1, 7])).astype("datetime64[D]").astype(float)
    code = fit_code(column("date"), days)
    assert code.cycles == ("weekday",)  # type: ignore[union-attr]
    rows, _ = encode(code, [days[1], NAN])
    std = math.sqrt(Fraction(64 + 25 + 169, 27))  # days 0, 1, 7: deviations -8/3, -5/3, 13/3
    angle = 2 * math.pi / 7
    expected = [(1 - 8 / 3) / std, math.sin(angle), math.cos(angle)]
    np.testing.assert_allclose(rows, [expected, [0.0, 0.0, 0.0]], atol=1e-6)


def test_month_and_hour() -> None:
    stamps = np.array(["2024-01-31T06:00", "2024-04-01T18:00"], "datetime64[m]")
    code = fit_code(column("date"), stamps.astype(float) / 1440)
    rows, _ = encode(code, list(stamps.astype(float) / 1440))
    assert code.cycles == ("month", "weekday", "hour")  # type: ignore[union-attr]
    np.testing.assert_allclose(rows[1][1:3], [1.0, 0.0], atol=1e-6)  # April: a quarter turn
    np.testing.assert_allclose([r[5] for r in rows], [1.0, -1.0], atol=1e-6)


def test_codes_survive_json_to_the_last_bit() -> None:
    rng = np.random.default_rng(0)
    codes = (
        fit_code(column("number"), rng.normal(size=9) * 1e-7 / 3),
        fit_code(column("boolean"), np.array([1.0, 0.0, NAN])),
        fit_code(column("date"), rng.normal(size=9) * 1e4),
        fit_code(column("category"), np.array(["é", "é", "b"], dtype=object)),
    )
    encoder = Encoder(codes)
    assert Encoder.from_json(json.loads(json.dumps(encoder.to_json()))) == encoder
