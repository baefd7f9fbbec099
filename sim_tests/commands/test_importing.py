"""`logicnn import`: a file becomes a network, compared with its own runtime's answers, or nothing is written."""

import json
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

from logicnn import load
from logicnn.commands import cli
from logicnn.network import Picture
from sim_tests.qonnx_helpers import Graph

PICTURES = Graph([1, 6, 6], 3).affine(2, 1).sign().flat().dense(36, 8).normalised(8).sign().dense(8, 3)


@pytest.fixture
def file(tmp_path) -> Path:
    return PICTURES.saved(tmp_path)


@pytest.fixture
def vectors(tmp_path) -> Path:
    x = np.random.default_rng(1).integers(0, 256, (50, 6, 6)).astype(np.uint8)
    outputs = PICTURES.ref_scores((x[:, None] / np.float32(255)).astype(np.float32))
    np.savez(tmp_path / "v.npz", inputs=x, outputs=outputs, labels=outputs.argmax(1) ^ (np.arange(50) < 10))
    return tmp_path / "v.npz"


def run(arguments: list, capsys) -> tuple[int, str, str]:
    code = cli.main(["import", *map(str, arguments)])
    return code, *capsys.readouterr()


def test_import(file, vectors, tmp_path, capsys):
    """Pixels of eight bits, without being asked for them; the smallest board with room."""
    code, out, _ = run([file, "-o", tmp_path / "mine.lnn", "--vectors", vectors, "--labels", "a", "b", "c"], capsys)
    network = load(tmp_path / "mine.lnn")
    assert code == 0 and network.name == "mine" and network.labels == ("a", "b", "c")
    assert network.preparation == Picture("L", 6, 6, 255)
    lines = out.splitlines()
    assert "50 of 50 vectors have the answer of the file's own runtime, 80.00% of the labels" in lines
    assert lines[-2].startswith("icestick: Unrolled") and lines[-2].endswith("logic cells, 0 cycles")
    assert lines[-1] == f"{tmp_path / 'mine.lnn'}: {network.digest()[:12]}"


def test_import_as_json(file, vectors, tmp_path, capsys):
    mine = tmp_path / "mine.lnn"
    code, out, _ = run([file, "-o", mine, "--vectors", vectors, "--json", "--dataset", "mnist"], capsys)
    report = json.loads(out)
    assert code == 0 and report["vectors"] == report["vectors_equal"] == 50 and report["accuracy"] == 0.8
    assert report["digest"] == load(mine).digest() and load(mine).dataset == "mnist"
    (board,) = report["boards"]
    assert board["board"] == "icestick" and board["fits"] and "Unrolled" in board["engines"]


def test_answers_that_differ(file, vectors, tmp_path, capsys):
    """Nothing is written; a tie of the two best outputs is none."""
    with np.load(vectors) as found:
        x, outputs = found["inputs"], found["outputs"].copy()
    classes = outputs.argmax(1)
    outputs[7, (classes[7] + 1) % 3] = outputs[7].max()
    np.savez(vectors, inputs=x, outputs=outputs)
    mine = tmp_path / "mine.lnn"
    assert run([file, "-o", mine, "--vectors", vectors], capsys)[0] == 0
    mine.unlink()
    outputs[9, (classes[9] + 1) % 3] += 100
    np.savez(vectors, inputs=x, outputs=outputs)
    code, _, error = run([file, "-o", mine, "--vectors", vectors], capsys)
    assert code == 1 and not mine.exists()
    wanted = (classes[9] + 1) % 3
    assert error.splitlines()[-1].startswith(
        f"error: the network differs from the file's own answers on 1 of 50 vectors: vector 9 should give {wanted} "
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"inputs": np.zeros((50, 35), np.uint8)}, "inputs must be 50 times 36 integers, not (50, 35) of uint8"),
        ({"inputs": np.zeros((50, 36))}, "inputs must be 50 times 36 integers, not (50, 36) of float64"),
        ({"inputs": np.full((50, 36), 256)}, "inputs must lie in 0 ... 255"),
        ({"outputs": np.zeros((50, 4))}, "outputs must be 50 times 3 numbers, not (50, 4)"),
        ({"labels": np.zeros(49)}, "labels must be 50, not (49,)"),
        ({"outputs": None}, "must have inputs and outputs; outputs is missing"),
    ],
)
def test_answers_of_another_kind(file, vectors, tmp_path, capsys, changes, message):
    with np.load(vectors) as found:
        arrays = {name: found[name] for name in found} | changes
    np.savez(vectors, **{name: each for name, each in arrays.items() if each is not None})
    code, _, error = run([file, "-o", tmp_path / "mine.lnn", "--vectors", vectors], capsys)
    assert code == 2 and error.splitlines()[-1].endswith(message) and not (tmp_path / "mine.lnn").exists()


def test_answers_that_are_damaged(file, vectors, tmp_path, capsys):
    data = bytearray(vectors.read_bytes())
    for damaged in (b"text", bytes(data[:200]), bytes([*data[:120], 255, *data[121:]])):
        vectors.write_bytes(damaged)
        code, _, error = run([file, "-o", tmp_path / "mine.lnn", "--vectors", vectors], capsys)
        assert code == 2 and len(error.splitlines()) == 1 and not (tmp_path / "mine.lnn").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--range", 5, 5], "--range must go from low to high, over at most 65536 integers, not 5 5"),
        (["--range", 0, 70000], "--range must go from low to high, over at most 65536 integers, not 0 70000"),
        (["--scale", "-1"], "scale must be above 0 and finite, not -1.0"),
        (["--scale", "1e-6"], "are range and scale right?"),
        (["--labels", "a"], "--labels must be 3, not 1"),
        (["--dataset", "none"], "--dataset must be one of "),
    ],
)
def test_refused(file, tmp_path, capsys, arguments, message):
    code, _, error = run([file, "-o", tmp_path / "mine.lnn", *arguments], capsys)
    assert code == 2 and message in error.splitlines()[-1] and not (tmp_path / "mine.lnn").exists()


def test_files(file, tmp_path, capsys):
    mine = tmp_path / "mine.lnn"
    for arguments, message in (
        ([tmp_path / "x.h5", "-o", mine], "file must end in .npz or .onnx or .tflite, not "),
        ([file, "-o", tmp_path / "mine"], "--output must end in .lnn, not "),
        ([tmp_path / "nowhere.onnx", "-o", mine], "cannot be read: No such file or directory"),
    ):
        code, _, error = run(arguments, capsys)
        assert code == 2 and message in error.splitlines()[-1]
    mine.write_bytes(b"mine")
    code, _, error = run([file, "-o", mine], capsys)
    assert code == 2 and error.endswith("mine.lnn exists; --force replaces it\n") and mine.read_bytes() == b"mine"
    assert run([file, "-o", mine, "--force"], capsys)[0] == 0 and load(mine).name == "mine"
