"""`logicnn run`: pictures, tables and test sets to a board that is simulated, or that is a few lines of Python."""

import contextlib
import json
import os
import pty
import struct
import time
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from logicnn import load
from logicnn.board.boards import find
from logicnn.board.host import WINDOW, open_port
from logicnn.board.protocol import BAUD, Decoder, Fault, Frame, Kind, encode
from logicnn.commands import cli
from logicnn.data import datasets
from logicnn.engines.mapping import Mapping
from logicnn.flow.design import designed, mapped
from logicnn.flow.simulated_board import SimulatedBoard
from logicnn.network import Standardised, save
from sim_tests.board_helpers import Board
from sim_tests.sparse_helpers import network as small_network

DIGITS = load("digits-bnn")


def run(arguments: list, capsys) -> tuple[int, str, str]:
    code = cli.main(["run", *map(str, arguments)])
    return code, *capsys.readouterr()


@pytest.fixture
def board(monkeypatch):
    """Puts a board behind every port."""

    def put(network=DIGITS, **more) -> Board:
        made = Board(network, **more)
        monkeypatch.setattr("logicnn.commands.run.open_port", lambda port, baud: made)
        return made

    return put


def pictures(folder, count: int) -> tuple[list, list[str]]:
    """Test digits as pictures, and the labels that the network gives them."""
    x = datasets.load("digits").test.x[:count]
    paths = []
    for index, sample in enumerate(x):
        paths.append(folder / f"{index}.png")
        Image.fromarray(np.rint(sample[0] * (255 / 16)).astype(np.uint8)).save(paths[-1])
    return paths, [DIGITS.labels[each] for each in DIGITS.evaluate(x)]


def test_simulated_test_set(capsys):
    """Six real images over the simulated line, each byte of it: the classes are those that `evaluate` gives."""
    code, out, _ = run(["--port", "sim", "--model", "digits-bnn", "--test-set", 6, "--json"], capsys)
    report = json.loads(out)
    test = datasets.load("digits").test
    classes = DIGITS.evaluate(test.x[:6])
    confusion = np.zeros((10, 10), int)
    np.add.at(confusion, (test.y[:6], classes), 1)
    assert code == 0 and report["confusion"] == confusion.tolist()
    assert report["accuracy"] == float(np.mean(classes == test.y[:6])) and report["samples"] == 6
    assert report["counters"] == {"images": 6, "errors": 0} and report["damaged_frames"] == 0


def test_simulated_engine(tmp_path, monkeypatch, capsys):
    """Samples one after another: the engine refuses the next one's words while it works, and the host sends them
    again.
    """
    monkeypatch.setattr("logicnn.engines.embedded.SEARCHED", 0)  # as if it were too large for logic
    network = replace(small_network(8, image=(1, 6, 6), convolutions=((3, 2, 2),), dense=()), name="small")
    save(network, tmp_path / "small.lnn")
    x = np.random.default_rng(5).integers(0, 256, (6, 36))
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", fmt="%d")
    x_csv, model = tmp_path / "x.csv", tmp_path / "small.lnn"
    given = ["--port", "sim", "--board", "ulx3s", "--model", model, x_csv]
    code, out, _ = run([*given, "--json"], capsys)
    classes = [each["class"] for each in json.loads(out)["classes"]]
    assert code == 0 and classes == network.evaluate(x.reshape(6, 1, 6, 6)).tolist() and len(set(classes)) > 1
    code, out, _ = run([*given, "--counters"], capsys)
    mapping = mapped(network, find("ulx3s"))
    (cycles,) = set(mapping.cycles(network.encoded_words(x.reshape(6, 1, 6, 6))).tolist())
    assert code == 0 and f"cycles of a sample, as the board counts: {cycles} to {cycles}, mean {cycles}.0" in out


def test_simulated_cut_frame():
    """A frame that stops is answered after a while, in which nothing else comes."""
    design = designed(Mapping.unrolled(DIGITS), find("icebreaker"), BAUD)
    with SimulatedBoard(design) as simulated, contextlib.closing(open_port(simulated.port)) as line:
        line.write(encode(Frame(Kind.IDENTIFY, 3))[:-2])
        line.timeout = 20.0
        assert Decoder().feed(line.read(8)) == [Frame(Kind.ERROR, 3, bytes([Fault.CUT]))]


def test_simulation_fails(monkeypatch, capsys):
    """What goes wrong in the simulator ends the command at once, in one line."""
    monkeypatch.setattr("logicnn.flow.simulated_board.SimulatedBoard._simulate", lambda self: 1 / 0)
    start = time.monotonic()
    code, _, err = run(["--port", "sim", "--model", "digits-bnn", "--test-set", 1], capsys)
    assert code == 2 and err.splitlines()[-1] == "error: the simulation failed: ZeroDivisionError: division by zero"
    assert time.monotonic() - start < 20


def test_simulated_scores(tmp_path, capsys):
    """A network that ends in scores gives them all."""
    network = replace(DIGITS, layers=DIGITS.layers[:-1], labels=(), preparation=None)
    save(network, tmp_path / "scores.lnn")
    test = datasets.load("digits").test
    np.savetxt(tmp_path / "x.csv", test.x[:2].reshape(2, -1), delimiter=",", fmt="%d")
    given = ["--port", "sim", "--model", tmp_path / "scores.lnn", tmp_path / "x.csv"]
    code, out, _ = run([*given, "--json"], capsys)
    assert (
        code == 0 and [each["outputs"] for each in json.loads(out)["outputs"]] == network.evaluate(test.x[:2]).tolist()
    )
    code, out, _ = run(given, capsys)
    assert out.splitlines()[1].endswith(" ".join(map(str, network.evaluate(test.x[:2])[1].tolist())))


def test_pictures(tmp_path, board, capsys):
    paths, expected = pictures(tmp_path, 12)
    board()
    code, out, _ = run(["--port", "PORT", *paths], capsys)
    assert code == 0 and out.splitlines()[:-1] == [
        f"{path}: {label}" for path, label in zip(paths, expected, strict=True)
    ]
    assert out.splitlines()[-1].endswith(" samples a second; board: 12 classified, 0 errors; line: 0 damaged frames")


def test_port_that_is_looked_for(tmp_path, board, monkeypatch, capsys):
    """By the USB identities of all boards."""
    paths, expected = pictures(tmp_path, 1)
    board()
    asked = []
    monkeypatch.setattr("logicnn.commands.run.found_port", lambda usb, baud: asked.append(usb) or "PORT")
    code, out, _ = run(["--port", "auto", *paths], capsys)
    assert code == 0 and out.startswith(f"{paths[0]}: {expected[0]}")
    assert asked == [{(0x0403, 0x6010), (0x0403, 0x6015), (0x1D50, 0x602B)}]


def test_pictures_of_other_kinds(tmp_path, board, capsys):
    """Colour, larger and inverted pictures, where that is asked for."""
    (path,), (label,) = pictures(tmp_path, 1)
    board()
    image = Image.open(path)
    Image.fromarray(255 - np.asarray(image)).resize((32, 32), Image.Resampling.NEAREST).convert("RGB").save(
        tmp_path / "other.png"
    )
    code, out, _ = run(["--port", "PORT", "--resize", "--invert", tmp_path / "other.png"], capsys)
    assert code == 0 and out.splitlines()[0] == f"{tmp_path / 'other.png'}: {label}"


def test_table(tmp_path, board, capsys):
    """Rows of measurements are standardised as the training was; a header is passed over."""
    network = load("jsc-a")
    assert isinstance(network.preparation, Standardised)
    rows = np.random.default_rng(1).normal(network.preparation.mean, network.preparation.deviation, (9, 16))
    table = tmp_path / "jets.csv"
    np.savetxt(table, rows, delimiter=",", header=",".join(network.preparation.columns), comments="", fmt="%.17g")
    board(network)
    code, out, _ = run(["--port", "PORT", "--json", table], capsys)
    expected = network.evaluate(network.preparation.values(rows)).tolist()
    assert code == 0 and [each["class"] for each in json.loads(out)["classes"]] == expected and len(set(expected)) > 2


def test_table_of_integers(tmp_path, board, capsys):
    network = load("nid-a")
    rows = np.random.default_rng(2).integers(0, 2, (3, 593))
    np.savetxt(tmp_path / "flows.csv", rows, delimiter=",", fmt="%d", encoding="utf-8-sig")  # as spreadsheets do
    board(network)
    code, out, _ = run(["--port", "PORT", "--json", tmp_path / "flows.csv"], capsys)
    assert code == 0 and [each["class"] for each in json.loads(out)["classes"]] == network.evaluate(rows).tolist()


def test_text_report(board, capsys):
    """Accuracy, rate and confusion matrix."""
    board()
    code, out, _ = run(["--port", "PORT", "--test-set", 100], capsys)
    test = datasets.load("digits").test
    right = int(np.sum(DIGITS.evaluate(test.x[:100]) == test.y[:100]))
    assert code == 0 and f"accuracy {right / 100:.2%} of 100 digits test samples; all as the network computes" in out
    assert "label \\ class" in out and "board: 100 classified, 0 errors; line: 0 damaged frames" in out


def deep_colours(size: int) -> bytes:
    """A PNG file of 16 bits a channel, which Pillow does not write."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", size, size, 16, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + bytes(6 * size)) * size)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "PORT"], "give either files or --test-set N"),
        (["--port", "PORT", "--test-set", "2", "a.png"], "give either files or --test-set N"),
        (
            ["--port", "PORT", "--test-set", "360"],
            "--test-set must be at most 359, the test samples of digits, not 360",
        ),
        (["--port", "PORT", "--model", "mnist-bnn", "mnist.png"], "the board at PORT runs digits-bnn "),
        (["--port", "PORT", "missing.png"], "cannot read missing.png: No such file or directory"),
        (["--port", "PORT", "text.png"], "text.png is no picture that Pillow can read"),
        (["--port", "PORT", "large.png"], "large.png: 9 x 8 pixels; it must be 8 x 8, or give --resize"),
        (
            ["--port", "PORT", "clear.png"],
            "clear.png: mode RGBA with transparent pixels has no one colour there; put it on a background",
        ),
        (["--port", "PORT", "deep.png"], "deep.png: mode I;16 has more than eight bits a channel; save it with eight"),
        (
            ["--port", "PORT", "colours.png"],
            "colours.png: mode RGB has more than eight bits a channel; save it with eight",
        ),
        (["--port", "PORT", "damaged.png"], "damaged.png"),
        (["--port", "sim", "--model", "nonet", "--test-set", "1"], "unknown model 'nonet'"),
        (["--port", "sim", "--board", "noboard", "--test-set", "1"], "unknown board 'noboard'"),
    ],
)
def test_refused(arguments, message, tmp_path, monkeypatch, board, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.png").write_text("no picture")
    Image.new("L", (9, 8)).save(tmp_path / "large.png")
    Image.new("L", (28, 28)).save(tmp_path / "mnist.png")
    Image.new("RGBA", (8, 8)).save(tmp_path / "clear.png")
    Image.new("I;16", (8, 8)).save(tmp_path / "deep.png")
    (tmp_path / "colours.png").write_bytes(deep_colours(8))
    (tmp_path / "damaged.png").write_bytes((tmp_path / "large.png").read_bytes()[:40])
    board()
    code, out, err = run(arguments, capsys)
    assert code == 2 and not out and err.splitlines()[-1].startswith(f"error: {message}")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n", r": row 1 must be 593 numbers, not '1,2'"),
        ("", " holds no sample"),
        (",".join(["0"] * 592 + [""]), r": row 1 must be 593 numbers, not '0,0"),
        (",".join(['"0"'] * 592), r": row 1 must be 593 numbers, not '0,0"),
        ("a,b\n", " holds no sample"),
        ("a,1\n1,2\n", r": row 1 must be 593 numbers, not 'a,1'"),
        ("a,b\n1,2\n", r": row 1 must be 593 numbers, not '1,2'"),
        (",".join(["0"] * 592 + ["2"]), r": row 1 must hold integers in 0 ... 1, not 2"),
        (",".join(["0"] * 592 + ["0.5"]), r": row 1 must hold integers in 0 ... 1, not 0.5"),
        (",".join(["0"] * 592 + ["nan"]), r": row 1 must be 593 numbers, not '0,0"),
    ],
)
def test_bad_table(text, message, tmp_path, board, capsys):
    path = tmp_path / "flows.csv"
    path.write_text(text)
    board(load("nid-a"))
    code, _, err = run(["--port", "PORT", path], capsys)
    assert code == 2 and f"error: {path}{message}" in err


def test_no_table(tmp_path, board, capsys):
    board(load("nid-a"))
    path = tmp_path / "flow.png"
    code, _, err = run(["--port", "PORT", path], capsys)
    assert (
        code == 2
        and err.splitlines()[-1] == f"error: {path}: nid-a reads no pictures; give a .csv file, a sample a row"
    )
    code, _, err = run(["--port", "PORT", "--resize", path], capsys)
    assert (
        code == 2 and err.splitlines()[-1] == "error: --resize and --invert are for pictures, which nid-a does not read"
    )


def test_no_such_port(capsys):
    code, _, err = run(["--port", "/dev/no-such-port", "--test-set", 1], capsys)
    assert code == 2 and err.startswith("error: no port /dev/no-such-port; ports here: ")


def test_silent_port(capsys):
    """A real port, a terminal, behind which nobody answers."""
    ours, theirs = pty.openpty()
    code, _, err = run(["--port", os.ttyname(theirs), "--test-set", 1, "--timeout", 0.05], capsys)
    os.close(ours)
    os.close(theirs)
    assert code == 2 and "is silent: IDENTIFY was sent 4 times (7e " in err


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--test-set", "0", "must be a positive whole number, not '0'"),
        ("--baud", "fast", "must be a whole number from 300 to 12000000, not 'fast'"),
        ("--baud", "9999999999", "must be a whole number from 300 to 12000000, not '9999999999'"),
        ("--timeout", "0", "must lie in 0 ... 3600 seconds, not '0'"),
        ("--timeout", "soon", "must lie in 0 ... 3600 seconds, not 'soon'"),
    ],
)
def test_bad_options(option, value, message, capsys):
    with pytest.raises(SystemExit) as refusal:
        cli.main(["run", "--port", "PORT", option, value])
    assert refusal.value.code == 2 and message in capsys.readouterr().err


def test_board_differs(board, capsys):
    """A board whose class is another than the network's is an error with the first sample that differs."""
    x = datasets.load("digits").test.x
    expected = int(DIGITS.evaluate(x[3:4])[0])
    counted = iter(range(100))

    def hook(number, asked, answer):
        if asked.kind == Kind.CLASSIFY and next(counted) == WINDOW + 3:  # behind what lets out those of a host before
            return encode(Frame(Kind.CLASSIFY, asked.tag, bytes([expected ^ 1])))
        return answer

    board(hook=hook)
    code, _, err = run(["--port", "PORT", "--test-set", 10], capsys)
    assert code == 1 and err.splitlines()[-1] == (
        f"error: the board differs from the network on 1 of 10 samples: sample 3 should give {expected} but "
        f"gives {expected ^ 1}"
    )


def test_unknown_network(board, capsys):
    """One that is not shipped needs its file."""
    *before, scores, argmax = DIGITS.layers
    board(replace(DIGITS, layers=[*before, replace(scores, weights=-scores.weights), argmax]))
    code, _, err = run(["--port", "PORT", "--test-set", 1], capsys)
    assert code == 2 and err.splitlines()[-1].endswith(", which is not shipped; give its file as --model")
