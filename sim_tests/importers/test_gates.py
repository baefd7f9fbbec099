"""Networks of gates and tables as arrays: each class as the gates' own arithmetic gives it, and what is refused."""

import zipfile

import numpy as np
import pytest

from logicnn.importers import Given, ImportRefused, importers
from logicnn.importers.gates import gate_tables, imported
from logicnn.network import BIT, Interval, LutLayer

# Petersen et al., arXiv 2210.08277, Table 1: real-valued a and b, by number
GATES = (
    lambda a, b: 0 * a,
    lambda a, b: a * b,
    lambda a, b: a - a * b,
    lambda a, b: a,
    lambda a, b: b - a * b,
    lambda a, b: b,
    lambda a, b: a + b - 2 * a * b,
    lambda a, b: a + b - a * b,
    lambda a, b: 1 - (a + b - a * b),
    lambda a, b: 1 - (a + b - 2 * a * b),
    lambda a, b: 1 - b,
    lambda a, b: 1 - b + a * b,
    lambda a, b: 1 - a,
    lambda a, b: 1 - a + a * b,
    lambda a, b: 1 - a * b,
    lambda a, b: 0 * a + 1,
)


def answers(arrays, bits):  # (n, inputs) 0 or 1 -> (n, classes)
    x, layer = bits.astype(float), 0
    while f"connections{layer}" in arrays:
        a, b = x.T[arrays[f"connections{layer}"].T]
        x = np.stack([GATES[gate](a[j], b[j]) for j, gate in enumerate(arrays[f"gates{layer}"])], 1)
        layer += 1
    return x.reshape(len(x), int(arrays["classes"]), -1).sum(2)


def network(seed=1, inputs=9, widths=(20, 12), classes=3):
    rng, arrays, width = np.random.default_rng(seed), {"classes": np.array(classes)}, inputs
    for number, count in enumerate(widths):
        arrays[f"connections{number}"] = rng.integers(width, size=(count, 2))
        arrays[f"gates{number}"] = rng.integers(16, size=count)
        width = count
    arrays["connections0"][0, 0] = inputs - 1
    return arrays


def saved(tmp_path, arrays):
    np.savez(tmp_path / "gates.npz", **arrays)
    return tmp_path / "gates.npz"


def test_every_gate():
    tables = gate_tables(np.arange(16))
    for gate, row in zip(GATES, tables.tolist(), strict=True):
        assert row == [gate(a, b) for b in (0, 1) for a in (0, 1)]


@pytest.mark.parametrize("seed", range(5))
def test_every_input(tmp_path, seed):
    arrays = network(seed)
    made = importers()[".npz"].read(saved(tmp_path, arrays), None)
    x = np.arange(512)[:, None] >> np.arange(9) & 1
    assert made.network.input.interval == BIT and made.parts[0] == "layer 0: 20 gates"
    assert np.array_equal(made.network.evaluate(x), answers(arrays, x).argmax(1))
    assert made.scores.tolist() == [0, 1, 2, 3, 4]


def test_tables_of_more_bits(tmp_path):
    """Bit j of the row's number is the j-th bit that is read."""
    rng = np.random.default_rng(1)
    arrays = {"classes": 2, "connections0": rng.integers(8, size=(10, 5)), "tables0": rng.integers(2, size=(10, 32))}
    x = np.arange(256)[:, None] >> np.arange(8) & 1
    row = (x[:, arrays["connections0"]] << np.arange(5)).sum(2)
    expected = arrays["tables0"][np.arange(10), row].reshape(256, 2, 5).sum(2).argmax(1)
    arrays["shape"] = np.array([8])
    assert np.array_equal(imported(saved(tmp_path, arrays)).network.evaluate(x), expected)


@pytest.mark.parametrize("given", [None, Given(Interval(-128, 127), 1 / 64)])
def test_thresholds(tmp_path, given):
    """Bits of all inputs for the first threshold, then for the second: as ``torch.cat([x >= t for t in thresholds])``
    puts channels of pictures.
    """
    thresholds = np.array([0.25, 0.5, 0.75])
    arrays = network(inputs=3 * 2 * 3 * 2) | {"thresholds": thresholds, "shape": np.array([2, 3, 2])}
    made = imported(saved(tmp_path, arrays), given).network
    low, scale = (0, 1 / 255) if given is None else (given.interval.low, given.scale)
    x = np.random.default_rng(2).integers(low, low + 256, (500, 2, 3, 2))
    bits = np.concatenate([x * scale >= each for each in thresholds], 1).reshape(500, -1)
    assert np.array_equal(made.evaluate(x), answers(arrays, bits).argmax(1))
    assert sum(isinstance(each, LutLayer) for each in made.layers) == 2


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_thresholds_that_pixels_equal(tmp_path, kind):
    """A pixel that is a threshold reaches it, in 32 bits as torch has them, whichever way k / 255 was rounded."""
    pixels = np.arange(1, 256).astype(kind) / kind(255)
    arrays = network(inputs=9 * 255) | {"thresholds": pixels, "shape": np.array([9])}
    assert imported(saved(tmp_path, arrays)).network.layers[0].thresholds.tolist() == list(range(1, 256))


def test_rounded_pixels(tmp_path):
    """0.5 of pixels that are numbers from 0 to 1 is bit 1 from 128 on."""
    made = imported(saved(tmp_path, network() | {"thresholds": np.array([0.5])}))
    assert made.network.layers[0].thresholds.tolist() == [128]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"classes": None}, "classes is missing; there are connections0, connections1, gates0, gates1"),
        ({"classes": np.array(5)}, "classes must be at least 2, of as many of the last layer's 12 bits, not 5"),
        ({"classes": np.array([3])}, r"classes must be integers in 0 dimensions, not int64 of shape \(1,\)"),
        ({"gates1": np.full(12, 16)}, "gates1 must lie in 0 ... 15, but hold 16 ... 16"),
        ({"gates1": np.zeros(11, int)}, r"layer 1: LutLayer.tables must have shape \(12, 4\) .* not \(11, 4\)"),
        ({"gates1": None}, "connections1 must have one of gates1 and tables1, not none"),
        ({"connections1": np.full((12, 2), 20)}, "connections1 must lie in 0 ... 19, but hold 20 ... 20"),
        ({"connections1": np.zeros((12, 7), int)}, "layer 1: .* of 2 to 6 inputs a table, not 7"),
        ({"connections0": None, "gates0": None}, "connections0 is missing; there are classes, connections1, gates1"),
        ({"connections0": np.zeros((0, 2), int)}, r"connections0 is empty, of shape \(0, 2\)"),
        (
            {"connections3": np.zeros((12, 2), int)},
            "connections3 is nothing that is known; layers are numbered without",
        ),
        ({"gates0": np.full(20, 0.5)}, "gates0 must be integers in 1 dimensions, not float64 of shape"),
        ({"shape": np.array([3, 3])}, r"shape must be \(inputs,\) or \(channels, rows, columns\), not \(3, 3\)"),
        ({"shape": np.array([4])}, "connections0 must lie in 0 ... 3, but hold"),
        ({"thresholds": np.array([0.5, 0.5])}, "thresholds must be numbers that increase"),
        ({"thresholds": np.array([np.nan])}, "thresholds must be finite"),
        ({"thresholds": np.array([0.2, 0.5])}, "shape is missing: of how many inputs each of several thresholds is"),
        ({"thresholds": np.array([2.0])}, r"thresholds must lie above 0.0 and at most at 1.0, not \[2\.\]"),
        ({"thresholds": np.array([-0.5])}, "thresholds must lie above 0.0"),
    ],
)
def test_refuses(tmp_path, changed, message):
    arrays = {name: each for name, each in (network() | changed).items() if each is not None}
    with pytest.raises(ImportRefused, match=f"^{message}"):
        imported(saved(tmp_path, arrays))


def test_refuses_files(tmp_path):
    (tmp_path / "wrong.npz").write_bytes(b"PK\x03\x04 and nothing more")
    with pytest.raises(ImportRefused, match=r"is no \.npz file of arrays"):
        imported(tmp_path / "wrong.npz")
    with pytest.raises(ImportRefused, match="cannot be read"):
        imported(tmp_path / "missing.npz")
    with pytest.raises(ImportRefused, match=r"^thresholds are missing, which inputs of 0 \.\.\. 255 times 1 need$"):
        imported(saved(tmp_path, network()), Given(Interval(0, 255), 1))
    assert imported(saved(tmp_path, network()), Given(BIT, 1)).network.input.interval == BIT
    with zipfile.ZipFile(tmp_path / "odd.npz", "w") as made:
        made.writestr("thresholds", b"no array")
    with pytest.raises(ImportRefused, match=r"odd\.npz is no .npz file of arrays: its thresholds is no array$"):
        imported(tmp_path / "odd.npz")


def test_any_file_name(tmp_path):
    path = tmp_path / "my gates (1).npz"
    np.savez(path, **network())
    assert imported(path).network.name == ""
