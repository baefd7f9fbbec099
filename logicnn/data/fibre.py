"""A simulated optical link: what an equaliser for chromatic dispersion learns from (OFC).

Intensity modulation and direct detection of PAM4 over fibre, as in the 200 Gb/s lanes of "Area-efficient neural network
CD equalizer for 4 x 200 Gb/s PAM4 CWDM4 systems" (Liu et al., OFC 2023, which Xu et al. cite for their task; its
parameters are not public, these are ours):

    levels      a[k] in -3, -1, 1, 3, uniform and independent
    drive       s(t) = sum_k a[k] p(t - kT), p a raised cosine of roll-off ROLL_OFF
    field       E(t) = sqrt(1 + DEPTH * s(t) / 3)                   intensity modulation
    fibre       E(f) <- E(f) exp(i pi LAMBDA^2 D L f^2 / c)         chromatic dispersion (Agrawal, Fiber-Optic
                                                                    Communication Systems, chapter 3)
    detector    I(t) = |E(t)|^2 + n(t), n white and Gaussian, then a Gaussian low-pass of bandwidth BANDWIDTH
    converter   one sample a symbol, without its mean, in 8 bits over +-CLIP standard deviations

Dispersion is linear in the field and detection squares it, so that what reaches the receiver depends on products of
neighbouring symbols: no linear filter undoes it. A sample is TAPS received values around a symbol, its label which of
the four levels was sent.
"""

from functools import cache
from pathlib import Path

import numpy as np

from logicnn.data.dataset import Dataset, Split

__all__ = ["GRAY", "LEVELS", "TAPS", "bit_errors", "received", "symbols"]

LEVELS = (-3, -1, 1, 3)
GRAY = (0b00, 0b01, 0b11, 0b10)  # the two bits of each level
TAPS = 21
OVERSAMPLING = 4
SYMBOL_RATE = 106.25e9  # of a 200 Gb/s lane with forward error correction
LAMBDA = 1337.5e-9  # m: the upper edge of the CWDM4 lanes
# S/m^2 (ps/nm/km times 1e-6) there, of fibre with its zero at 1310 nm and a slope of 0.092 ps/nm^2/km
DISPERSION = 2.4e-6
LENGTH = 10e3  # m
LIGHT = 299_792_458.0
ROLL_OFF = 0.3
DEPTH = 0.7
NOISE = 0.066  # deviation of n(t) at the sampling rate
BANDWIDTH = 0.7 * SYMBOL_RATE
CLIP = 3.0
TRAIN, TEST = 1 << 18, 1 << 19


def _drive(levels: np.ndarray, f: np.ndarray) -> np.ndarray:
    """Spectrum of the levels shaped by a raised cosine, on `OVERSAMPLING` samples a symbol."""
    impulses = np.zeros(len(levels) * OVERSAMPLING)
    impulses[::OVERSAMPLING] = levels * OVERSAMPLING
    edge = np.clip((np.abs(f) / SYMBOL_RATE - (1 - ROLL_OFF) / 2) / ROLL_OFF, 0, 1)
    return np.fft.fft(impulses) * (1 + np.cos(np.pi * edge)) / 2


def received(levels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Received values (symbols,) for levels (symbols,) of -3 ... 3, sent round and round (the ends are neighbours)."""
    f = np.fft.fftfreq(len(levels) * OVERSAMPLING, 1 / (SYMBOL_RATE * OVERSAMPLING))
    drive = np.fft.ifft(_drive(levels, f)).real
    field = np.sqrt(np.maximum(0.0, 1 + DEPTH * drive / 3))
    fibre = np.exp(1j * np.pi * LAMBDA**2 * DISPERSION * LENGTH * f**2 / LIGHT)
    intensity = np.abs(np.fft.ifft(np.fft.fft(field) * fibre)) ** 2
    noisy = intensity + NOISE * rng.standard_normal(len(intensity))
    low_pass = np.exp(-np.log(2) / 2 * (f / BANDWIDTH) ** 2)
    return np.fft.ifft(np.fft.fft(noisy) * low_pass).real[::OVERSAMPLING]


def _split(count: int, seed: int) -> Split:
    rng = np.random.default_rng(seed)
    sent = rng.integers(0, len(LEVELS), count)
    values = received(np.array(LEVELS)[sent], rng)
    real = ((values - values.mean()) / values.std()).astype(np.float32)
    words = np.clip(np.rint(real * (128 / CLIP)), -128, 127).astype(np.int8)
    at = (np.arange(count)[:, None] + np.arange(TAPS) - TAPS // 2) % count
    return Split(words[at], sent.astype(np.uint8), real[at])


@cache
def _dataset() -> Dataset:
    return Dataset("ofc-sim", tuple(map(str, LEVELS)), 127, _split(TRAIN, 1), _split(TEST, 2), -128)


def symbols(folder: Path | None) -> Dataset:
    """`ofc-sim`: simulated, the same on every machine up to rounding of its Fourier transforms; needs no files."""
    return _dataset()


def bit_errors(decided: np.ndarray, sent: np.ndarray) -> float:
    """Bit error rate of decided against sent levels (indices), with Gray coding."""
    wrong = np.array(GRAY)[decided] ^ np.array(GRAY)[sent]
    return float(np.mean((wrong & 1) + (wrong >> 1)) / 2)
