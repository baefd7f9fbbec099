"""What a quantised layer does with its sums: in training, on integers as floats, and exported.

Real sums become integers times ``2 ** -exponent``, which the class decides from sums that calibrate it. Rounding and
signs pass gradients straight through, within the bounds (Bengio et al., arXiv 1308.3432).
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from logicnn.errors import LogicnnError
from logicnn.network import Affine, Requantize

__all__ = ["RELU", "Activation", "Clip", "Scheme", "Sign", "activation_of", "straight"]

PROBE = (-2.0, -0.5, -1e-3, 1e-3, 0.5, 2.0)  # that a sign's module gives -1 for, and then 1
SAMPLED = 1_000_000  # sums of which a quantile is taken


@dataclass(frozen=True)
class Scheme:
    """How numbers are quantised: bits of weights and activations (2 ... 8), and whether each neuron's weights have
    their own scale.
    """

    weight_bits: int = 8
    activation_bits: int = 8
    per_channel: bool = True
    clipped: float = 0.001  # the share of an activation's training values that its range may clip

    def __post_init__(self) -> None:
        for name in ("weight_bits", "activation_bits"):
            if not 2 <= getattr(self, name) <= 8:
                raise LogicnnError(f"{name} must lie in 2 ... 8, not {getattr(self, name)}")


def straight(value: Tensor, wanted: Tensor) -> Tensor:
    """`wanted` forward, the gradient of `value` backward."""
    return value + (wanted - value).detach()


@dataclass(frozen=True)
class Clip:
    """``min(max(x, low), high)``: a ReLU (0, infinity), ReLU6 (0, 6), a hard tanh (-1, 1).

    Levels are those of the scheme's word, unsigned where `low` is 0, as far as the bounds let them: 1 becomes the
    largest of a word that would have to be one wider for it.
    """

    low: float
    high: float

    def exponent(self, sums: Tensor, finest: int, scheme: Scheme) -> int:
        """The finest scale that clips no more within the bounds than the scheme's share of `sums`, and rounds no finer
        than they are.
        """
        sample = sums.flatten()[:: max(1, sums.numel() // SAMPLED)]
        top = min(self.high, float(torch.quantile(sample.clamp_min(0), 1 - scheme.clipped)))
        bottom = max(self.low, float(torch.quantile(sample.clamp_max(0), scheme.clipped)))
        lowest, highest = self._word(scheme)
        over = math.isfinite(self.high)  # the bound itself may be the next level
        found = math.floor(math.log2((highest + over) / max(top, 1e-6)))
        if self.low < 0:
            found = min(found, math.floor(math.log2(lowest / min(bottom, -1e-6))))
        return min(finest, found)

    def _word(self, scheme: Scheme) -> tuple[int, int]:
        half = 1 << (scheme.activation_bits - 1)
        return (-half, half - 1) if self.low < 0 else (0, 2 * half - 1)

    def bounds(self, exponent: int, scheme: Scheme) -> tuple[int, int]:
        """The levels' range."""
        lowest, highest = self._word(scheme)
        scale = 2.0**exponent
        low = lowest if self.low * scale <= lowest else max(lowest, round(self.low * scale))
        high = highest if self.high * scale >= highest else max(low + 1, round(self.high * scale))
        return low, high

    def __call__(self, total: Tensor, exponent: int, scheme: Scheme) -> Tensor:
        low, high = self.bounds(exponent, scheme)
        value = total * 2.0**exponent
        return straight(value.clamp(low, high), torch.floor(value + 0.5).clamp(low, high)) * 2.0**-exponent

    def exported(self, shift: np.ndarray, exponent: int, scheme: Scheme) -> Requantize:
        """On sums of which the last `shift` bits are below the unit."""
        low, high = self.bounds(exponent, scheme)
        ones = np.ones(len(shift), np.int64)
        if low in (0, -high - 1) and not high & (high + 1):
            return Requantize(ones, shift, low, high)
        return Affine(ones, shift, low, high, np.zeros(len(shift), np.int64))


@dataclass(frozen=True)
class Sign:
    """1 from 0 on, else -1."""

    def exponent(self, sums: Tensor, finest: int, scheme: Scheme) -> int:
        return 0

    def __call__(self, total: Tensor, exponent: int, scheme: Scheme) -> Tensor:
        return straight(total.clamp(-1, 1), torch.where(total >= 0, 1.0, -1.0))

    def exported(self, shift: np.ndarray, exponent: int, scheme: Scheme) -> Requantize:
        """Twice a sum and 1 is 1 or more from 0 on, and -1 or less below."""
        count = len(shift)
        return Affine(np.full(count, 2), np.zeros(count, np.int64), -1, 1, np.ones(count, np.int64))


Activation = Clip | Sign
RELU = Clip(0.0, math.inf)
KNOWN: dict[type[nn.Module], Callable[..., Activation]] = {
    nn.ReLU: lambda module: RELU,
    nn.ReLU6: lambda module: Clip(0.0, 6.0),
    nn.Hardtanh: lambda module: Clip(float(module.min_val), float(module.max_val)),
}


def activation_of(module: nn.Module) -> Activation | None:
    """What a module does with every value: one of torch's, or any without parameters that gives their signs; else
    None.
    """
    known = KNOWN.get(type(module))
    if known is not None:
        found = known(module)
        return found if isinstance(found, Sign) or found.low <= 0 < found.high else None
    return Sign() if _gives_signs(module) else None


@torch.no_grad()
def _gives_signs(module: nn.Module) -> bool:
    """A module of the user's own: torch has none."""
    if next(module.parameters(), None) is not None or type(module).__module__.startswith("torch."):
        return False
    probe = torch.tensor([PROBE])
    try:
        return torch.equal(torch.as_tensor(module(probe)), probe.sign())
    except Exception:  # of the user's own; whatever else the module is, it is not that
        return False
