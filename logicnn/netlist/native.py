"""A circuit as machine code: one vector a bit, one instruction an operator, compiled by LLVM for this computer.

A vector is ``lanes / 64`` words of 64 bits, a lane a bit. All of them are rows of one array: the constants 0 and 1,
registers, inputs, next values of registers, and what the logic computes. Memories are arrays of such vectors as well,
because all lanes mostly use one address: a port serves the lanes of the first lane's address together, then those of
the next, until none is left.
"""

import ctypes
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from logicnn.netlist.circuit import ONE, ZERO, Bit, Circuit, Read, Write
from logicnn.netlist.netlist import Net

__all__ = ["Layout", "Machine"]

Builder = Any  # llvmlite has no types
Value = Any
WORD, BOOL, POINTER, VOID = ir.IntType(64), ir.IntType(1), ir.PointerType(), ir.VoidType()
ONES = (1 << 64) - 1
PIECE = 500  # bits in one function: the time of LLVM is not linear in it; 250 to 2000 run equally fast
# of a row of the table of ports: memory, enable, address bits, data bits; then (row, weight)s and (place, row, mask)s
HEADER = 4


@dataclass(frozen=True)
class Layout:
    """Which row of the array of values holds what."""

    logic: Mapping[Net, Bit]
    order: Sequence[Bit]  # of what is computed, operands first
    registers: Sequence[Net]  # rows from 2 on, and their next values in the same order from `following` on
    following: int
    rows: Mapping[Net, int]  # of registers, inputs and logic that are nets
    crossings: Mapping[int, int]  # of other bits that more than one piece of the code reads, by the bits' ids
    copies: Mapping[int, Sequence[int]]  # by the bits' ids: next values, and what ports of memories read at an edge
    height: int

    @classmethod
    def of(cls, circuit: Circuit, nets: Iterable[Net], names: Mapping[Net, str]) -> "Layout":
        """Rows for memories and for those of `nets` whose value is known.

        Raises `NetlistError` for a loop, and for a register or a memory that depends on a bit without a known source.
        """
        ports = [port for memory in circuit.memories.values() for port in (*memory.reads, *memory.writes)]
        outputs = [
            circuit.bit(net) for memory in circuit.memories.values() for read in memory.reads for net in read.outputs
        ]
        at_edge = {id(bit): bit for port in ports for bit in _bits_of(port) if bit not in (ZERO, ONE)}
        unknown = circuit.unknown()
        roots = [
            *at_edge.values(),
            *outputs,
            *(circuit.bit(net) for net in nets if circuit.is_known(net) and net not in unknown),
        ]
        registers = circuit.needed(roots)
        order = circuit.order([*(circuit.registers[net].next for net in registers), *roots], names)
        rows = {net: 2 + index for index, net in enumerate([*registers, *sorted(circuit.inputs, key=str)])}
        following = height = 2 + len(rows)
        copies: dict[int, list[int]] = {}
        for bit in (*(id(circuit.registers[net].next) for net in registers), *at_edge):
            copies.setdefault(bit, []).append(height)
            height += 1
        for bit in order:
            if bit.operator == "net" and bit.net not in rows:
                rows[bit.net] = height
                height += 1
        crossings = {bit: height + index for index, bit in enumerate(_crossings(order, circuit.logic))}
        return cls(circuit.logic, order, registers, following, rows, crossings, copies, height + len(crossings))

    def row(self, bit: Bit) -> int:
        return self.rows[bit.net] if bit.operator == "net" else self.crossings[id(bit)]

    def row_at_edge(self, bit: Bit) -> int:
        """Where a port of a memory finds a bit."""
        return int(bit is ONE) if bit in (ZERO, ONE) else self.copies[id(bit)][-1]


def _bits_of(port: Read | Write) -> Iterator[Bit]:
    yield port.enable
    yield from (bit for bit, _ in port.address)
    if isinstance(port, Write):
        yield from port.data
        yield from port.masks


def _operands(bit: Bit, logic: Mapping[Net, Bit]) -> Sequence[Bit]:
    return (logic[bit.net],) if bit.operator == "net" and bit.net in logic else bit.operands


def _crossings(order: Sequence[Bit], logic: Mapping[Net, Bit]) -> list[int]:
    """Ids of the operators that another piece reads than the one that computes them."""
    home = {id(bit): index // PIECE for index, bit in enumerate(order)}
    found = {}
    for index, bit in enumerate(order):
        for operand in _operands(bit, logic):
            if operand.operator not in ("net", "0", "1") and home[id(operand)] != index // PIECE:
                found[id(operand)] = None
    return list(found)


@contextmanager
def _loop(builder: Builder, count: Value) -> Iterator[Value]:
    """The body runs `count` times; gives the index."""
    before = builder.block
    head, body, after = (builder.append_basic_block(name) for name in ("head", "body", "after"))
    builder.branch(head)
    builder.position_at_end(head)
    index = builder.phi(WORD)
    index.add_incoming(WORD(0), before)
    builder.cbranch(builder.icmp_signed("<", index, count), body, after)
    builder.position_at_end(body)
    yield index
    index.add_incoming(builder.add(index, WORD(1)), builder.block)
    builder.branch(head)
    builder.position_at_end(after)


def _word(builder: Builder, base: Value, index: Value | int) -> Value:
    """Word `index` of an array of words."""
    place = WORD(index) if isinstance(index, int) else index
    return builder.load(builder.gep(base, [place], source_etype=WORD), align=8, typ=WORD)


class _Code:
    """The functions of a machine as LLVM's intermediate language; every one gets the array of values first."""

    def __init__(self, layout: Layout, words: int):
        self.layout = layout
        self.vector = ir.VectorType(WORD, words)
        self.row = ir.ArrayType(WORD, words)  # an array of vectors would be padded to powers of two
        self.words = words
        self.module = ir.Module()
        pieces = [self.piece(start) for start in range(0, len(layout.order), PIECE)]
        self.settle = self.calls("settle", pieces)
        self.edge = self.edge_of({kind: self.port(kind) for kind in (Read, Write)})
        self.run()

    def function(self, name: str, *arguments: ir.Type, result: ir.Type = VOID) -> tuple[ir.Function, Builder]:
        function = ir.Function(self.module, ir.FunctionType(result, [POINTER, *arguments]), name)
        return function, ir.IRBuilder(function.append_basic_block("entry"))

    def at(self, builder: Builder, base: Value, row: Value | int) -> Value:
        """The address of a vector in an array of them."""
        return builder.gep(base, [WORD(row) if isinstance(row, int) else row], source_etype=self.row)

    def load(self, builder: Builder, base: Value, row: Value | int = 0) -> Value:
        return builder.load(self.at(builder, base, row), align=8, typ=self.vector)  # numpy aligns to words only

    def store(self, builder: Builder, value: Value, base: Value, row: Value | int = 0) -> None:
        builder.store(value, self.at(builder, base, row), align=8)

    def constant(self, word: int) -> ir.Constant:
        return ir.Constant(self.vector, [WORD(word)] * self.words)

    def splat(self, builder: Builder, word: Value) -> Value:
        nothing = ir.Constant(self.vector, ir.Undefined)
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), self.words), [0] * self.words)
        return builder.shuffle_vector(builder.insert_element(nothing, word, WORD(0)), nothing, zeros)

    def calls(self, name: str, functions: Sequence[ir.Function]) -> ir.Function:
        function, builder = self.function(name)
        for each in functions:
            builder.call(each, [function.args[0]])
        builder.ret_void()
        return function

    def piece(self, start: int) -> ir.Function:
        """The logic of ``order[start : start + PIECE]``."""
        layout = self.layout
        function, builder = self.function(f"piece{start}")
        (values,) = function.args
        known = {id(ZERO): self.constant(0), id(ONE): self.constant(ONES)}

        def value(bit: Bit) -> Value:
            if id(bit) not in known:
                known[id(bit)] = self.load(builder, values, layout.row(bit))
            return known[id(bit)]

        for bit in layout.order[start : start + PIECE]:
            copies = layout.copies.get(id(bit), ())
            operands = [value(each) for each in _operands(bit, layout.logic)]
            if operands:
                known[id(bit)] = self.operate(builder, bit.operator, operands)
                if bit.operator == "net" or id(bit) in layout.crossings:
                    copies = [*copies, layout.row(bit)]
            for row in copies:
                self.store(builder, value(bit), values, row)
        builder.ret_void()
        return function

    def operate(self, builder: Builder, operator: str, operands: Sequence[ir.Value]) -> Value:
        match operator:
            case "&":
                return builder.and_(*operands)
            case "|":
                return builder.or_(*operands)
            case "^":
                return builder.xor(*operands)
            case "~":
                return builder.xor(*operands, self.constant(ONES))
        return operands[0]  # a net

    def port(self, kind: type) -> ir.Function:
        """What one port of a memory does at an edge: ``port(values, its row of the table)``."""
        function, builder = self.function(kind.__name__, POINTER)
        values, row = function.args
        left, same, base = builder.alloca(self.vector), builder.alloca(self.vector), builder.alloca(WORD)
        self.store(builder, self.load(builder, values, _word(builder, row, 1)), left)
        count = (
            ir.Function(self.module, ir.FunctionType(WORD, [WORD, BOOL]), "llvm.cttz.i64")
            if kind is Read
            else self.module.globals["llvm.cttz.i64"]
        )
        with _loop(builder, WORD(self.words)) as word:
            head, body, after = (builder.append_basic_block(name) for name in ("lanes", "lane", "done"))
            builder.branch(head)
            builder.position_at_end(head)
            lanes = _word(builder, left, word)
            builder.cbranch(builder.icmp_unsigned("!=", lanes, WORD(0)), body, after)
            builder.position_at_end(body)
            self.choose(builder, values, row, (word, builder.call(count, [lanes, BOOL(1)])), (left, same, base))
            self.serve(builder, kind, values, row, self.load(builder, same), builder.load(base, typ=WORD))
            builder.branch(head)
            builder.position_at_end(after)
        builder.ret_void()
        return function

    def choose(self, builder: Builder, values: Value, row: Value, lane: tuple, state: tuple) -> None:
        """Moves the lanes with the address of one lane (word, bit) from `left` to `same`, and that address to
        `base`.
        """
        left, same, base = state
        word, place = lane
        self.store(builder, self.load(builder, left), same)
        builder.store(WORD(0), base)
        with _loop(builder, _word(builder, row, 2)) as index:
            at = builder.add(builder.shl(index, WORD(1)), WORD(HEADER))
            bits = self.load(builder, values, _word(builder, row, at))
            bit = builder.and_(builder.lshr(builder.extract_element(bits, word), place), WORD(1))
            other = builder.xor(bits, self.splat(builder, builder.neg(bit)))
            self.store(builder, builder.and_(self.load(builder, same), builder.xor(other, self.constant(ONES))), same)
            weighted = builder.mul(bit, _word(builder, row, builder.add(at, WORD(1))))
            builder.store(builder.add(builder.load(base, typ=WORD), weighted), base)
        self.store(builder, builder.xor(self.load(builder, left), self.load(builder, same)), left)

    def serve(self, builder: Builder, kind: type, values: Value, row: Value, lanes: Value, base: Value) -> None:
        """Reads or writes the word at `base` in some lanes."""
        memory = builder.inttoptr(_word(builder, row, 0), POINTER)
        data = builder.add(builder.shl(_word(builder, row, 2), WORD(1)), WORD(HEADER))
        with _loop(builder, _word(builder, row, 3)) as index:
            at = builder.add(data, builder.mul(index, WORD(3)))
            place, bit = builder.add(base, _word(builder, row, at)), _word(builder, row, builder.add(at, WORD(1)))
            value, cell = self.load(builder, values, bit), self.load(builder, memory, place)
            change = builder.and_(builder.xor(value, cell), lanes)
            if kind is Read:
                self.store(builder, builder.xor(value, change), values, bit)
            else:
                allowed = self.load(builder, values, _word(builder, row, builder.add(at, WORD(2))))
                self.store(builder, builder.xor(cell, builder.and_(change, allowed)), memory, place)

    def edge_of(self, ports: Mapping[type, ir.Function]) -> ir.Function:
        """``edge(values, table, width of its rows, reads, writes, late reads)``."""
        function, builder = self.function("edge", POINTER, WORD, WORD, WORD, WORD)
        values, table, width, *counts = function.args
        copied = WORD(len(self.layout.registers) * self.words * 8)
        copy = ir.Function(self.module, ir.FunctionType(VOID, [POINTER, POINTER, WORD, BOOL]), "llvm.memcpy.p0.p0.i64")
        builder.call(
            copy, [self.at(builder, values, 2), self.at(builder, values, self.layout.following), copied, BOOL(0)]
        )
        first = WORD(0)
        for kind, count in zip((Read, Write, Read), counts, strict=True):
            with _loop(builder, count) as index:
                place = builder.mul(builder.add(first, index), width)
                builder.call(ports[kind], [values, builder.gep(table, [place], source_etype=WORD)])
            first = builder.add(first, count)
        builder.ret_void()
        return function

    def run(self) -> None:
        """``run(values, arguments of edge, cycles, drives, their rows and data, records, their rows and data, stop)``.

        In each cycle: inputs are driven, the logic settles, records are taken; then the edge. A `stop` (a vector)
        collects the ones of the first record; the cycle in which it is full ends before its edge. Returns the number of
        edges.
        """
        function, builder = self.function(
            "run", POINTER, *[WORD] * 6, POINTER, POINTER, WORD, POINTER, POINTER, POINTER, result=WORD
        )
        values, table, width, reads, writes, late, cycles, drives, to, inputs, records, of, outputs, stop = (
            function.args
        )
        with _loop(builder, cycles) as cycle:
            with _loop(builder, drives) as index:
                given = builder.add(builder.mul(cycle, drives), index)
                self.store(builder, self.load(builder, inputs, given), values, _word(builder, to, index))
            builder.call(self.settle, [values])
            with _loop(builder, records) as index:
                taken = builder.add(builder.mul(cycle, records), index)
                self.store(builder, self.load(builder, values, _word(builder, of, index)), outputs, taken)
            with builder.if_then(builder.icmp_unsigned("!=", stop, ir.Constant(POINTER, None))):
                seen = builder.or_(self.load(builder, stop), self.load(builder, values, _word(builder, of, 0)))
                self.store(builder, seen, stop)
                missing = builder.xor(seen, self.constant(ONES))
                flat = builder.bitcast(missing, ir.IntType(64 * self.words))
                with builder.if_then(builder.icmp_unsigned("==", flat, ir.Constant(flat.type, 0))):
                    builder.ret(cycle)
            builder.call(self.edge, [values, table, width, reads, writes, late])
        builder.ret(cycles)


def _compile(module: ir.Module) -> llvm.ExecutionEngine:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=2
    )
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    engine = llvm.create_mcjit_compiler(parsed, target)
    engine.finalize_object()
    return engine


class Machine:
    """A compiled circuit and its state: `values` (rows, words) and `memories` (bits, words), uint64.

    What is unknown at first is random in every lane, from `seed`.
    """

    def __init__(self, circuit: Circuit, layout: Layout, lanes: int, seed: int):
        words = lanes // 64
        random = np.random.default_rng(seed)
        self.layout = layout
        self.values = np.zeros((layout.height, words), np.uint64)
        self.values[1] = ONES
        for row in layout.copies.get(id(ONE), ()):
            self.values[row] = ONES
        for net in layout.registers:
            initial = circuit.registers[net].initial
            self.values[layout.rows[net]] = (
                random.integers(0, ONES, words, np.uint64, True) if initial is None else ONES * initial
            )
        self.memories: dict[str, np.ndarray] = {}
        for name, memory in circuit.memories.items():
            size = memory.depth * memory.width
            if memory.initial is None:
                content = random.integers(0, ONES, (size, words), np.uint64, True)
            else:
                content = np.repeat(
                    np.where(memory.initial.reshape(size, 1), np.uint64(ONES), np.uint64(0)), words, axis=1
                )
            self.memories[name] = content
        self._table, self._counts = self._ports(circuit)
        self._engine = _compile(_Code(layout, words).module)
        self._settle = self._function("settle", None, 0)
        self._run = self._function("run", ctypes.c_int64, 13)
        self._values = self.values.ctypes.data
        self._fixed = self._table.ctypes.data, self._table.shape[1], *self._counts

    def _function(self, name: str, result: type | None, arguments: int) -> Callable:
        kind = ctypes.CFUNCTYPE(result, ctypes.c_void_p, *[ctypes.c_int64] * arguments)
        return kind(self._engine.get_function_address(name))

    def _ports(self, circuit: Circuit) -> tuple[np.ndarray, tuple[int, int, int]]:
        """The table of ports and how many of them read, write, and read late."""
        layout = self.layout
        rows: tuple[list[list[int]], ...] = ([], [], [])
        for name, memory in circuit.memories.items():
            for port in (*memory.reads, *memory.writes):
                row = [
                    self.memories[name].ctypes.data,
                    layout.row_at_edge(port.enable),
                    len(port.address),
                    len(port.places),
                ]
                for bit, weight in port.address:
                    row += [layout.row_at_edge(bit), weight]
                if isinstance(port, Write):
                    for place, data, mask in zip(port.places, port.data, port.masks, strict=True):
                        row += [place, layout.row_at_edge(data), layout.row_at_edge(mask)]
                    rows[1].append(row)
                else:
                    for place, net in zip(port.places, port.outputs, strict=True):
                        row += [place, layout.rows[net], 0]
                    rows[2 if port.late else 0].append(row)
        every = [row for kind in rows for row in kind]
        table = np.zeros((len(every), max(map(len, every), default=0)), np.int64)
        for index, row in enumerate(every):
            table[index, : len(row)] = row
        return table, (len(rows[0]), len(rows[1]), len(rows[2]))

    def settle(self) -> None:
        """Computes the logic."""
        self._settle(self._values)

    def step(self, cycles: int) -> None:
        """Settles and takes the edge, that many times."""
        self._run(self._values, *self._fixed, cycles, 0, 0, 0, 0, 0, 0, 0)

    def run(
        self, drives: Sequence[int], inputs: np.ndarray, records: Sequence[int], stop: np.ndarray | None = None
    ) -> tuple[int, np.ndarray]:
        """One edge for each of `inputs` (cycles, drives, words), put into the rows `drives` before it.

        Returns the number of edges, and what the rows `records` were just before them (cycles, records, words). Once
        every lane has been 1 in the first record (collected in `stop`, words), it ends before the next edge, with what
        the records were then.
        """
        cycles, _, words = inputs.shape
        taken = np.zeros((cycles, len(records), words), np.uint64)
        to, of = np.array(drives, np.int64), np.array(records, np.int64)
        given = np.ascontiguousarray(inputs, np.uint64)
        arrays = len(to), to.ctypes.data, given.ctypes.data, len(of), of.ctypes.data, taken.ctypes.data
        edges = self._run(self._values, *self._fixed, cycles, *arrays, 0 if stop is None else stop.ctypes.data)
        return edges, taken[: edges + 1]
