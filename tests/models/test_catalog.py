"""Networks by name: settings as text, hints for misspellings, bounds."""

from __future__ import annotations

from typing import Any

import pytest
from torch import nn

from nnatomy.errors import SettingError
from nnatomy.models.catalog import (
    CATALOG,
    build_network,
    checked_settings,
    default_network,
    entry_of,
    network_settings,
)
from nnatomy.training.objectives import OBJECTIVES
from nnatomy.training.settings import settings_from


def widths(network: nn.Module) -> list[tuple[int, int]]:
    return [(m.in_features, m.out_features) for m in network.modules() if isinstance(m, nn.Linear)]


@pytest.mark.parametrize("hidden", ["64,32", " 64 , 32 ", [64, 32], (64, 32), ["64", 32]])
def test_widths_as_text_or_numbers(hidden: Any) -> None:
    network = build_network("mlp", (7,), 2, {"hidden": hidden})
    assert widths(network) == [(7, 64), (64, 32), (32, 2)]


@pytest.mark.parametrize("hidden", ["none", []])
def test_no_hidden_layer(hidden: Any) -> None:
    assert widths(build_network("mlp", (7,), 2, {"hidden": hidden})) == [(7, 2)]


@pytest.mark.parametrize("hidden", ["9", 9, 9.0])
def test_one_width(hidden: Any) -> None:
    assert widths(build_network("mlp", (2, 3, 4), 5, {"hidden": hidden})) == [(24, 9), (9, 5)]


@pytest.mark.parametrize(
    ("text", "value"), [("true", True), ("No", False), ("1", True), (False, False)]
)
def test_switches(text: Any, value: bool) -> None:
    assert checked_settings("mlp", {"batch_norm": text}) == {"batch_norm": value}


def test_numbers_and_names() -> None:
    given = {"dropout": "0.5", "kernel": "5", "activation": "tanh"}
    expected = {"dropout": 0.5, "kernel": 5, "activation": "tanh"}
    assert checked_settings("lenet", given) == expected


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("mlp", {"hiden": "3"}, r"'mlp' has no setting 'hiden': did you mean 'hidden'\?"),
        ("perceptron", {"hidden": "3"}, "has no setting 'hidden': it has no settings"),
        ("mpl", {}, r"network 'mpl' is unknown: did you mean 'mlp'\?"),
        ("mlp", {"hidden": "a,b"}, "'hidden' takes whole numbers separated by commas"),
        ("mlp", {"hidden": "3.5"}, "'hidden' takes whole numbers"),
        ("mlp", {"hidden": [2.5]}, "'hidden' takes whole numbers"),
        ("mlp", {"hidden": True}, "'hidden' takes whole numbers"),
        ("mlp", {"hidden": "0"}, "every width must be at least 1"),
        ("mlp", {"hidden": "-3"}, "every width must be at least 1"),
        ("mlp", {"hidden": "2000000001"}, "'hidden' takes whole numbers"),
        ("mlp", {"hidden": ",".join(["1"] * 1001)}, "'hidden' takes whole numbers"),
        ("mlp", {"hidden": "100000,100000"}, "more than 2,000,000,000 parameters"),
        ("mlp", {"hidden": "2000000000,2000000000"}, "more than 2,000,000,000 parameters"),
        ("mlp", {"dropout": "1"}, "dropout must be at least 0 and below 1"),
        ("mlp", {"dropout": "nan"}, "dropout must be"),
        ("mlp", {"dropout": "much"}, "'dropout' takes a number"),
        ("mlp", {"batch_norm": "maybe"}, "'batch_norm' takes true or false"),
        ("mlp", {"residual": "true", "hidden": "8,4"}, "residual needs a hidden layer as wide as"),
        ("mlp", {"activation": "rellu"}, r"did you mean 'relu'\?"),
        ("mlp", {"init": "he_normale"}, r"did you mean 'he_normal'\?"),
        ("lenet", {"kernel": "4"}, "kernel must be odd"),
        ("lenet", {"kernel": 3.5}, "'kernel' takes a whole number"),
        ("lenet", {"channels": "none"}, "must be positive"),
        ("lenet", {"channels": ""}, "whole numbers separated by commas"),
        ("mlp", {"hidden": ""}, "whole numbers separated by commas"),
        ("lenet", {"channels": "8,0"}, "must be positive"),
        ("lenet", {"hidden": "0"}, "must be positive"),
        ("lenet", {"dropout": "-0.1"}, "dropout must be"),
    ],
)
def test_a_mistake_is_named(name: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(SettingError, match=message) as caught:
        build_network(name, (1, 8, 8), 2, settings)
    assert "\n" not in str(caught.value)


def test_rows_are_no_images() -> None:
    with pytest.raises(SettingError, match="takes images"):
        build_network("lenet", (64,), 2, {})


def test_default_network() -> None:
    assert default_network((64,)) == "mlp"
    assert default_network((1, 8, 8)) == "lenet"


@pytest.mark.parametrize("name", CATALOG)
def test_entry_names_things_that_exist(name: str) -> None:
    entry = CATALOG[name]
    assert set(entry.objectives) <= {"classification", "regression"}
    assert set(entry.objectives.values()) <= set(OBJECTIVES)
    settings_from(dict(entry.defaults))
    settings_from(dict(entry.bare or {}))
    assert checked_settings(name, network_settings(name)) == {
        key: tuple(value) if isinstance(value, tuple) else value
        for key, value in network_settings(name).items()
    }


def test_training_that_suits_googlenet_depends_on_its_form() -> None:
    entry = entry_of("googlenet")
    assert entry.training({"width": 8}) == entry.training({"batch_norm": True}) == entry.defaults
    assert entry.training({"batch_norm": False})["lr"] == 0.0005
    assert entry_of("mlp").training({"batch_norm": False}) == entry_of("mlp").defaults
