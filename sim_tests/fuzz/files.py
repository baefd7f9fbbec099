"""Damaged files of every kind that the package reads: each is read, as what it says, or refused by a `LogicnnError`,
soon, and without much memory.
"""

import gzip
import io
import json
import signal
import struct
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import strategies as st
from PIL import Image

from logicnn.data.digits import parse_idx
from logicnn.data.inputs import read_samples
from logicnn.data.own import IDX, read_own
from logicnn.data.pictures import read_picture
from logicnn.errors import LogicnnError
from logicnn.importers import Given, importers
from logicnn.network import Interval, Network, Picture, Quantiles, files
from logicnn.network.files import from_bytes, to_bytes
from sim_tests.fuzz.networks import Draw
from sim_tests.helpers import conv_network, dense_network, int_network

__all__ = ["FILES", "FileKind", "bounded", "check_file", "damaged"]

MOST_BYTES = 64 << 20  # for a file of a few thousand
MOST_S = 10.0
WORDS = (b"\xff\xff\xff\xff", b"\x00\x00\x00\x80", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x00", b"\x00\x01\x00\x00")


@contextmanager
def bounded() -> Iterator[None]:
    """What is done inside ends after some seconds and takes little memory, or it is an `AssertionError`."""

    def late(number: int, frame: Any) -> None:
        raise AssertionError(f"it takes more than {MOST_S} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, MOST_S)
    tracemalloc.start(1)
    try:
        yield
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert most <= MOST_BYTES, f"it takes {most >> 20} MiB of memory"


@st.composite
def damaged(draw: Draw, whole: bytes) -> bytes:
    """Bytes with some others in their place, left out, twice or added, or cut short."""
    data = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        place = draw(st.integers(0, max(0, len(data) - 1)))
        count = draw(st.integers(1, 12))
        match draw(st.sampled_from(("bit", "byte", "word", "out", "twice", "in", "cut"))):
            case "bit" if data:
                data[place] ^= 1 << draw(st.integers(0, 7))
            case "byte" if data:
                data[place] = draw(st.integers(0, 255))
            case "word":
                data[place : place + 4] = draw(st.sampled_from(WORDS))
            case "out":
                del data[place : place + count]
            case "twice":
                data[place:place] = data[place : place + count]
            case "in":
                data[place:place] = draw(st.binary(min_size=1, max_size=12))
            case "cut":
                del data[place:]
    return bytes(data)


@dataclass(frozen=True)
class FileKind:
    """A kind of file: whole ones, how a content is made of one, and what reads it, which checks what it has read."""

    whole: Callable[[], Sequence[bytes]]
    read: Callable[[bytes, Path], None]  # the content, and an empty folder
    change: Callable[[bytes], st.SearchStrategy[bytes]] = damaged

    def contents(self) -> st.SearchStrategy[bytes]:
        return st.sampled_from(self.whole()).flatmap(self.change)


def check_file(kind: str, content: bytes) -> None:
    """Reads a content; a whole one must be read."""
    of = FILES[kind]
    with TemporaryDirectory() as folder:
        try:
            with bounded():
                of.read(content, Path(folder))
        except LogicnnError as error:
            assert "\n" not in str(error), f"the message has several lines: {error}"
            assert content not in of.whole(), f"a whole file is refused: {error}"


# -- networks


@cache
def _networks() -> tuple[Network, ...]:
    rng = np.random.default_rng(1)
    return dense_network(rng, 4, 3, 2), conv_network(rng), int_network(rng, 3, 2, 2, width=7, multipliers=True)


def _lnn(content: bytes, folder: Path) -> None:
    path = folder / "x.lnn"
    path.write_bytes(content)
    assert files.load(path) in _networks()


def _headed(network: Network, change: Callable[[Any, dict[str, np.ndarray]], None]) -> bytes:
    """A network's file with a header and arrays that were changed, and a checksum that fits."""
    tensors = files.load_tensors(to_bytes(network))
    header = files._header_of(to_bytes(network))
    change(header, tensors)
    header["checksum"] = files._checksum(header, tensors)
    return files.save_tensors(tensors, {"logicnn": json.dumps(header)})


NUMBERS = (0, 1, -1, 7, 1 << 14, 1 << 20, 1 << 24, (1 << 31) - 1, 1 << 40, 1 << 70, 0.5, float("nan"), float("inf"))
JSON = st.sampled_from((*NUMBERS, None, True, False, "", "x", [], {}, [1], [4, 1 << 20], [[1]], {"type": "Flatten"}))


def _leaves(value: Any, path: tuple = ()) -> Iterator[tuple]:
    yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from _leaves(each, (*path, key))


@st.composite
def _reheaded(draw: Draw, whole: bytes) -> bytes:
    """Other JSON in the header, or other arrays; only the meaning can be wrong."""

    def change(header: Any, tensors: dict[str, np.ndarray]) -> None:
        for _ in range(draw(st.integers(1, 3))):
            if draw(st.integers(0, 2)):
                *path, last = draw(st.sampled_from([each for each in _leaves(header) if each]))
                inside = header
                for key in path:
                    inside = inside[key]
                if draw(st.booleans()):
                    inside[last] = deepcopy(draw(JSON))  # a later change may be in it
                else:
                    del inside[last]
            elif tensors:
                name = draw(st.sampled_from(sorted(tensors)))
                tensors[name] = _other_array(draw, tensors.pop(name))

    return _headed(from_bytes(whole), change)


def _other_array(draw: Draw, array: np.ndarray) -> np.ndarray:
    match draw(st.sampled_from(("value", "type", "shape", "shorter", "empty"))):
        case "value" if array.dtype.kind in "iu":
            flat = array.copy().ravel()
            limits = np.iinfo(flat.dtype)
            place = draw(st.integers(0, max(0, flat.size - 1)))
            flat[place : place + 1] = draw(st.sampled_from((0, limits.min, limits.max)))
            return flat.reshape(array.shape)
        case "type":
            return array.astype(draw(st.sampled_from((np.float32, np.int8, np.uint16, np.int64, np.uint64, bool))))
        case "shape":
            return array.reshape(1, *array.shape) if draw(st.booleans()) else array.ravel()
        case "shorter":
            return array[:-1]
    return array[:0]


# -- data


def _idx_whole(labels: bool) -> list[bytes]:
    rng = np.random.default_rng(2)
    data = np.arange(6, dtype=np.uint8) % 2 if labels else rng.integers(0, 256, (6, 3, 4), np.uint8)
    plain = b"\0\0\x08" + bytes([data.ndim]) + struct.pack(f">{data.ndim}I", *data.shape) + data.tobytes()
    return [plain, gzip.compress(plain, mtime=0)]


def _idx(labels: bool) -> Callable[[bytes, Path], None]:
    """Of the four files, one to train with; the others are whole."""
    names = [name for pair in IDX for name in pair]

    def read(content: bytes, folder: Path) -> None:
        for number, name in enumerate(names):
            (folder / name).write_bytes(_idx_whole(bool(number % 2))[0])
        zipped = content[:2] == b"\x1f\x8b"
        path = folder / f"{names[labels]}{'.gz' if zipped else ''}"
        path.write_bytes(content)
        data = read_own(folder)
        plain = gzip.decompress(content) if zipped else content
        assert parse_idx(plain, "x").tobytes() == plain[4 + 4 * plain[3] :]
        assert len(data.train.x) == len(data.train.y)

    return read


CSVS = (
    b"a,b,label\n1,2,x\n3,4.5,y\n-1e3,0,x\n7,8,y\n2,2,x\n3,3,y\n",
    "größe;zahl;label\n1,5;2;rot\n2,5;3;grün\n3;4;rot\n4,25;5;grün\n1;1;rot\n9;9;grün\n".encode(),
    "a\tb\tlabel\n1\t2\tx\n3\t4\ty\n5\t6\tx\n7\t8\ty\n1\t1\tx\n2\t2\ty\n".encode("utf-16"),
    b'\xef\xbb\xbf"a","b","label"\n' + 3 * b'"1","2","x, y"\n"3","4","z"\n',
)


def _csv(content: bytes, folder: Path) -> None:
    path = folder / "x.csv"
    path.write_bytes(content)
    data = read_own(path)
    assert data.train.x.shape == (len(data.train.y), len(data.columns)) and np.isfinite(data.train.x).all()
    assert len(data.classes) > data.train.y.max() and data.train.y.min() >= 0


def _rows_whole() -> list[bytes]:
    return [b"1,0,3,4\n0,0,0,0\n", b"a,b,c,d\n1,2,3,4\n9,8,7,6\n", b"a;b;c;d;label\n1,5;2;3;4;0\n0;0;0;0;1\n"]


@cache
def _table_network() -> Network:
    preparation = Quantiles(("a", "b", "c", "d"), [[0.5]] * 4)
    made = dense_network(np.random.default_rng(1), 4, 3, 2)
    return Network(made.input, made.layers, preparation=preparation)


def _rows(content: bytes, folder: Path) -> None:
    path = folder / "x.csv"
    path.write_bytes(content)
    network = _table_network()
    samples = read_samples(network, [path])
    assert len(samples.names) == len(samples.x) == len(network.evaluate(samples.x))


PICTURE = Picture("L", 4, 5, 15)


def _pictures() -> list[bytes]:
    rng, found = np.random.default_rng(3), []
    for kind, mode in (
        ("PNG", "L"),
        ("PNG", "RGB"),
        ("PNG", "P"),
        ("PNG", "LA"),
        ("GIF", "P"),
        ("BMP", "RGB"),
        ("JPEG", "L"),
    ):
        image = Image.fromarray(rng.integers(0, 256, (4, 5, 3), np.uint8)).convert("L" if mode == "LA" else mode)
        if mode == "LA":
            image.putalpha(255)
        data = io.BytesIO()
        image.save(data, kind)
        found.append(data.getvalue())
    return found


def _picture(content: bytes, folder: Path) -> None:
    path = folder / "x.png"
    path.write_bytes(content)
    for resize in (False, True):
        try:
            values = read_picture(path, PICTURE, resize=resize)
        except OSError:  # which whoever asks tells, with the file's name
            continue
        assert values.shape == PICTURE.shape and values.max() <= PICTURE.high


@st.composite
def _png_chunks(draw: Draw, whole: bytes) -> bytes:
    """Damage inside a chunk of a PNG whose checksum fits again."""
    if whole[:4] != b"\x89PNG":
        return draw(damaged(whole))
    chunks, place = [], 8
    while place < len(whole):
        (length,) = struct.unpack(">I", whole[place : place + 4])
        chunks.append((whole[place + 4 : place + 8], whole[place + 8 : place + 8 + length]))
        place += 12 + length
    at = draw(st.integers(0, len(chunks) - 1))
    chunks[at] = chunks[at][0], draw(damaged(chunks[at][1]))
    parts = [
        struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body)) for name, body in chunks
    ]
    return whole[:8] + b"".join(parts)


def _npz_whole() -> list[bytes]:
    rng, found = np.random.default_rng(4), []
    for arrays in (
        {"x": rng.normal(size=(8, 3)), "y": np.arange(8) % 2},
        {"x": rng.integers(0, 256, (8, 3, 3), np.uint8), "y": np.array(list("abababab"))},
    ):
        for save in (np.savez, np.savez_compressed):
            data = io.BytesIO()
            save(data, **arrays)
            found.append(data.getvalue())
    return found


def _npz(content: bytes, folder: Path) -> None:
    path = folder / "x.npz"
    path.write_bytes(content)
    data = read_own(path)
    assert len(data.train.x) == len(data.train.y)


# -- networks of other tools


@cache
def _onnx_whole() -> tuple[bytes, ...]:
    from sim_tests.qonnx_helpers import Graph

    graphs = (
        Graph([6]).affine(2, 1).sign().dense(6, 3).normalised(3).sign().dense(3, 2),
        Graph([1, 4, 4]).affine(2, 1).sign().convolved(1, 2, 3).normalised(2).sign().pooled(2).flat().dense(2, 2),
        Graph([3]).quant(0.25, 3).words(3, 2).relu().quant(0.5, 3, 0).words(2, 2, each=False),
    )
    with TemporaryDirectory() as folder:
        return tuple(graph.saved(Path(folder)).read_bytes() for graph in graphs)


@cache
def _tflite_whole() -> tuple[bytes, ...]:
    from sim_tests.tflite_helpers import Model

    return Model((1, 5), 1).dense(3).dense(2).data, Model((1, 5, 5, 1), 2).conv(2).reshape(1, 18).dense(2).data


def _imported(suffix: str, given: Given | None) -> Callable[[bytes, Path], None]:
    def read(content: bytes, folder: Path) -> None:
        path = folder / f"x{suffix}"
        path.write_bytes(content)
        found = importers()[suffix].read(path, given)
        low, network = found.network.input.interval.low, found.network
        if network.input.size <= 1000:
            network.evaluate(np.full((2, *network.input.shape), low))

    return read


LEVELS = Given(Interval(0, 15), 1 / 15)
FILES: dict[str, FileKind] = {
    ".lnn": FileKind(lambda: [to_bytes(each) for each in _networks()], _lnn),
    ".lnn with a checksum that fits": FileKind(lambda: [to_bytes(each) for each in _networks()], _lnn, _reheaded),
    "IDX pictures": FileKind(lambda: _idx_whole(False), _idx(False)),
    "IDX labels": FileKind(lambda: _idx_whole(True), _idx(True)),
    "CSV to train with": FileKind(lambda: CSVS, _csv),
    "CSV of samples": FileKind(_rows_whole, _rows),
    "NPZ": FileKind(_npz_whole, _npz),
    "pictures": FileKind(_pictures, _picture),
    "PNG with checksums that fit": FileKind(_pictures, _picture, _png_chunks),
    "QONNX": FileKind(_onnx_whole, _imported(".onnx", LEVELS)),
    "TFLite": FileKind(_tflite_whole, _imported(".tflite", None)),
}
