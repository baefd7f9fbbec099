"""Names that others chose, of classes, files and networks: text in one line wherever they are shown.

Those in pages are tested beside these (`test_page.py`, `test_comparison.py`), those of Verilog in `test_verilog.py`.
"""

import io
import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from logicnn import load
from logicnn.commands import cli, train
from logicnn.commands.command import guarded
from logicnn.data.own import Labelled, OwnData
from logicnn.errors import LogicnnError, one_line
from logicnn.flow.progress import Steps
from logicnn.network import Network, NetworkError, files
from sim_tests.board_helpers import Board

DIGITS = load("digits-bnn")
# Markup of rich that has no beginning, markup, lines, a terminal's commands, marks that turn text round, what ASCII and
# what UTF-8 do not have, markup of HTML, an emoji's name, nothing.
NAMES = ("[/b]", "[red]x", "a\nb\r", "\x1b]0;x\x07", "\u202ex", "\u732b", "\udcff", "<b>&", ":smile:", "")


def shown_in_ascii(monkeypatch, *arguments: str) -> str:
    """What a command shows on a terminal that has ASCII alone."""
    written = io.BytesIO()
    with monkeypatch.context() as patch:
        terminal = io.TextIOWrapper(written, "ascii")
        patch.setattr(sys, "stdout", terminal)
        assert cli.main([*arguments]) == 0
        terminal.flush()
    return written.getvalue().decode("ascii")


@pytest.mark.parametrize("name", NAMES)
def test_one_line(name):
    shown = one_line(f"{name}!")
    assert shown.isprintable() and len(shown.splitlines()) == 1
    assert (shown == f"{name}!") == f"{name}!".isprintable()


def named(tmp_path, monkeypatch) -> str:
    """A file of a network whose classes are called so, which a board runs; its path."""
    network = replace(DIGITS, labels=NAMES)
    files.save(network, tmp_path / "named.lnn")
    monkeypatch.setattr("logicnn.commands.run.open_port", lambda port, baud: Board(network))
    return str(tmp_path / "named.lnn")


def test_classes_and_files(tmp_path, monkeypatch):
    model = named(tmp_path, monkeypatch)
    picture = tmp_path / "x\n[b].png"
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(picture)
    first, *_ = shown_in_ascii(monkeypatch, "run", "--port", "x", "--model", model, str(picture)).splitlines()
    (decided,) = DIGITS.evaluate(np.zeros((1, 1, 8, 8), int))
    shown = one_line(NAMES[decided]).encode("ascii", "backslashreplace").decode()
    assert first == f"{tmp_path}/x\\n[b].png: {shown}"


def test_confusion(tmp_path, monkeypatch):
    model = named(tmp_path, monkeypatch)
    text = shown_in_ascii(monkeypatch, "run", "--port", "x", "--model", model, "--test-set", "30")
    assert "\x1b" not in text and "accuracy" in text
    for name in filter(None, NAMES):
        assert text.count(one_line(name).encode("ascii", "backslashreplace").decode()) == 2


def test_json_has_them_as_they_are(tmp_path, monkeypatch, capsys):
    model = named(tmp_path, monkeypatch)
    Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / "x.png")
    assert cli.main(["run", "--port", "x", "--model", model, "--json", str(tmp_path / "x.png")]) == 0
    (found,) = json.loads(capsys.readouterr().out)["classes"]
    assert found["label"] == NAMES[found["class"]]


def test_errors(capsys):
    assert cli.main(["build", "--board", "icebreaker", "--model", "a\nerror: b.lnn"]) == 2
    assert capsys.readouterr().err.count("\n") == 1

    def missing() -> None:
        raise FileNotFoundError(2, "No such file", "a\n\x1bb")

    def refused() -> None:
        raise LogicnnError("a\nb")

    assert (guarded(missing), guarded(refused)) == (2, 2)
    assert capsys.readouterr().err == "error: No such file (a\\n\\x1bb)\nerror: a\\nb\n"


def test_steps(capsys):
    steps = Steps()
    for name in NAMES:
        with steps.step("read", f"read {name}") as remark:
            remark("done")
    lines = capsys.readouterr().err.splitlines()
    assert [line.split(" s  ", 1)[1] for line in lines if line.strip()] == [
        f"read {one_line(name)}, done".replace("\udcff", "\\udcff") for name in NAMES
    ]


def test_classes_of_own_data(capsys):
    data = Labelled(np.zeros((10, 2)), np.arange(10))
    train._said(OwnData(NAMES, data, columns=("a", "b"), remarks=("constant: \nx",)), {"train": data}, 1)
    error = capsys.readouterr().err
    assert error.count("\n") == 4 and "warning: constant: \\nx" in error


@pytest.mark.parametrize("name", ["a b", "a\n", "\u732b", "'", "../a", "-a", ".a", "a/b", "a" * 101, "a\0"])
def test_network_names(name):
    """A network's name is that of files, and in comments of Verilog."""
    with pytest.raises(NetworkError, match=r"^name must be at most 100 letters, "):
        Network(DIGITS.input, DIGITS.layers, name)
