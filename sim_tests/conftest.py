"""Data sets and circuits that tests read: the test is skipped where one is missing, and marked `data`. Processes that
run tests side by side have one thread each.
"""

import os
from functools import cache
from pathlib import Path

if "PYTEST_XDIST_WORKER" in os.environ:  # numpy and torch read it where they are first imported
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

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


@pytest.fixture(scope="session")
def bench_file():
    """Files of gate-level circuits by name, from LOGICNN_CIRCUITS where it has them."""

    def get(name: str) -> Path:
        path = Path(os.environ.get("LOGICNN_CIRCUITS", "")) / f"{name}.bench"
        if not path.is_file():
            pytest.skip(f"no {path.name} in LOGICNN_CIRCUITS")
        return path

    return get


@pytest.fixture(scope="module")
def short_search():
    """Additions are shared by few searches: where what they save is not the question, and seconds count."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("logicnn.arithmetic.sharing._default_tries", lambda _matrix: 2)
        yield


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if {"dataset", "bench_file"} & set(getattr(item, "fixturenames", ())):
            item.add_marker("data")
