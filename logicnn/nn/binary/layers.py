"""Binarized layers for training. Activations are -1 or +1 (bit 0 or 1), weights -1, 0 or +1 from a latent weight and a
mask.

    forward   x -> sign(x), sign(0) = +1        gradient   1 where |x| <= 1, else 0 (activations)
    forward   (w, mask) -> sign(w) * mask       gradient   1 everywhere: a pruned synapse can come back

Straight-through estimators: Bengio, Leonard, Courville (arXiv 1308.3432); Hubara et al., "Binarized Neural Networks"
(NIPS 2016), section 1.
"""

import copy
import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from logicnn.network import BIT, Activations, Thermometer

__all__ = ["BinaryNet", "ConvNeurons", "DenseNeurons", "DenseScores", "Pool"]


class _Sign(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return torch.where(x >= 0, 1.0, -1.0)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return gradients[0] * (x.abs() <= 1)


class _Ternary(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, latent: Tensor, mask: Tensor) -> Tensor:
        return torch.where(latent >= 0, 1.0, -1.0) * mask

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return gradients[0], None


class _Round(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return torch.round(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0]


INIT = 0.1  # deviation of latent weights at the start: a tenth of the range in which Adam moves them


class _Binary(nn.Module):
    """A latent weight (out, ...) and a mask of kept synapses."""

    def __init__(self, *shape: int):
        super().__init__()
        self.latent = nn.Parameter(torch.randn(shape) * INIT)
        self.register_buffer("mask", torch.ones(shape))
        self.mask: Tensor

    def weights(self) -> Tensor:
        """-1, 0 or +1."""
        return _Ternary.apply(self.latent, self.mask)

    def fan_in(self) -> Tensor:  # (out,)
        return self.mask.flatten(1).sum(1)


class _Neurons(_Binary):
    """Binarized neurons: the sum of the signed inputs, batch norm, sign.

    The sum is divided by the root of the fan-in first, so that the running statistics survive pruning.
    """

    EPSILON = 1e-5
    MOMENTUM = 0.05

    def __init__(self, *shape: int):
        super().__init__(*shape)
        self.gain = nn.Parameter(torch.ones(shape[0]))
        self.bias = nn.Parameter(torch.zeros(shape[0]))
        self.register_buffer("mean", torch.zeros(shape[0]))
        self.register_buffer("variance", torch.ones(shape[0]))
        self.mean: Tensor
        self.variance: Tensor

    def activate(self, total: Tensor) -> Tensor:  # (n, out, ...) sums of -1 and +1 -> -1 or +1
        across = (1, -1, *[1] * (total.dim() - 2))
        scaled = total / self.fan_in().clamp(min=1).sqrt().view(across)
        if self.training:
            return _Sign.apply(
                functional.batch_norm(
                    scaled, self.mean, self.variance, self.gain, self.bias, True, self.MOMENTUM, self.EPSILON
                )
            )
        # Written out, one rounding an operation: `export` asks this very expression for every reachable sum.
        normal = (scaled - self.mean.view(across)) / torch.sqrt(self.variance + self.EPSILON).view(across)
        return _Sign.apply(normal * self.gain.view(across) + self.bias.view(across))


class DenseNeurons(_Neurons):
    """Fully connected binarized neurons: (n, inputs) to (n, outputs)."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(outputs, inputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.activate(x.flatten(1) @ self.weights().t())


class ConvNeurons(_Neurons):
    """Binarized convolution: (n, channels, h, w) to (n, outputs, oh, ow); padding reads as -1."""

    def __init__(self, channels: int, outputs: int, kernel: int, stride: int = 1, padding: int = 0):
        super().__init__(outputs, channels, kernel, kernel)
        self.stride = stride
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        padded = functional.pad(x, [self.padding] * 4, value=-1.0)
        return self.activate(functional.conv2d(padded, self.weights(), stride=self.stride))


class Pool(nn.Module):
    """Maximum over tiles of ``size x size``: an OR of bits."""

    def __init__(self, size: int):
        super().__init__()
        self.size = size

    def forward(self, x: Tensor) -> Tensor:
        return functional.max_pool2d(x, self.size)


class DenseScores(_Binary):
    """Last layer: the integer score of each class, ``agreeing + offset``, times one learned scale (which no argmax
    sees).

    Without `biased` the offset only centres the scores: classes of equal fan-in then have scores of the same few
    values.
    """

    def __init__(self, inputs: int, outputs: int, biased: bool = True):
        super().__init__(outputs, inputs)
        self.bias = nn.Parameter(torch.zeros(outputs), requires_grad=biased)
        self.scale = nn.Parameter(torch.tensor(1.0))

    def offset(self) -> Tensor:  # (outputs,) integers
        """Centred, so that a score does not depend on how many synapses its class has kept."""
        return _Round.apply(self.bias - self.fan_in() / 2)

    def forward(self, x: Tensor) -> Tensor:
        agreeing = (x.flatten(1) @ self.weights().t() + self.fan_in()) / 2
        spread = (
            self.fan_in().mean().clamp(min=1).sqrt()
        )  # of a sum of so many signs: logits stay in range while synapses go
        return self.scale * 2 * (agreeing + self.offset()) / spread


class BinaryNet(nn.Module):
    """A thermometer and binarized blocks: (n, *shape) integers to (n, classes) logits."""

    def __init__(self, given: Activations, thresholds: Sequence[int], blocks: Sequence[nn.Module]):
        super().__init__()
        self.given = given
        self.thermometer = Thermometer(list(thresholds))  # type: ignore[arg-type]  # checked and converted there
        self.encoded = self.thermometer.infer(given)
        assert self.encoded.interval == BIT
        self.blocks = nn.ModuleList(blocks)

    @property
    def layers(self) -> list[_Binary]:
        """The blocks that have weights, in order."""
        return [block for block in self.blocks if isinstance(block, _Binary)]

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return self.layers[0].latent.device

    @cached_property
    def positions(self) -> list[int]:
        """How often each of `layers` is built: the height times the width of what a convolution gives, 1 else."""
        counts, x = [], torch.zeros(1, *self.encoded.shape, device=self.device)
        with torch.no_grad():
            for block in copy.deepcopy(self.blocks).eval():
                x = block(x)
                if isinstance(block, _Binary):
                    counts.append(math.prod(x.shape[2:]))
        return counts

    def encode(self, x: Tensor) -> Tensor:  # (n, c, ...) integers -> (n, c * T, ...) of -1, +1
        thresholds = torch.as_tensor(self.thermometer.thresholds.copy(), device=x.device)
        levels = thresholds.view(-1, *[1] * (x.dim() - 2))
        return (x.unsqueeze(2) >= levels).flatten(1, 2).float() * 2 - 1

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(self.encode(x))

    def classify(self, x: Tensor) -> Tensor:
        """`forward` from encoded samples."""
        for block in self.blocks:
            x = block(x)
        return x
