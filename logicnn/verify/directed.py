"""Inputs that ask about one neuron of a network, for what samples leave out: every row of what it reads, and rows on
which a netlist is seen to have another bit.

What a bit of a layer depends on is followed down to the network's inputs. Where that is part of them, inputs that give
a row of a neuron's inputs can be written down: a neuron fires where all that it reads agrees with its weights, and does
not where none of it does; a table gives a bit in the rows in which it stands. The rest of such an input is that of a
sample.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from logicnn import bits
from logicnn.netlist.netlist import Net
from logicnn.network import Argmax, LutLayer, Network
from logicnn.network.layer import Neurons

__all__ = ["Directed", "Suspect"]

ROWS = 64  # of a neuron, at most, which are drawn where it has more
NARROW = 12  # bits of a neuron whose rows are tried
WIDEST = 1024  # inputs that what a neuron reads may depend on
MARGIN = 32  # a suspect differs on less than one of so many samples
SUSPECTS = 64  # more than these are no suspects: the netlist has another structure
CLOSE = 1024  # samples of which a small change may be the answer's
SHOWN = 16  # samples on which a suspect differs, that others are made of


@dataclass(frozen=True)
class Suspect:
    """A bit of a layer, by the layer's index and the bit's place, that a net mostly has, and samples where not."""

    layer: int
    place: int
    net: Net
    samples: np.ndarray


@dataclass(frozen=True, eq=False)
class Directed:
    """Of one network; `seed` draws rows and samples."""

    network: Network
    seed: int = 1

    @cached_property
    def _reads(self) -> dict[int, list[np.ndarray]]:
        """Of layers of neurons and tables, by index, the bits of the layer before that each bit reads; others end
        it.
        """
        found: dict[int, list[np.ndarray]] = {}
        network = self.network
        for index in range(network.core_start, len(network.layers)) if network.core_input.is_bits else ():
            layer, given = network.layers[index], network.activations[index]
            if layer.reshapes:
                found[index] = [np.array([place]) for place in range(given.size)]
            elif given.is_bits and isinstance(layer, Neurons) and layer.fires:
                found[index] = [np.array(each.inputs, int) for each in layer.neurons(given)]
            elif isinstance(layer, LutLayer):
                found[index] = list(layer.connections)
            else:
                break
        return found

    @cached_property
    def _support(self) -> dict[int, np.ndarray]:
        """Of each bit of these layers the inputs that it depends on, (bits, core bits) bool."""
        found: dict[int, np.ndarray] = {}
        below = np.eye(self.network.core_bits, dtype=bool)
        for index, reads in self._reads.items():
            found[index] = below = np.array([below[each].any(0) for each in reads])
        return found

    @cached_property
    def _rules(self) -> dict[int, Sequence[np.ndarray]]:
        """How a bit is made 1 or 0: values of what it reads for 1, or the rows of its table."""
        found: dict[int, Sequence] = {}
        for index in self._reads:
            layer, given = self.network.layers[index], self.network.activations[index]
            if layer.reshapes:
                found[index] = [np.array([True])] * given.size
            elif isinstance(layer, LutLayer):
                found[index] = list(layer.tables)
            elif isinstance(layer, Neurons):
                found[index] = [~np.array(each.inverted, bool) for each in layer.neurons(given)]
        return found

    def _written(self, row: np.ndarray, index: int, place: int, value: bool, rng: np.random.Generator) -> None:
        """Writes into an input what makes a bit of a layer have a value, as far as nothing else does."""
        layer, reads, rule = self.network.layers[index], self._reads[index][place], self._rules[index][place]
        if isinstance(layer, LutLayer):
            rows = np.flatnonzero(rule == value)
            if not len(rows):
                return
            wanted = (rng.choice(rows) >> np.arange(len(reads)) & 1).astype(bool)
        else:
            wanted = rule if value else ~rule
        if index == self.network.core_start:
            row[reads] = wanted
            return
        for each in rng.permutation(len(reads)):
            self._written(row, index - 1, int(reads[each]), bool(wanted[each]), rng)

    def exercising(self, samples: np.ndarray, count: int) -> np.ndarray:  # (n, core bits) -> (at most count, core bits)
        """Inputs for rows of neurons and tables that read what others give, each made of one of these samples."""
        rng = np.random.default_rng(self.seed)
        asked = list(self._rows(rng))
        if not asked or not len(samples):
            return np.zeros((0, self.network.core_bits), bool)
        chosen = [asked[at] for at in sorted(rng.permutation(len(asked))[:count])]
        made = samples[rng.integers(0, len(samples), len(chosen))].copy()
        for row, (index, place, wanted) in zip(made, chosen, strict=True):
            for each in rng.permutation(len(wanted)):
                self._written(row, index - 1, int(self._reads[index][place][each]), bool(wanted[each]), rng)
        return made

    def _rows(self, rng: np.random.Generator) -> Iterator[tuple[int, int, np.ndarray]]:
        for index, reads in self._reads.items():
            if index == self.network.core_start or self.network.layers[index].reshapes:
                continue
            for place, each in enumerate(reads):
                if len(each) > NARROW or self._support[index][place].sum() > WIDEST:
                    continue
                rows = np.arange(1 << len(each))
                for row in rows if len(rows) <= ROWS else rng.choice(rows, ROWS, replace=False):
                    yield index, place, (row >> np.arange(len(each)) & 1).astype(bool)

    def suspects(self, values: Mapping[Net, np.ndarray], encoded: np.ndarray) -> tuple[list[Suspect], int, int]:
        """Bits of layers that no net has on all samples, but one on nearly all; `values` are packed. A net may do so
        by chance, or as it is part of another bit's logic: this is where to look, and no fault. And how many bits nets
        have, and of how many.
        """
        network, count = self.network, len(encoded)
        mask = bits.pack(np.ones((count, 1), bool))[0]
        nets = list(values)
        rows = np.stack([values[net] & mask for net in nets])
        there = {row.tobytes() for row in rows} | {row.tobytes() for row in rows ^ mask}
        missing, taken, total = [], set[bytes](), 0
        for index, given in enumerate(network.values(encoded), network.core_start):
            if network.layers[index].reshapes:
                continue
            word = network.activations[index + 1].interval.word
            for place, row in enumerate(bits.pack(bits.from_words(given, word))):
                row = row & mask
                total += 1
                taken |= {row.tobytes(), (row ^ mask).tobytes()}
                if row.tobytes() not in there:
                    missing.append((index, place, row))
        if len(missing) > SUSPECTS:
            return [], total - len(missing), total
        free = np.array([row.tobytes() not in taken for row in rows])
        found = (self._nearest(nets, rows, free, mask, count, *one) for one in missing)
        return [each for each in found if each is not None], total - len(missing), total

    def _nearest(
        self,
        nets: list[Net],
        rows: np.ndarray,
        free: np.ndarray,
        mask: np.ndarray,
        count: int,
        index: int,
        place: int,
        row: np.ndarray,
    ) -> Suspect | None:
        """The net that has a bit, or its inverse, on most samples."""
        distance = np.bitwise_count(rows ^ row).sum(1)
        nearness = np.where(free, np.minimum(distance, count - distance), count)
        best = int(nearness.argmin())
        if nearness[best] * MARGIN > count:
            return None
        unlike = rows[best] ^ row ^ (mask if distance[best] > count // 2 else 0)
        return Suspect(index, place, nets[best], np.flatnonzero(bits.unpack(unlike[None], count)[:, 0])[:SHOWN])

    def about(self, suspects: Sequence[Suspect], encoded: np.ndarray, count: int) -> np.ndarray:  # (count, core bits)
        """Inputs on which a suspect may show in the result: what its bit depends on as in samples on which it differs,
        the rest of other samples; where it depends on most of the input, such samples with a few bits changed.
        """
        rng, made, close = np.random.default_rng(self.seed), [], self.close(encoded)
        for suspect, share in zip(suspects, np.array_split(np.arange(count), len(suspects)), strict=True):
            shown = encoded[rng.choice(suspect.samples, len(share))]
            word = self.network.activations[suspect.layer + 1].interval.word
            support = self._support.get(suspect.layer)
            read = None if support is None else support[suspect.place // word]
            if read is None or read.sum() > WIDEST:
                flips = rng.random(shown.shape) < rng.choice([1, 3, 10], (len(share), 1)) / shown.shape[1]
                made.append(shown ^ flips)
            else:
                made.append(np.where(read, shown, encoded[rng.choice(close, len(share))]))
        return np.concatenate(made)

    def close(self, encoded: np.ndarray) -> np.ndarray:
        """Samples with two scores that hardly differ, where there are scores: a bit more or less changes the class."""
        network = self.network
        if not isinstance(network.layers[-1], Argmax):
            return np.arange(len(encoded))
        *_, scores, _ = network.values(encoded)
        two = np.sort(scores, axis=1)[:, -2:]
        return np.argsort(two[:, -1] - two[:, 0], kind="stable")[:CLOSE]
