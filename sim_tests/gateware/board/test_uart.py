"""Rates that a clock can make."""

import pytest

from logicnn.errors import LogicnnError
from logicnn.gateware.board.uart import divisor_of


@pytest.mark.parametrize(
    ("frequency", "baud", "expected"),
    [(6e6, 115_200, 52), (12e6, 115_200, 104), (25e6, 1_000_000, 25), (24e6, 6_000_000, 4)],
)
def test_divisor(frequency, baud, expected):
    assert divisor_of(frequency, baud) == expected


@pytest.mark.parametrize(
    ("frequency", "baud", "message"),
    [
        (6e6, 921_600, r"^baud must be made from a clock of 6 MHz within 2%, not 921600; 857143 can$"),
        (1e6, 1_000_000, r"^baud must be made from a clock of 1 MHz within 2%, not 1000000; 250000 can$"),
    ],
)
def test_no_divisor(frequency, baud, message):
    with pytest.raises(LogicnnError, match=message):
        divisor_of(frequency, baud)
