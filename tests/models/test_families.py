"""Every network of the catalog goes through the same checks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from families import CASES, CHECKS


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize(("name", "shape"), CASES)
def test_network(name: str, shape: tuple[int, ...], check: Callable) -> None:
    check(name, shape)
