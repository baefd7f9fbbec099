"""Vectors that two readings of a network are compared on, and the comparison."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from logicnn.data import datasets
from logicnn.data.own import labelled_for
from logicnn.data.sources import data_folder
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.network import Network

__all__ = ["QUICK", "Vectors", "Verification", "compared", "random_vectors", "vectors_for"]

SEED = 20_231_129  # of the random vectors; fixed, so that a report can be reproduced
RANDOM = 4096
QUICK = 1024
TYPICAL = 256  # the last ones of which are random, whatever the network reads


@dataclass(frozen=True)
class Vectors:
    """Inputs of a network; `labels` where they are known, for the first of them."""

    x: np.ndarray  # (n, *network.input.shape)
    labels: np.ndarray  # (at most n,)
    source: str

    def varied(self, count: int) -> np.ndarray:
        """At most so many, half of them those that come first, and the last ones, which are random."""
        first = self.x[: count // 2]
        return np.concatenate([first, self.x[max(len(first), len(self.x) - count + len(first)) :]])

    @property
    def typical(self) -> np.ndarray:
        """Those that are most like what comes: of the data set, else random ones of all values."""
        return self.x[: len(self.labels)] if len(self.labels) else self.x[-TYPICAL:]


@dataclass(frozen=True)
class Verification:
    """What was compared, how often it differed, and the fraction of the labelled vectors that the netlist itself
    decides right; how many inputs more were made for single neurons, and how many of the bits of layers nets have.
    """

    vectors: int
    mismatches: int
    dataset: str
    accuracy: float | None
    directed: int = 0
    layer_nets: int = 0
    layer_bits: int = 0


def random_vectors(network: Network, count: int) -> np.ndarray:
    """Structured and random inputs: all low, all high, one input high or low, then random ones of every density."""
    rng = np.random.default_rng(SEED)
    low, high = network.input.interval.low, network.input.interval.high
    size = network.input.size
    single = np.arange(min(size, count // 4))
    structured = np.full((2 + 2 * len(single), size), low)
    structured[1] = high
    structured[2 + single, single] = high
    structured[2 + len(single) + single] = high
    structured[2 + len(single) + single, single] = low
    extreme = np.where(rng.random((count // 4, size)) < rng.random((count // 4, 1)), high, low)
    uniform = rng.integers(low, high, (count - len(structured) - len(extreme), size), endpoint=True)
    return np.concatenate([structured, extreme, uniform]).reshape(count, *network.input.shape)


def vectors_for(
    network: Network, level: Literal["full", "quick"], folder: str | None = None, own: Path | None = None
) -> Vectors:
    """The test part of the network's data set where it is on this machine, or `own` samples (`logicnn.data.own`), and
    random and structured inputs; `quick` takes fewer.
    """
    random = random_vectors(network, RANDOM if level == "full" else QUICK)
    words = f"{len(random)} random and structured"
    test, name = None, network.dataset
    data_folder(folder)  # one that is wrong is told even where nothing is read from it
    if own is not None:
        found = labelled_for(network, own)
        test, name = datasets.Split(found.x, found.y), str(own)
    elif network.dataset in datasets.known():
        try:
            test = datasets.load(network.dataset, folder).test
        except datasets.DatasetMissing:
            if folder is not None:  # asked for, so not to be passed over
                raise
            words += f" ({network.dataset} is not on this machine)"
    if test is not None and test.x.shape[1:] != network.input.shape:
        raise LogicnnError(
            f"samples of {network.dataset} have shape {test.x.shape[1:]}, but the network reads {network.input.shape}"
        )
    if test is None:
        return Vectors(random, np.zeros(0, np.int64), words)
    if level == "quick":
        test = datasets.Split(test.x[:QUICK], test.y[:QUICK])
    x = np.concatenate([test.x.astype(random.dtype), random])
    return Vectors(x, test.y, f"{name} test ({len(test.x)}), {words}")


def compared(expected: np.ndarray, actual: np.ndarray, vectors: Vectors) -> Verification:
    """What a netlist gave, (n, ...), against what its network gives.

    Raises `CheckFailed` with the first differing vector, the expected and the actual value.
    """
    differs = (expected != actual).reshape(len(expected), -1).any(axis=1)
    mismatches = int(np.count_nonzero(differs))
    if mismatches:
        first = int(np.argmax(differs))
        raise CheckFailed(
            f"the netlist differs from the network on {mismatches} of {len(expected)} vectors: vector {first} "
            f"({vectors.source}) should give {expected[first].tolist()} but gives {actual[first].tolist()}"
        )
    labelled = actual[: len(vectors.labels)]
    accuracy = float(np.mean(labelled == vectors.labels)) if len(labelled) else None
    return Verification(len(expected), mismatches, vectors.source, accuracy)
