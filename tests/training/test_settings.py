"""Training settings: ranges, names, texts."""

from __future__ import annotations

import math
import os
from typing import Any

import pytest

from nnatomy.errors import SettingError
from nnatomy.training.settings import Settings, setting_names, setting_phrases, settings_from


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", -1),
        ("batch_size", 0),
        ("patience", 0),
        ("threads", 0),
        ("threads", 100_000),
        ("threads", 4 * (os.cpu_count() or 1) + 1),
        ("lr", 0.0),
        ("lr", -0.1),
        ("lr", math.inf),
        ("lr", math.nan),
        ("l2", -1e-9),
        ("l2", math.nan),
        ("tol", -1.0),
        ("weight_tol", -1.0),
        ("weight_tol", 1.0),
        ("error_rate", -1.0),
        ("error_rate", 1.0),
        ("error_rate", math.nan),
        ("seed", -1),
        ("clip_norm", 0.0),
        ("clip_norm", math.nan),
        ("momentum", 1.0),
        ("momentum", -0.1),
        ("monitor", "accuracy"),
        ("precision", "float16"),
    ],
)
def test_values_that_cannot_be_meant(name: str, value: Any) -> None:
    with pytest.raises(SettingError, match=name):
        Settings(**{name: value})


def test_infinite_is_not_called_too_small() -> None:
    with pytest.raises(SettingError, match="l2 must be a finite number, got inf"):
        Settings(l2=math.inf)


def test_every_setting_has_a_phrase() -> None:
    phrases = setting_phrases()
    assert list(phrases) == setting_names()
    assert all(10 < len(phrase) < 120 for phrase in phrases.values()), phrases
    assert phrases["epochs"] == "Passes over the training records at most"
    assert phrases["threads"].startswith("CPU threads")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("epochs", 0),
        ("batch_size", 1),
        ("batch_size", None),
        ("patience", None),
        ("clip_norm", None),
        ("momentum", 0.0),
        ("l2", 0.0),
        ("error_rate", 0.0),
        ("error_rate", None),
        ("seed", 2**31),
        ("threads", 4 * (os.cpu_count() or 1)),
    ],
)
def test_ends_of_the_ranges(name: str, value: Any) -> None:
    assert getattr(Settings(**{name: value}), name) == value


def test_settings_from_texts() -> None:
    settings = settings_from({"epochs": "7", "lr": "1e-2", "batch_size": "none", "shuffle": "no"})
    assert settings == Settings(epochs=7, lr=0.01, batch_size=None, shuffle=False)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"learning_rat": 1}, "'learning_rat' is unknown"),
        ({"epoch": 3}, r"'epoch' is unknown: did you mean 'epochs'\?"),
        ({"epochs": "ten"}, "'epochs' takes a whole number"),
        ({"epochs": 1.5}, "'epochs' takes a whole number"),
        ({"lr": "fast"}, "'lr' takes a number"),
        ({"shuffle": "perhaps"}, "'shuffle' takes true or false"),
        ({"epochs": None}, "'epochs' takes a whole number"),
    ],
)
def test_a_mistake_is_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        settings_from(values)


def test_every_default_is_in_range_and_named() -> None:
    assert (
        settings_from({name: getattr(Settings(), name) for name in setting_names()}) == Settings()
    )
