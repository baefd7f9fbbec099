"""The netlist that synthesis wrote, clock cycle by clock cycle, for 64 samples a word: registers, memories and
multipliers included.

    simulation = Simulation("top.json", lanes=256, forced=["classifier.receiver.o__valid"])
    simulation.set("classifier.receiver.o__valid", 1)
    simulation.step(10)
    simulation.get("led_0__io")  # (256,)

A lane is a copy of the circuit. One step is one rising edge of the one clock: the logic settles, then registers and
memories change. Names are those of the design (paths joined by dots) and of its ports. `logicnn.netlist.cells` says
what the cells do.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from logicnn.netlist.cells import circuit
from logicnn.netlist.circuit import Memory
from logicnn.netlist.native import Layout, Machine
from logicnn.netlist.netlist import Module, Net, NetlistError

__all__ = ["Pin", "Simulation", "Snapshot"]

BLOCK = 4096  # cycles that are recorded at once
ONES = (1 << 64) - 1
Callback = Callable[[int], object]


@dataclass(frozen=True)
class Snapshot:
    """The state of a simulation at one time."""

    cycle: int
    values: np.ndarray
    memories: Mapping[str, np.ndarray]


class Pin:
    """One bit of a signal, fast: `get` (in lane 0) and `set` (in all lanes) cost a fraction of a microsecond."""

    __slots__ = ("_drive", "_read", "_values")

    def __init__(self, values: memoryview, read: int, drive: Sequence[int]):
        self._values = values
        self._read = read
        self._drive = drive

    def get(self) -> int:
        """The bit in lane 0."""
        return self._values[self._read] & 1

    def set(self, bit: int) -> None:
        """The bit in every lane, of an input or a forced signal."""
        if not self._drive:
            raise NetlistError("the pin is neither an input nor forced")
        word = ONES if bit else 0
        for place in self._drive:
            self._values[place] = word


class Simulation:
    """A netlist (JSON, as synth_ice40 and synth_ecp5 write it) with `lanes` (a multiple of 64) copies of its state.

    128 or 256 lanes take hardly more time than 64. `forced` signals are cut from what drives them and set by the
    caller, as the ports that are inputs; all of these are 0 at first. What a device leaves unknown is random in every
    lane, from `seed`. A netlist of several clocks needs the name of one, `clock`; the rest, such as the divider that
    makes it, is left out and not known.

    Raises `NetlistError` for a netlist that it cannot simulate faithfully.
    """

    def __init__(
        self, netlist: str | Path, lanes: int = 64, forced: Iterable[str] = (), clock: str | None = None, seed: int = 0
    ):
        if lanes < 64 or lanes % 64:
            raise ValueError(f"lanes must be a positive multiple of 64, not {lanes}")
        self.lanes = lanes
        self.cycle = 0  # edges so far
        self._module = Module.read(netlist)
        cut = [net for name in forced for net in self._module.nets(name) if not isinstance(net, str)]
        self._circuit = circuit(self._module, cut, clock and self._module.nets(clock)[0])
        names = {net: name for name, nets in self._module.names.items() for net in nets}
        layout = Layout.of(self._circuit, names, names)
        self._rows = layout.rows
        self._machine = Machine(self._circuit, layout, lanes, seed)
        self._pins = self._machine.values.data.cast("B").cast("Q")
        self._callbacks: list[tuple[Callback, int, int]] = []

    @property
    def memories(self) -> Mapping[str, Memory]:
        """The memories by the names of their cells; each has a `kind`, `depth` (words) and `width` (bits)."""
        return self._circuit.memories

    def set(self, name: str, values: int | np.ndarray | Sequence[int]) -> None:
        """Sets an input or forced signal in every lane, or in each lane to its own value (lanes,); it stays until it is
        set again.

        Signals of more than 63 bits take bits, (lanes, width) bool, the lowest first.
        """
        given = np.atleast_1d(np.asarray(values))
        packed = (
            self._pack(name, list(given.T[:, None]))
            if given.dtype == bool and given.ndim == 2
            else self._packed(name, given[None])
        )
        self._machine.values[self._drives(name)] = packed[0]

    def get(self, name: str) -> np.ndarray:  # (lanes,) int64
        """A signal of at most 63 bits after the last edge, unsigned, with the inputs of now."""
        self._machine.settle()
        return self._integers(name, self._machine.values[None, self._records(name)])[0]

    def bits(self, name: str) -> np.ndarray:  # (lanes, width) bool
        """`get` of any width, the lowest bit first."""
        self._machine.settle()
        return _unpack(self._machine.values[self._records(name)], self.lanes).T

    def step(self, cycles: int = 1) -> None:
        """Advances by `cycles` edges."""

        def go(done: int, count: int) -> int:
            self._machine.step(count)
            return count

        self._advance(cycles, go)

    def run(
        self, inputs: Mapping[str, np.ndarray | Sequence[int]], record: Sequence[str] = (), cycles: int | None = None
    ) -> dict[str, np.ndarray]:
        """One edge for every row of `inputs`, (cycles, lanes) or (cycles,) integers by name; without any, `cycles`
        edges.

        Returns for each name of `record` what the signal was just before each edge, with that cycle's inputs, (cycles,
        lanes) int64: a transfer on a stream is where valid and ready are both 1.
        """
        arrays = {name: np.asarray(values) for name, values in inputs.items()}
        lengths = {len(values) for values in arrays.values()} | ({cycles} if cycles is not None else set())
        if len(lengths) != 1:
            raise ValueError(f"inputs must be of one number of cycles, not {sorted(lengths)}")
        (total,) = lengths
        drives = [row for name in arrays for row in self._drives(name)]
        given = [self._packed(name, values[:, None] if values.ndim == 1 else values) for name, values in arrays.items()]
        words = np.concatenate([np.zeros((total, 0, self.lanes // 64), np.uint64), *given], axis=1)
        rows = {name: self._records(name) for name in record}
        every = [row for each in rows.values() for row in each]
        taken = [np.zeros((0, len(every), self.lanes // 64), np.uint64)]

        def go(done: int, count: int) -> int:
            edges, values = self._machine.run(drives, words[done : done + count], every)
            taken.append(values)
            return edges

        self._advance(total, go)
        parts = np.split(np.concatenate(taken), np.cumsum([len(each) for each in rows.values()]), axis=1)
        return {name: self._integers(name, part) for name, part in zip(rows, parts, strict=False)}

    def run_until(self, name: str, limit: int) -> np.ndarray:  # (lanes,) int64
        """Advances until a bit has been 1 in every lane, by at most `limit` edges.

        Returns after how many edges it first was 1 in each lane (0: it already is), or -1; the number of edges taken is
        the greatest, or `limit` where a lane is -1.
        """
        rows = self._records(name)
        if len(rows) != 1:
            raise ValueError(f"{name} has {len(rows)} bits, not one")
        words = self.lanes // 64
        first = np.full(self.lanes, -1)
        stop, start = np.zeros(words, np.uint64), self.cycle
        nothing = np.zeros((min(limit, BLOCK), 0, words), np.uint64)

        def go(done: int, count: int) -> int:
            edges, taken = self._machine.run([], nothing[:count], rows, stop)
            if taken.any():
                seen = _unpack(taken[:, 0], self.lanes)  # (cycles, lanes)
                first[(first < 0) & seen.any(axis=0)] = (done + seen.argmax(axis=0))[(first < 0) & seen.any(axis=0)]
            return edges

        self._advance(limit, go, BLOCK)
        if self.cycle == start + limit:
            first[(first < 0) & self.bits(name)[:, 0]] = limit
        return first

    def attach(self, callback: Callback, every: int = 1, behind: int = 0) -> Callable[[], None]:
        """Calls ``callback(cycle)`` after every `every` edges, and `behind` more, the logic settled: a peripheral that
        reads and sets pins (`pin`).

        It costs some microseconds a call; without callbacks nothing but machine code runs between edges. Returns what
        takes it away.
        """
        entry = (callback, every, behind)
        self._callbacks.append(entry)
        return lambda: self._callbacks.remove(entry)

    @property
    def values(self) -> np.ndarray:  # (rows, lanes / 64) uint64
        """What is known of all nets, a lane a bit, as of the last edge in callbacks and after `settle`; it changes
        under its reader.
        """
        return self._machine.values

    def settle(self) -> None:
        """The logic follows inputs that have been set."""
        self._machine.settle()

    @property
    def nets(self) -> Mapping[Net, int]:
        """The row of `values` that holds each net that is known."""
        return self._rows

    def rows(self) -> Mapping[str, Sequence[int]]:
        """Of `values`, which hold the bits of each named signal that are known and not constant. Nets of several names
        are that of the innermost module's.
        """
        found: dict[str, list[int]] = {}
        names = {self._rows[net]: name for net, name in reversed(self._module.owners().items()) if net in self._rows}
        for row, name in names.items():
            found.setdefault(name, []).append(row)
        return found

    def pin(self, name: str, place: int = 0) -> Pin:
        """Bit `place` of a signal, for callbacks; to be set it must be an input or forced."""
        net = self._module.nets(name)[place]
        words, drive = self.lanes // 64, self._input(net)
        places = () if drive is None else range(drive * words, (drive + 1) * words)
        return Pin(self._pins, self._record(name, net) * words, places)

    def load(self, name: str, words: np.ndarray | Sequence[int]) -> None:
        """Sets the content of a memory in every lane, (depth,) integers of its width; synthesis may have permuted bits
        and addresses.
        """
        memory = self._memory(name)
        values = np.asarray(words)
        if values.shape != (memory.depth,) or values.min() < 0 or values.max() >> memory.width:
            raise ValueError(f"the content of {name} must be {memory.depth} integers of {memory.width} bits")
        bits = (values.astype(np.int64)[:, None] >> np.arange(memory.width) & 1).reshape(-1, 1)
        self._machine.memories[name][:] = np.where(bits, ~np.uint64(0), np.uint64(0))

    def contents(self, name: str, lane: int = 0) -> np.ndarray:  # (depth,) int64
        """The content of a memory in one lane."""
        memory = self._memory(name)
        bits = self._machine.memories[name][:, lane // 64] >> np.uint64(lane % 64) & np.uint64(1)
        return bits.astype(np.int64).reshape(memory.depth, memory.width) @ (np.int64(1) << np.arange(memory.width))

    def snapshot(self) -> Snapshot:
        """The state of now: registers, inputs and memories."""
        return Snapshot(
            self.cycle,
            self._machine.values.copy(),
            {name: content.copy() for name, content in self._machine.memories.items()},
        )

    def restore(self, snapshot: Snapshot) -> None:
        """Goes back to a snapshot of the same netlist with as many lanes."""
        self.cycle = snapshot.cycle
        self._machine.values[:] = snapshot.values
        for name, content in snapshot.memories.items():
            self._machine.memories[name][:] = content

    def _advance(self, cycles: int, go: Callable[[int, int], int], most: int | None = None) -> None:
        """Takes `cycles` edges by ``go(edges so far, edges)``, which returns how many it took, with the callbacks in
        between.
        """
        done = 0
        while done < cycles:
            count = min(cycles - done, most or cycles)
            for _, every, behind in self._callbacks:
                count = min(count, every - (self.cycle - behind) % every)
            taken = go(done, count)
            done += taken
            self.cycle += taken
            if taken and self._callbacks:
                self._machine.settle()
                for callback, every, behind in self._callbacks:
                    if (self.cycle - behind) % every == 0:
                        callback(self.cycle)
            if taken < count:
                return

    def _memory(self, name: str) -> Memory:
        if name not in self.memories:
            raise NetlistError(f"the netlist has no memory {name!r}")
        return self.memories[name]

    def _input(self, net: Net) -> int | None:
        """The row of the input that a net is, if it is one."""
        for each in (("outside", net), net):
            if each in self._circuit.inputs:
                return self._rows[each]
        return None

    def _drives(self, name: str) -> list[int]:
        """Rows of the bits of an input that are not constant."""
        rows = [self._input(net) for net in self._module.nets(name) if not isinstance(net, str)]
        if None in rows:
            raise NetlistError(f"signal {name} is neither an input nor forced")
        return [row for row in rows if row is not None]

    def _record(self, name: str, net: Net) -> int:
        if isinstance(net, str):
            return int(net == "1")
        if net not in self._rows:
            driver = self._circuit.sources.get(net, "something")
            raise NetlistError(f"signal {name} depends on {driver}, whose value is not known")
        return self._rows[net]

    def _records(self, name: str) -> list[int]:
        return [self._record(name, net) for net in self._module.nets(name)]

    def _packed(
        self, name: str, values: np.ndarray
    ) -> np.ndarray:  # (cycles, lanes or 1) -> (cycles, bits that are not constant, words)
        nets = self._module.nets(name)
        if values.ndim != 2 or values.shape[1] not in (1, self.lanes):
            raise ValueError(f"values of {name} must be one or {self.lanes} in each cycle, not of shape {values.shape}")
        if values.size and (values.min() < 0 or int(values.max()).bit_length() > len(nets)):
            raise ValueError(
                f"values of {name} must fit into {len(nets)} bits, but go from {values.min()} to {values.max()}"
            )
        return self._pack(name, [(values >> place & 1).astype(bool) for place in range(len(nets))])

    def _pack(
        self, name: str, bits: Sequence[np.ndarray]
    ) -> np.ndarray:  # each (cycles, lanes or 1) -> (cycles, bits, words)
        packed = []
        for place, (net, each) in enumerate(zip(self._module.nets(name), bits, strict=True)):
            if not isinstance(net, str):
                every = np.broadcast_to(each, (len(each), self.lanes))
                packed.append(np.ascontiguousarray(np.packbits(every, axis=1, bitorder="little")).view("<u8"))
            elif (each != (net == "1")).any():
                raise ValueError(f"bit {place} of {name} is the constant {net}")
        return np.stack(packed, axis=1) if packed else np.zeros((len(bits[0]), 0, self.lanes // 64), np.uint64)

    def _integers(self, name: str, words: np.ndarray) -> np.ndarray:  # (cycles, bits, words) -> (cycles, lanes) int64
        if words.shape[1] > 63:
            raise ValueError(f"{name} has {words.shape[1]} bits, more than 63")
        values = np.zeros((len(words), self.lanes), np.int64)
        for place in range(words.shape[1]):
            values |= _unpack(words[:, place], self.lanes).astype(np.int64) << place
        return values


def _unpack(words: np.ndarray, lanes: int) -> np.ndarray:  # (n, words) uint64 -> (n, lanes) bool
    return np.unpackbits(
        np.ascontiguousarray(words, "<u8").view(np.uint8), axis=1, bitorder="little", count=lanes
    ).astype(bool)
