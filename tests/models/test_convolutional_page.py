"""The table of the page on convolutional networks is what the networks are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from nnatomy import models
from nnatomy.models.catalog import CATALOG, build_network
from nnatomy.models.summary import count_parameters, summarize

PAGE = Path(__file__).parents[2] / "docs" / "convolutional_networks.md"
ROWS = {
    name: cells.split(" | ")
    for name, cells in re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE.read_text("utf-8"), re.M)
}


def facts(network: nn.Module, side: int) -> tuple[str, str, int, int]:
    rows = summarize(network, (3, side, side))
    products = sum(row.multiplications for row in rows if "Norm" not in row.layer)
    return (
        f"{count_parameters(network) / 1e6:.2f}",
        f"{products / 1e6:,.0f}",
        max(row.receptive_field or 0 for row in rows),
        getattr(network, "least_side", 1),
    )


def test_every_network_is_in_the_table() -> None:
    assert list(ROWS) == [name for name, entry in CATALOG.items() if entry.fit is not None]


@pytest.mark.parametrize("name", ROWS)
def test_row(name: str) -> None:
    with torch.device("meta"):
        large = facts(getattr(models, name)(), 224)
        parameters, products, _, least = facts(build_network(name, (3, 32, 32), 10, {}), 32)
    assert ROWS[name] == [*map(str, large), parameters, products, str(least)]
