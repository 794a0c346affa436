"""Finished runs that several tests look at; trained once."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import nnatomy

FAST = {"epochs": 3, "patience": "none"}


def flawed_rows(count=240, seed=3):
    """A table as people have them: mixed types, gaps, codes with zeros, twins, odd labels."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=count)
    price = [f"{value:.2f}" for value in 100 + 10 * x]
    for i in range(0, count, 17):
        price[i] = ""
    city = rng.choice(["Zürich", "Zu\u0308rich", "Bern", "Genf"], count)
    day = pd.date_range("2024-01-01", periods=count).strftime("%Y-%m-%d")
    label = np.where(x + rng.normal(scale=0.3, size=count) > 0, "NA", "=yes")
    return pd.DataFrame(
        {
            "id": range(1, count + 1),
            "plz": [f"{n:04d}" for n in rng.choice([7, 42, 8001, 3000], count)],
            "price": price,
            "city": city,
            "day": day,
            "flag": rng.choice(["yes", "no"], count),
            "constant": ["x"] * count,
            "answer": label,
        }
    )


@pytest.fixture(scope="session")
def flawed_csv(tmp_path_factory):
    path = tmp_path_factory.mktemp("flawed") / "flawed.csv"
    text = flawed_rows().to_csv(index=False)
    path.write_text(text + "1,2,3\n", encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def table_run(flawed_csv, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "table"
    return nnatomy.train(
        flawed_csv, "answer", settings={"hidden": "16", "epochs": 60, "lr": 0.01}, out=out
    )


@pytest.fixture(scope="session")
def regression_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "diabetes"
    return nnatomy.train("diabetes", settings={"epochs": 40, "hidden": (16,)}, out=out)


@pytest.fixture(scope="session")
def image_run(tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "digits"
    return nnatomy.train("digits", settings={"epochs": 4}, out=out)
