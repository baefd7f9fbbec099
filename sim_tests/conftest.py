"""Data sets that tests read: the test is skipped where one is missing, and marked `data`."""

from functools import cache

import pytest

from logicnn.data import datasets
from logicnn.data.dataset import Dataset, DatasetMissing


@pytest.fixture(scope="session")
def dataset():
    """Data sets by name, from LOGICNN_DATA where they have files."""

    @cache
    def get(name: str) -> Dataset:
        try:
            return datasets.load(name)
        except DatasetMissing as missing:
            pytest.skip(str(missing))

    return get


@pytest.fixture(scope="module")
def short_search():
    """Additions are shared by few searches: where what they save is not the question, and seconds count."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("logicnn.arithmetic.sharing._default_tries", lambda _matrix: 2)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "dataset" in getattr(item, "fixturenames", ()):
            item.add_marker("data")
