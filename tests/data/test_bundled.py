from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn import datasets

from nnatomy.data.bundled import bundled_names, describe_bundled, load_bundled
from nnatomy.errors import DataError

TABLES = {  # name: rows, features, target, classes
    "iris": (150, 4, "species", {"setosa", "versicolor", "virginica"}),
    "wine": (178, 13, "cultivar", {"class_0", "class_1", "class_2"}),
    "breast_cancer": (569, 30, "diagnosis", {"malignant", "benign"}),
    "diabetes": (442, 10, "progression", None),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(name):
    rows, features, target, classes = TABLES[name]
    frame = load_bundled(name)
    assert frame.shape == (rows, features + 1)
    assert frame.columns[-1] == target
    assert classes is None or set(frame[target]) == classes


def test_iris_keeps_the_species_of_its_rows():
    frame = load_bundled("iris")
    assert frame["species"].tolist() == ["setosa"] * 50 + ["versicolor"] * 50 + ["virginica"] * 50
    assert frame.iloc[0, :4].tolist() == [5.1, 3.5, 1.4, 0.2]


def test_diabetes_is_in_its_own_units():
    frame = load_bundled("diabetes")
    assert frame["age"].between(19, 79).all()
    assert frame["progression"].mean() == pytest.approx(152.133, abs=1e-3)


def test_digits_are_bytes_with_ink_16_as_255():
    images, labels = load_bundled("digits")
    inks = datasets.load_digits().images
    assert images.shape == (1797, 8, 8)
    assert images.dtype == np.uint8
    assert set(images[inks == 16]) == {255}
    assert set(images[inks == 0]) == {0}
    np.testing.assert_allclose(images, inks * 255 / 16, atol=0.5)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_every_name_can_be_loaded():
    for name in bundled_names():
        data = load_bundled(name)
        assert isinstance(data, pd.DataFrame) or name in ("digits", "scenes")


def test_a_misspelt_name_gets_a_hint():
    with pytest.raises(DataError, match="did you mean 'iris'"):
        load_bundled("irys")


def test_every_set_is_described_in_one_line():
    for name in bundled_names():
        text = describe_bundled(name)
        assert text.endswith(".")
        assert len(text) < 100
    assert describe_bundled("iris").startswith("150 iris flowers")
    with pytest.raises(DataError, match="did you mean 'iris'"):
        describe_bundled("irsi")
