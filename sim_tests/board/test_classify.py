"""Samples to a board and back: every class is the network's own, or the first that is not ends it."""

from dataclasses import replace

import numpy as np
import pytest

from logicnn.board.classify import classify, network_of
from logicnn.board.host import Connection, HostError
from logicnn.board.protocol import BAUD, Counters, Frame, Kind, encode
from logicnn.errors import CheckFailed
from sim_tests.board_helpers import NETWORK, Board
from sim_tests.helpers import digits

X = digits().test.x[:10]


def connection(board: Board) -> Connection:
    return Connection(board, "PORT", 1.0, BAUD, new=True)


def test_classes():
    """And how many the board counted meanwhile."""
    board = Board()
    board.images = 7
    found = classify(connection(board), NETWORK, X)
    assert np.array_equal(found.answers, NETWORK.evaluate(X))
    assert (found.counters, found.damaged) == (Counters(10, 0), 0)


def test_cycles():
    """Of each sample, from a board that counts them."""
    board = Board()
    board.cycles = 100
    found = classify(connection(board), NETWORK, X, timed=True)
    assert np.array_equal(found.answers, NETWORK.evaluate(X)) and found.counters.images == 10
    assert found.cycles is not None and found.cycles.tolist() == list(range(101, 111))
    with pytest.raises(HostError, match="digits-bnn takes the same few cycles for all samples on this board, "):
        classify(connection(Board()), NETWORK, X, timed=True)


def test_class_that_differs():
    expected, counted = NETWORK.evaluate(X), iter(range(100))

    def hook(number, asked, answer):
        if asked.kind == Kind.CLASSIFY and (sample := next(counted)) in (3, 8):
            return encode(Frame(Kind.CLASSIFY, asked.tag, bytes([int(expected[sample]) ^ 1])))
        return answer

    message = f"on 2 of 10 samples: sample 3 should give {expected[3]} but gives {expected[3] ^ 1}"
    with pytest.raises(CheckFailed, match=f"^the board differs from the network {message}$"):
        classify(connection(Board(hook=hook)), NETWORK, X)


def test_network_that_the_board_runs():
    assert network_of(None, Board().identity).digest() == NETWORK.digest()
    *before, scores, argmax = NETWORK.layers
    other = Board(replace(NETWORK, layers=[*before, replace(scores, weights=-scores.weights), argmax]))
    with pytest.raises(HostError, match=r"^the board runs \S+ \w{12}, which is not shipped; give its file as --model$"):
        network_of(None, other.identity)
