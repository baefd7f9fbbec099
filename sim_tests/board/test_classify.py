"""Samples to a board and back: every class is the network's own, or the first that is not ends it."""

from dataclasses import replace

import pytest

from logicnn import load
from logicnn.board.protocol import Frame, Kind, encode
from logicnn.commands import cli
from logicnn.data import datasets
from sim_tests.board_helpers import Board

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


def test_board_differs(board, capsys):
    """A board whose class is another than the network's is an error with the first sample that differs."""
    x = datasets.load("digits").test.x
    expected = int(DIGITS.evaluate(x[3:4])[0])
    counted = iter(range(100))

    def hook(number, asked, answer):
        if asked.kind == Kind.CLASSIFY and next(counted) == 3:
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
