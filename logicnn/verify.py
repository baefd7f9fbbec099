"""Readings of one network against each other: `Network.evaluate` and the synthesised netlist, vector by vector."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from logicnn import bits, datasets
from logicnn.errors import CheckFailed, LogicnnError
from logicnn.netlist import Netlist
from logicnn.network import Network

__all__ = ["Probe", "Vectors", "Verification", "netlist_outputs", "vectors_for", "verify_netlist"]

SEED = 20_231_129  # of the random vectors; fixed, so that a report can be reproduced
RANDOM = 4096
QUICK = 1024


@dataclass(frozen=True)
class Vectors:
    """Inputs of a network; `labels` where they are known, for the first of them."""

    x: np.ndarray  # (n, *network.input.shape)
    labels: np.ndarray  # (at most n,)
    source: str


@dataclass(frozen=True)
class Probe:
    """Names in a netlist: the register that holds the input bits that are read, and the register that takes the output."""

    inputs: str
    output: str


@dataclass(frozen=True)
class Verification:
    """What was compared, and how often it differed; `accuracy` (a fraction) is the netlist's own, on the labelled vectors."""

    vectors: int
    mismatches: int
    dataset: str
    accuracy: float | None


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


def vectors_for(network: Network, level: Literal["full", "quick"], folder: str | None = None) -> Vectors:
    """The test part of the network's data set where it is on this machine, and random and structured inputs; `quick` takes fewer."""
    random = random_vectors(network, RANDOM if level == "full" else QUICK)
    words = f"{len(random)} random and structured"
    test = None
    if network.dataset in datasets.known():
        try:
            test = datasets.load(network.dataset, folder).test
        except datasets.DatasetMissing:
            if folder is not None:  # asked for, so not to be passed over
                raise
            words += f" ({network.dataset} is not on this machine)"
    if test is not None and test.x.shape[1:] != network.input.shape:
        raise LogicnnError(f"samples of {network.dataset} have shape {test.x.shape[1:]}, but the network reads {network.input.shape}")
    if test is None:
        return Vectors(random, np.zeros(0, np.int64), words)
    if level == "quick":
        test = datasets.Split(test.x[:QUICK], test.y[:QUICK])
    return Vectors(np.concatenate([test.x.astype(random.dtype), random]), test.y, f"{network.dataset} test ({len(test.x)}), {words}")


def netlist_outputs(
    netlist: Netlist, probe: Probe, network: Network, encoded: np.ndarray
) -> np.ndarray:  # (n, core bits) -> (n, *output.shape)
    """What the logic between the two registers of `probe` computes from encoded samples."""
    read = list(network.read_inputs())
    given = dict(zip(netlist.nets(probe.inputs), bits.pack(encoded[:, read]), strict=True))
    word = bits.unpack(netlist.evaluate(given, netlist.next_of_registers(probe.output)), len(encoded))
    return decode(network, word)


def decode(network: Network, word: np.ndarray) -> np.ndarray:  # (n, width) bool -> (n, *output.shape) integers
    """Output bits, as the gateware lays them out, to integers."""
    output = network.output
    words = bits.to_words(word, output.interval.word, output.interval.low < 0)
    return words.reshape(len(word), *output.shape)


def verify_netlist(netlist: Netlist, probe: Probe, network: Network, vectors: Vectors) -> Verification:
    """Compares the netlist with `Network.evaluate` on every vector.

    Raises `CheckFailed` with the first differing vector, the expected and the actual value.
    """
    encoded = network.encode(vectors.x)
    expected = network.evaluate_bits(encoded)
    actual = netlist_outputs(netlist, probe, network, encoded)
    differs = (expected != actual).reshape(len(expected), -1).any(axis=1)
    if differs.any():
        first = int(np.argmax(differs))
        raise CheckFailed(
            f"the netlist differs from the network on {np.count_nonzero(differs)} of {len(expected)} vectors: vector {first} "
            f"({vectors.source}) should give {expected[first].tolist()} but gives {actual[first].tolist()}"
        )
    labelled = actual[: len(vectors.labels)]
    accuracy = float(np.mean(labelled == vectors.labels)) if len(labelled) else None
    return Verification(len(expected), 0, vectors.source, accuracy)
