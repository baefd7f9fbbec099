"""What an exploration learns from: for each way samples as its networks read them, in three parts of which jobs get
two.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from logicnn.data import datasets
from logicnn.data.dataset import Dataset, Split
from logicnn.data.own import TEST, Labelled, OwnData
from logicnn.nn.search import Way, values
from logicnn.storage import digest_of

__all__ = ["Material", "named", "owned"]

VALIDATING = 10  # one of so many distinct training samples of a data set by name


@dataclass(frozen=True)
class Material:
    """Samples by the names of ways: `data` to train with, whose test part are the left-out samples that choose, and
    `test`, which the end alone reads.
    """

    name: str
    data: Mapping[str, Dataset]
    test: Mapping[str, Split]
    digest: str  # of all samples and classes, whatever ways make of them

    @property
    def any(self) -> Dataset:
        """Of some way: classes and numbers of samples are those of all."""
        return next(iter(self.data.values()))

    @property
    def samples(self) -> dict[str, int]:
        some = self.any
        return {
            "training": len(some.train.x),
            "validation": len(some.test.x),
            "test": len(next(iter(self.test.values())).x),
        }


def _digest(names: Sequence[str], *parts: Labelled | Split | None) -> str:
    return digest_of(list(names), *(np.asarray(array) for part in parts if part for array in (part.x, part.y)))


def owned(own: OwnData, name: str, ways: Mapping[str, Way], seed: int) -> Material:
    """Of data that lie on the disk: split as `logicnn train` splits them."""
    rest, test = own.split(TEST, seed)
    train, held = own.validated(rest, seed)
    data, tests = {}, {}
    for key, way in ways.items():
        preparation = way.preparation(own, train)
        low, high = preparation.range
        parts = [values(preparation, each) for each in (train, held)]
        data[key] = Dataset("", own.classes, high, parts[0], parts[1], low, preparation)
        tests[key] = values(preparation, test)
    return Material(name, data, tests, _digest((*own.classes, *own.columns), own.train, own.given))


def named(name: str, folder: str | None, ways: Mapping[str, Way], seed: int) -> Material:
    """Of a data set by name. Its pictures are read as they are; of rows of numbers each way makes its own integers, so
    that networks of them read `Columns`, not the integers of the data set.
    """
    found = datasets.load(name, folder)
    if found.train.x.ndim == 4:
        train, held = found.train.without_one_of(VALIDATING)
        chosen = replace(found, train=train, test=held)
        digest = _digest(found.classes, found.train, found.test)
        return Material(name, dict.fromkeys(ways, chosen), dict.fromkeys(ways, found.test), digest)
    parts = [Labelled(_numbers(each), np.asarray(each.y, np.int64)) for each in (found.train, found.test)]
    columns = tuple(f"column {place}" for place in range(1, parts[0].x.shape[1] + 1))
    return owned(OwnData(found.classes, parts[0], parts[1], columns), name, ways, seed)


def _numbers(split: Split) -> np.ndarray:
    rows = split.x if split.real is None else split.real
    return rows.reshape(len(rows), -1).astype(np.float64)
