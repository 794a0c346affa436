from __future__ import annotations

import pytest

from report import cases


@pytest.fixture(scope="session")
def digits():
    return cases.classification()


@pytest.fixture(scope="session")
def houses():
    return cases.regression()


@pytest.fixture(scope="session")
def hostile():
    return cases.hostile()


@pytest.fixture(scope="session")
def many():
    return cases.classification([f"class {i:03d}" for i in range(100)], n=1500, epochs=5)
