"""Settings of a PLL."""

import pytest

from logicnn.gateware.board.clock import dividers


@pytest.mark.parametrize(("given", "wanted"), [(12e6, 24e6), (12e6, 48e6), (16e6, 30e6), (100e6, 20e6)])
def test_dividers(given, wanted):
    """Within the ranges of the guide: phase detector 10 to 133 MHz, oscillator 533 to 1066 MHz."""
    found = dividers(given, wanted)
    detector = given / (found.reference + 1)
    oscillator = detector * (found.feedback + 1)
    assert 10e6 <= detector <= 133e6 and 533e6 <= oscillator <= 1066e6
    assert found.frequency == oscillator / 2**found.output == pytest.approx(wanted, rel=0.01)


def test_dividers_known():
    """`icepll -i 12 -o 24` (Project IceStorm): DIVR 0, DIVF 63, DIVQ 5, FILTER_RANGE 1."""
    found = dividers(12e6, 24e6)
    assert (found.reference, found.feedback, found.output, found.filter) == (0, 63, 5, 1)
