"""The simulated optical link against what its equations say where they are easy."""

import numpy as np
import pytest

from logicnn.data import datasets, fibre


def levels(count: int = 512) -> np.ndarray:
    return np.array(fibre.LEVELS)[np.random.default_rng(4).integers(0, 4, count)]


def test_back_to_back_is_linear(monkeypatch):
    """Without fibre, noise and low-pass the detector gives the drive: 1 + DEPTH * level / 3 at every symbol, as a
    Nyquist pulse has it.
    """
    monkeypatch.setattr(fibre, "LENGTH", 0.0)
    monkeypatch.setattr(fibre, "NOISE", 0.0)
    monkeypatch.setattr(fibre, "BANDWIDTH", 1e15)
    sent = levels()
    values = fibre.received(sent, np.random.default_rng(0))
    plain = np.abs(fibre.DEPTH * sent / 3) < 1  # where overshoot does not darken the laser
    assert np.abs(values - (1 + fibre.DEPTH * sent / 3))[plain].max() < 0.2
    assert np.corrcoef(values, sent)[0, 1] > 0.999


def test_dispersion_keeps_energy_and_mixes_symbols(monkeypatch):
    monkeypatch.setattr(fibre, "NOISE", 0.0)
    sent = levels(4096)
    dispersed = fibre.received(sent, np.random.default_rng(0))
    monkeypatch.setattr(fibre, "LENGTH", 0.0)
    straight = fibre.received(sent, np.random.default_rng(0))
    assert abs(dispersed.mean() / straight.mean() - 1) < 0.01
    assert np.corrcoef(dispersed, sent)[0, 1] < 0.98 < np.corrcoef(straight, sent)[0, 1]


def test_gray_code():
    """Neighbouring levels differ in one bit."""
    assert [bin(a ^ b).count("1") for a, b in zip(fibre.GRAY, fibre.GRAY[1:], strict=False)] == [1, 1, 1]
    sent = np.array([0, 1, 2, 3])
    assert fibre.bit_errors(sent, sent) == 0
    assert fibre.bit_errors(np.array([1, 1, 2, 3]), sent) == pytest.approx(1 / 8)
    assert fibre.bit_errors(np.array([2, 1, 2, 3]), sent) == pytest.approx(2 / 8)


def test_samples_are_windows(monkeypatch):
    monkeypatch.setattr(fibre, "TRAIN", 4096)
    monkeypatch.setattr(fibre, "TEST", 4096)
    fibre._dataset.cache_clear()
    try:
        data = datasets.load("ofc-sim")
    finally:
        fibre._dataset.cache_clear()
    x, y = data.train.x, data.train.y
    assert x.shape == (4096, fibre.TAPS) and data.lowest <= x.min() and x.max() <= data.highest
    assert np.array_equal(x[:-1, 1:], x[1:, :-1])
    middle = x[:, fibre.TAPS // 2]
    assert np.corrcoef(middle, y)[0, 1] > max(np.corrcoef(x[:, tap], y)[0, 1] for tap in (0, 5, 9, 11, 20))
    assert not np.array_equal(data.train.y, data.test.y)
