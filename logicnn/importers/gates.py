"""Networks of logic gates and of lookup tables, as arrays in an ``.npz`` file: what the layers of libraries that train
such networks hold (difflogic, torchlogix).

Layer i, from 0 on, is ``connections{i}`` (out, k), k from 2 to 6: what each reads, as places in the layer before; and
one of

    ``tables{i}``  (out, 2 ** k)  what each gives; bit j of a row's number is the j-th bit that it reads
    ``gates{i}``   (out,)         gates of two inputs by their numbers in Petersen et al. (arXiv 2210.08277), Table 1:
                                  1 is AND, 6 XOR, 7 OR, 14 NAND

``classes`` says how many groups of the same size the last layer's bits are, one after the other, whose sums are the
scores. The first layer reads bits. With ``thresholds`` (T,), numbers that increase, those are whether each input is at
least the first of them, then whether each is at least the second, and so on, in 32 bits of floating point. ``shape``
says how inputs lie, (n,) or (channels, rows, columns); without it they are as many as the first layer needs.
"""

from math import prod
from pathlib import Path

import numpy as np

from logicnn.importers.imported import Given, Imported, Importer, ImportRefused, Walk
from logicnn.network import BIT, Activations, Argmax, GroupSum, Interval, LutLayer, Network, Thermometer, simplify
from logicnn.network.values import NetworkError
from logicnn.storage import unpacked_arrays

__all__ = ["IMPORTER", "gate_tables", "imported"]

GATES = 16
MOST = 1 << 20  # inputs
PIXELS, BITS = Given(Interval(0, 255), 1 / 255), Given(BIT, 1)


def gate_tables(gates: np.ndarray) -> np.ndarray:  # (n,) 0 ... 15 -> (n, 4) uint8
    """Gates by number as tables. A gate's number has what it gives for (0, 0), (0, 1), (1, 0) and (1, 1), highest bit
    first; a table has (1, 0) before (0, 1).
    """
    return (gates[:, None] >> np.array([3, 1, 2, 0]) & 1).astype(np.uint8)


class _Arrays:
    """Those of a file, each asked for by name."""

    def __init__(self, path: Path):
        try:
            self._held = unpacked_arrays(path)
        except OSError as error:
            raise ImportRefused(f"{path} cannot be read: {error}") from None
        except ValueError as error:
            raise ImportRefused(f"{path} is no .npz file of arrays: {error}") from None
        self._used: set[str] = set()
        for name, array in self._held.items():
            if not isinstance(array, np.ndarray):
                raise ImportRefused(f"{path} holds {name}, which is no array")

    def __contains__(self, name: str) -> bool:
        return name in self._held

    def __call__(self, name: str, dimensions: int, kinds: str = "iub") -> np.ndarray:
        if name not in self._held:
            raise ImportRefused(f"{name} is missing; there are {', '.join(sorted(self._held)) or 'no arrays'}")
        found = self._held[name]
        if found.ndim != dimensions or found.dtype.kind not in kinds:
            what = "numbers" if "f" in kinds else "integers"
            raise ImportRefused(
                f"{name} must be {what} in {dimensions} dimensions, not {found.dtype} of shape {found.shape}"
            )
        self._used.add(name)
        return found

    def within(self, name: str, dimensions: int, high: int) -> np.ndarray:
        """Integers from 0 to below `high`."""
        found = self(name, dimensions)
        if not found.size:
            raise ImportRefused(f"{name} is empty, of shape {found.shape}")
        if not 0 <= int(found.min()) <= int(found.max()) < high:
            raise ImportRefused(f"{name} must lie in 0 ... {high - 1}, but hold {found.min()} ... {found.max()}")
        return found.astype(np.int64)

    @property
    def unused(self) -> list[str]:
        return sorted(self._held.keys() - self._used)


def _thresholds(numbers: np.ndarray, given: Given) -> np.ndarray:  # (T,) -> (T,) integers
    """From which integer of `given` on its number reaches each, in 32 bits of floating point, as torch compares."""
    if not np.isfinite(numbers).all():
        raise ImportRefused("thresholds must be finite")
    low, high = given.interval.low, given.interval.high
    inputs = (np.arange(low, high + 1) * given.scale).astype(np.float32)
    found = np.searchsorted(inputs, numbers.astype(np.float32)) + low
    if not len(found) or (np.diff(found) <= 0).any():
        raise ImportRefused(f"thresholds must be numbers that increase, which inputs tell apart, not {numbers[:9]}")
    if found[0] <= low or found[-1] > high:
        raise ImportRefused(f"thresholds must lie above {inputs[0]} and at most at {inputs[-1]}, not {numbers[:9]}")
    return found


def _shape(arrays: _Arrays, copies: int) -> tuple[int, ...]:
    """Of the inputs, of each of which there are so many bits."""
    if "shape" in arrays:
        shape = tuple(map(int, arrays("shape", 1)))
        if len(shape) not in (1, 3) or min(shape) < 1 or prod(shape) > MOST:
            raise ImportRefused(f"shape must be (inputs,) or (channels, rows, columns), not {shape}")
        return shape
    if copies > 1:
        raise ImportRefused("shape is missing: of how many inputs each of several thresholds is")
    return (int(arrays.within("connections0", 2, MOST).max()) + 1,)


def _places(shape: tuple[int, ...], copies: int) -> np.ndarray:  # (T * inputs,)
    """Where a `Thermometer` has each bit of the file: there the thresholds of a channel lie together."""
    return np.arange(copies * prod(shape)).reshape(shape[0], copies, -1).swapaxes(0, 1).ravel()


class _Layers(Walk):
    def __init__(self, arrays: _Arrays, given: Given | None):
        self.layers, self.parts, self._arrays = [], [], arrays
        if "thresholds" in arrays:
            given = given or PIXELS
            thresholds = _thresholds(arrays("thresholds", 1, "iubf"), given)
        elif given is None or given == BITS:
            given, thresholds = BITS, np.array([1])
        else:
            low, high = given.interval.low, given.interval.high
            raise ImportRefused(f"thresholds are missing, which inputs of {low} ... {high} times {given.scale} need")
        shape = _shape(arrays, len(thresholds))
        self.start = self.activations = Activations(shape, given.interval)
        self._add(Thermometer(thresholds), "thresholds")
        self._places: np.ndarray | None = _places(shape, len(thresholds))

    def add(self, number: int) -> None:
        """The next layer."""
        assert self.activations is not None
        name, kinds = f"connections{number}", [f"gates{number}", f"tables{number}"]
        connections = self._arrays.within(name, 2, self.activations.size)
        given = [each for each in kinds if each in self._arrays]
        if len(given) != 1:
            raise ImportRefused(f"{name} must have one of {' and '.join(kinds)}, not {' and '.join(given) or 'none'}")
        if given == kinds[:1]:
            tables, what = gate_tables(self._arrays.within(given[0], 1, GATES)), "gates"
        else:
            tables, what = self._arrays.within(given[0], 2, 2), f"tables of {connections.shape[1]} bits"
        if self._places is not None:
            connections, self._places = self._places[connections], None
        try:
            layer = LutLayer(connections, tables)
        except NetworkError as error:
            raise ImportRefused(f"layer {number}: {error}") from None
        self._add(layer, f"layer {number}")
        self.parts.append(f"layer {number}: {len(connections)} {what}")

    def ended(self) -> Imported:
        assert self.activations is not None
        bits, classes = self.activations.size, int(self._arrays("classes", 0))
        if not 2 <= classes <= bits or bits % classes:
            raise ImportRefused(
                f"classes must be at least 2, of as many of the last layer's {bits} bits, not {classes}"
            )
        if self._arrays.unused:
            raise ImportRefused(f"{self._arrays.unused[0]} is nothing that is known; layers are numbered without gaps")
        each = bits // classes
        self._add(GroupSum(*map(np.asarray, ([each] * classes, [1] * bits, [0] * classes))), "classes")
        scores = self.activations.interval
        self._add(Argmax(), "classes")
        self.parts.append(f"classes: {classes} of {each} bits each")
        assert self.start is not None
        network = simplify(Network(self.start, self.layers))
        return Imported(network, tuple(self.parts), np.arange(scores.low, scores.high + 1.0))


def imported(path: Path, given: Given | None = None) -> Imported:
    """The network of a file's arrays; with thresholds it reads pixels of 0 to 1 unless `given` says otherwise. Raises
    `ImportRefused` for what is missing or does not match, by the array's name.
    """
    arrays = _Arrays(path)
    made, number = _Layers(arrays, given), 0
    while f"connections{number}" in arrays or not number:
        made.add(number)
        number += 1
    return made.ended()


IMPORTER = Importer(".npz", imported)
