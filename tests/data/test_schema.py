"""Type inference of columns."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from nnatomy.data.schema import Column, Schema, check_kinds, infer_column
from nnatomy.errors import DataError, SettingError


def infer(cells: list[object], *, is_text: bool = True, kind: str | None = None) -> object:
    return infer_column(pd.Series(cells, dtype=object), "c", is_text=is_text, kind=kind)  # type: ignore[arg-type]


LETTERS = ["a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1.5", "2", "-3e4", "+.5"], "number"),
        (["1.5", "NA", "?", ""], "number"),
        (["1", "2", "2", "7"], "number"),
        (["1", "2", "3", "4"], "id"),
        (["30", "20", "10", "0"], "id"),
        (["4", "2", "3", "1"], "id"),
        (["007", "008", "007", "008"], "category"),
        (["3,5", "2", "-1,25", ""], "number"),
        (["1_000", "2_000", "1_000", "2_000"], "category"),
        (["0x1", "0x2", "0x1", "0x2"], "category"),
        (["NA", "b", "NA", "b"], "category"),
        (["yes", "No", "yes", ""], "boolean"),
        (["yes", "yes", "yes", ""], "category"),
        (["5", "5", "5", "5"], "constant"),
        (["a", "a", "a", "a"], "constant"),
        (["", "", "NA", "?"], "constant"),
        (LETTERS, "id"),
        (["a", "b", "c", "c"], "text"),
        (["2020-01-01", "2020-02-01 12:30", "NA", "2021-01-01"], "date"),
        (["2020-13-01", "2020-13-01", "2020-01-01", "2020-01-01"], "category"),
        (["1.2.2020", "13.2.2020", "14.2.2020", ""], "date"),
        (["1/2/2020", "1/13/2020", "1/14/2020", ""], "date"),
    ],
)
def test_texts(cells: list[object], kind: str) -> None:
    assert infer(cells).column.kind == kind  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        (["1", "2", "1", "2"], "category"),
        ([True, False, None, True], "boolean"),
        ([1, 2.5, None, 9], "number"),
        ([1.5, "n/a", 2.5, 9.0], "number"),
        ([1.5, "x", 2.5, 9.0], "id"),
        ([None, None, None, None], "constant"),
        ([pd.Timestamp("2020-01-01"), None, pd.Timestamp("2020-01-05"), None], "date"),
        ([[1], [2], [1], [2]], "category"),
    ],
)
def test_objects_keep_their_types(cells: list[object], kind: str) -> None:
    assert infer(cells, is_text=False).column.kind == kind  # type: ignore[attr-defined]


def test_numbers_as_texts_in_a_typed_source_are_told() -> None:
    found = infer(["1", "2", "1", "2"], is_text=False)
    assert [f.code for f in found.findings] == ["numbers-as-text"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("dtype", "kind"),
    [("Int64", "number"), ("float32", "number"), ("boolean", "boolean"), ("category", "number")],
)
def test_pandas_own_types(dtype: str, kind: str) -> None:
    series = pd.Series([1, 0, 0, 1, 1], dtype=dtype)
    found = infer_column(series, "c", is_text=False)
    if dtype == "category":  # the user's own type: levels, not amounts
        assert found.column.kind == "category"
        assert found.values.tolist() == ["1", "0", "0", "1", "1"]
    else:
        assert found.column.kind == kind
        assert found.values.tolist() == [1.0, 0.0, 0.0, 1.0, 1.0]


def test_values() -> None:
    np.testing.assert_array_equal(infer(["1.5", "NA", "inf"]).values, [1.5, np.nan, np.inf])  # type: ignore[attr-defined]
    np.testing.assert_array_equal(infer(["1.234,5", "2", "7"]).values, [1234.5, 2.0, 7.0])  # type: ignore[attr-defined]
    days = infer(["1970-01-02", "1970-01-03 06:00", ""]).values  # type: ignore[attr-defined]
    np.testing.assert_array_equal(days, [1.0, 2.25, np.nan])


def test_decimal_commas_and_ambiguous_dates_are_told() -> None:
    commas = infer(["3,5", "2,5"])
    assert [f.code for f in commas.findings] == ["decimal-comma"]  # type: ignore[attr-defined]
    dates = infer(["1/2/2020", "3/4/2020"])
    assert [f.code for f in dates.findings] == ["ambiguous-dates"]  # type: ignore[attr-defined]
    assert dates.column.date_format == "%d/%m/%Y"  # type: ignore[attr-defined]


def test_unicode_twins_are_merged_and_listed() -> None:
    found = infer(["caf\u00e9", "cafe\u0301", "tea", " tea"] * 2)
    assert found.unique == 2  # type: ignore[attr-defined]
    assert set(found.values) == {"caf\u00e9", "tea"}  # type: ignore[attr-defined]
    assert [f.code for f in found.findings] == ["unicode-twins"] * 2  # type: ignore[attr-defined]
    assert "' tea'" in found.findings[1].message  # type: ignore[attr-defined]


def test_a_hundred_levels_are_a_category_and_one_more_is_text() -> None:
    assert infer([f"v{i % 100}" for i in range(300)]).column.kind == "category"  # type: ignore[attr-defined]
    assert infer([f"v{i % 101}" for i in range(303)]).column.kind == "text"  # type: ignore[attr-defined]


def test_a_rare_slip_in_numbers_is_missing_and_told() -> None:
    cells = [f"{i / 7:.3f}" for i in range(199)]
    found = infer([*cells, "12kg"])
    assert found.column.kind == "number"  # type: ignore[attr-defined]
    assert np.isnan(found.values[-1])  # type: ignore[attr-defined]
    assert "'12kg'" in found.findings[0].message  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("cells", "values", "code"),
    [
        (["916", "1,011", "3,747", ""], [916.0, 1011.0, 3747.0, np.nan], "thousands-commas"),
        (["1,011", "3,747", "9,747"], [1011.0, 3747.0, 9747.0], "ambiguous-numbers"),
        (["50%", "7.5%", "NA"], [50.0, 7.5, np.nan], "numbers-with-units"),
        (["$3.50", "$12", "$8"], [3.5, 12.0, 8.0], "numbers-with-units"),
    ],
)
def test_marked_numbers_are_read_and_told(
    cells: list[object], values: list[float], code: str
) -> None:
    for kind in (None, "number"):
        found = infer(cells, kind=kind)
        np.testing.assert_array_equal(found.values, values)  # type: ignore[attr-defined]
        assert [f.code for f in found.findings] == [code]  # type: ignore[attr-defined]
        again, odd = found.column.read(pd.Series(cells, dtype=object))  # type: ignore[attr-defined]
        np.testing.assert_array_equal(again, values)
        assert not len(odd)


def test_minus_signs_and_spaces_are_parts_of_numbers() -> None:
    found = infer(["\u22123.2", "1 000", "2\u00a0500", "7"])
    np.testing.assert_array_equal(found.values, [-3.2, 1000.0, 2500.0, 7.0])  # type: ignore[attr-defined]
    assert found.findings == ()  # type: ignore[attr-defined]


def test_codes_with_a_letter_keep_their_zeros() -> None:
    found = infer(["007X", "008X"] * 3)
    assert set(found.values) == {"007X", "008X"}  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["year", " Time", "x", "t", "Age"])
def test_a_grid_of_a_telling_name_is_no_row_number(name: str) -> None:
    series = pd.Series(range(1900, 2000))
    assert infer_column(series, name, is_text=False).column.kind == "number"
    assert infer_column(series, "no", is_text=False).column.kind == "id"


def test_a_told_date_may_still_be_ambiguous() -> None:
    found = infer(["1/2/2020", "3/4/2020"], kind="date")
    assert [f.code for f in found.findings] == ["ambiguous-dates"]  # type: ignore[attr-defined]


def test_the_user_decides() -> None:
    assert infer(["1", "2", "3"], kind="number").column.kind == "number"  # type: ignore[attr-defined]
    assert infer(["1", "2", "3"], kind="category").values.tolist() == ["1", "2", "3"]  # type: ignore[attr-defined]
    assert infer(["1,5", "2,5", "x"], kind="number").values[0] == 1.5  # type: ignore[attr-defined]
    assert infer(["3.1.1970", "x", "y"], kind="date").values[0] == 2.0  # type: ignore[attr-defined]
    with pytest.raises(DataError, match="did you mean 'age'"):
        check_kinds({"aeg": "number"}, ["age", "b"])
    with pytest.raises(SettingError, match="did you mean 'number'"):
        check_kinds({"age": "numbr"}, ["age"])


def test_the_schema_survives_json() -> None:
    schema = Schema(
        (Column("a", "number", "why", comma=True), Column("b", "date", "", False, "%Y"))
    )
    assert Schema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    with pytest.raises(ValueError, match="cannot be of kind 'id'"):
        Schema.from_json(Schema((Column("a", "id", ""),)).to_json())
