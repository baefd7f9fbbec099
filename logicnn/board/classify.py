"""Samples to a board and back, every answer compared with the network's own."""

import time
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from logicnn.board.host import Connection, HostError
from logicnn.board.protocol import Counters, Identity, pack_sample
from logicnn.errors import CheckFailed
from logicnn.network import Network, load, shipped

__all__ = ["Classified", "classify", "network_of", "packed"]


@dataclass(frozen=True)
class Classified:
    """Classes (n,) that a board gave to n samples, or outputs (n, *output.shape) of a network that gives no class, the
    seconds that it took, and what its counters and the line counted meanwhile. `cycles` (n,) of each sample, where they
    were asked for.
    """

    answers: np.ndarray
    seconds: float
    counters: Counters
    damaged: int
    cycles: np.ndarray | None = None


def packed(network: Network, identity: Identity, x: np.ndarray) -> list[bytes]:
    """Samples x (n, *input.shape) as the board takes them."""
    return [pack_sample(values, identity.word) for values in network.encoded_words(x)]


def classify(connection: Connection, network: Network, x: np.ndarray, *, timed: bool = False) -> Classified:
    """Sends all samples and compares every answer with `Network.evaluate`, with a progress bar on a terminal. `timed`
    asks for the cycles of each, one after the other.

    Raises `CheckFailed` with the first sample that differs, its answer and the board's, `HostError` for a board that
    counts no cycles.
    """
    identity = connection.check(network.digest(), network.name)
    expected = network.evaluate(x)
    answers, cycles = np.zeros((len(x), identity.outputs), np.int64), np.zeros(len(x), np.int64)
    before = connection.counters()
    if timed and before.cycles is None:
        raise HostError(f"{network.name} takes the same few cycles for all samples on this board, which counts none")
    start = time.perf_counter()
    columns = TextColumn("classify"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("", total=len(x))
        samples = packed(network, identity, x)
        for first, group in enumerate([each] for each in samples) if timed else [(0, samples)]:
            for index, found in connection.classify(identity, group):
                answers[first + index] = found
                progress.advance(task)
            if timed:
                cycles[first] = connection.counters().cycles or 0
    seconds, after = time.perf_counter() - start, connection.counters()
    answers = answers.reshape(expected.shape)
    differs = np.flatnonzero((answers != expected).reshape(len(x), -1).any(1))
    if len(differs):
        first = int(differs[0])
        raise CheckFailed(
            f"the board differs from the network on {len(differs)} of {len(x)} samples: sample {first} should give "
            f"{expected[first].tolist()} but gives {answers[first].tolist()}"
        )
    return Classified(answers, seconds, after.since(before), connection.damaged, cycles if timed else None)


def network_of(model: str | None, identity: Identity) -> Network:
    """The network `model`, or without one the shipped network that the board runs."""
    if model is not None:
        return load(model)
    for name in shipped():
        network = load(name)
        if network.digest() == identity.digest:
            return network
    raise HostError(
        f"the board runs {identity.name or 'a network'} {identity.digest[:12]}, which is not shipped; give its file "
        f"as --model"
    )
