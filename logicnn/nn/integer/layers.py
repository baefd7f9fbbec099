"""Few-bit integer layers for training: every forward pass computes exactly what the exported integers compute.

Scales are powers of two, so that a requantiser is a shift and its multiplier 1, which costs no logic; a weight row may
have a scale of its own. A number is an integer times ``2 ** -exponent``; products and sums of such numbers are exact in
float32 as long as the integers stay below 2 ** 24, which `QuantNet` checks. Rounding passes gradients straight through
(Jacob et al., CVPR 2018; Bengio et al., arXiv 1308.3432); clipping passes them where it does not clip.

    weight      round(w * 2 ** e), clipped to +-(2 ** (bits - 1) - 1), then the nearest of `choices` where there are any
    activation  clip(floor(x * 2 ** e + 1/2), low, high) * 2 ** -e, as `logicnn.nn.integer.activations` bounds it
"""

import copy
import math
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from logicnn.errors import LogicnnError
from logicnn.network import (
    Activations,
    Argmax,
    Flatten,
    IntConv2d,
    IntDense,
    Layer,
    MaxPool2d,
    Network,
    Requantize,
    Slicer,
)
from logicnn.nn.integer.activations import RELU, Activation, Scheme, activation_of, straight

__all__ = ["Decision", "QuantLayer", "QuantNet", "Scheme", "export", "folded", "quantise", "restored"]

EXACT = 1 << 24  # integers that float32 holds
RANGE_BITS = 4  # restored activations end near 2 ** RANGE_BITS


class Decision(nn.Module):
    """Thresholds on one score, in its real units: an exported network ends in a `Slicer`."""

    def __init__(self, thresholds: Sequence[float]):
        super().__init__()
        self.thresholds = tuple(thresholds)

    def forward(self, x: Tensor) -> Tensor:
        return x


class QuantLayer(nn.Module):
    """A dense (out, in) or convolution (out, in, kh, kw) layer with quantised weights, its bias, and a requantised
    activation (not if last).
    """

    def __init__(
        self,
        weight: Tensor,
        bias: Tensor,
        scheme: Scheme,
        stride: int = 1,
        padding: int = 0,
        activation: Activation = RELU,
    ):
        super().__init__()
        self.scheme, self.stride, self.padding, self.activation = scheme, stride, padding, activation
        self.weight, self.bias = nn.Parameter(weight.detach().clone()), nn.Parameter(bias.detach().clone())
        self.register_buffer("mask", torch.ones_like(weight))
        self.register_buffer("weight_exponent", torch.zeros(len(weight)))
        self.register_buffer("choices", None)
        self.in_exponent = 0
        self.out_exponent: int | None = None
        self.mask: Tensor
        self.weight_exponent: Tensor
        self.choices: Tensor | None

    @property
    def limit(self) -> int:
        return (1 << (self.scheme.weight_bits - 1)) - 1

    def calibrate_weights(self, shared: bool) -> None:
        """The finest scales at which no weight is clipped."""
        largest = self.weight.detach().abs().flatten(1).amax(1).clamp_min(1e-6)
        exponent = torch.floor(torch.log2(self.limit / largest))
        self.weight_exponent.copy_(
            exponent.min().expand_as(exponent) if shared or not self.scheme.per_channel else exponent
        )

    def calibrate_activations(self, sums: Tensor) -> None:
        """The scale that its activation takes for them."""
        finest = self.in_exponent + int(self.weight_exponent.min())
        self.out_exponent = self.activation.exponent(sums, finest, self.scheme)

    def _rows(self, each: Tensor) -> Tensor:
        return each.view(-1, *[1] * (self.weight.dim() - 1))

    def scaled(self) -> Tensor:
        """Kept weights in units of their integers, before rounding: what a cost on integers is differentiated by."""
        return self.weight * self.mask * 2.0 ** self._rows(self.weight_exponent)

    def integers(self) -> Tensor:
        """Integer weights, as floats; pruned ones are 0."""
        value = self.scaled()
        rounded = torch.round(value).clamp(-self.limit, self.limit)
        if self.choices is not None:
            rounded = self.choices[torch.bucketize(rounded, (self.choices[1:] + self.choices[:-1]) / 2)]
        return straight(value, rounded * self.mask)

    def bias_integers(self) -> Tensor:
        return straight(value := self.bias * 2.0 ** (self.in_exponent + self.weight_exponent), torch.round(value))

    def sums(self, x: Tensor) -> Tensor:
        weight = self.integers() * 2.0 ** -self._rows(self.weight_exponent)
        bias = self.bias_integers() * 2.0 ** -(self.in_exponent + self.weight_exponent)
        if self.weight.dim() == 4:
            return functional.conv2d(x, weight, bias, self.stride, self.padding)
        return functional.linear(x, weight, bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.activated(self.sums(x))

    def activated(self, total: Tensor) -> Tensor:
        if self.out_exponent is None:
            return total
        return self.activation(total, self.out_exponent, self.scheme)


class QuantNet(nn.Module):
    """Quantised layers in order. Reads integers of `given` as floats; gives scores in real units (a `Decision` decides
    on export).
    """

    def __init__(self, given: Activations, exponent: int, blocks: Sequence[nn.Module]):
        super().__init__()
        self.given, self.exponent = given, exponent
        self.blocks = nn.ModuleList(blocks)

    @property
    def layers(self) -> list[QuantLayer]:
        return [block for block in self.blocks if isinstance(block, QuantLayer)]

    def forward(self, x: Tensor) -> Tensor:  # (n, *given.shape) integers as floats
        x = x * 2.0**-self.exponent
        for block in self.blocks:
            x = block(x)
        return x

    def copy(self) -> "QuantNet":
        return copy.deepcopy(self)

    @property
    def density(self) -> float:
        """Kept weights among all."""
        kept = sum(float((layer.integers() != 0).sum()) for layer in self.layers)
        return kept / sum(layer.mask.numel() for layer in self.layers)


def _tiles(pool: nn.MaxPool2d) -> bool:
    """Whether it is a maximum over square tiles that do not overlap."""
    plain = (pool.stride, pool.padding, pool.dilation, pool.ceil_mode, pool.return_indices)
    return isinstance(pool.kernel_size, int) and plain == (pool.kernel_size, 0, 1, False, False)


def _leaves(net: nn.Sequential, path: str = "") -> Iterator[tuple[str, nn.Module]]:
    """The modules of a sequence, and of those inside it, by their paths."""
    for name, module in zip(net._modules, net, strict=True):  # named_children leaves out what stands there twice
        if isinstance(module, nn.Sequential):
            yield from _leaves(module, f"{path}{name}.")
        else:
            yield f"{path}{name}", module


def folded(net: nn.Sequential) -> list[nn.Module]:
    """The layers of a float network, sequences inside it among them, with every batch norm folded into the layer
    before it.

    Raises `LogicnnError`, which names the layer, for one that has no integer form here or stands where it has none.
    """
    blocks: list[nn.Module] = []
    for name, module in _leaves(net):
        match module:
            case nn.Linear() | nn.Conv2d():
                if isinstance(module, nn.Conv2d) and (
                    module.groups != 1 or module.dilation != (1, 1) or module.stride[0] != module.stride[1]
                ):
                    raise LogicnnError(
                        f"layer {name!r} must be a convolution without groups or dilation and with equal strides: "
                        f"{module}"
                    )
                module = copy.deepcopy(module)
                if module.bias is None:
                    module.bias = nn.Parameter(torch.zeros(len(module.weight)))
                blocks.append(module)
            case nn.BatchNorm1d() | nn.BatchNorm2d():
                if not blocks or not isinstance(before := blocks[-1], nn.Linear | nn.Conv2d):
                    raise LogicnnError(f"layer {name!r}, a {type(module).__name__}, must follow a Linear or Conv2d")
                assert module.running_mean is not None and module.running_var is not None and before.bias is not None
                gain = module.weight / torch.sqrt(module.running_var + module.eps)
                with torch.no_grad():
                    before.weight.mul_(gain.view(-1, *[1] * (before.weight.dim() - 1)))
                    before.bias.copy_((before.bias - module.running_mean) * gain + module.bias)
            case nn.MaxPool2d() if not _tiles(module):
                raise LogicnnError(
                    f"layer {name!r} must be a maximum over tiles, without padding or dilation: {module}"
                )
            case nn.Flatten() | nn.MaxPool2d() | Decision():
                blocks.append(module)
            case nn.Dropout() | nn.Dropout2d() | nn.Identity():  # of training only
                pass
            case _ if activation_of(module) is not None:
                blocks.append(module)
            case _:
                known = (
                    "Linear, Conv2d, BatchNorm, ReLU, ReLU6, Hardtanh, a sign, MaxPool2d, Flatten, Dropout and "
                    "Decision can be quantised"
                )
                raise LogicnnError(f"layer {name!r} is a {type(module).__name__}; {known}")
    return blocks


def quantise(net: nn.Sequential, given: Activations, exponent: int, scheme: Scheme, sample: Tensor) -> QuantNet:
    """A quantised network from a trained float one, which read `given` times ``2 ** -exponent``; `sample` (n, ...)
    integers calibrate.

    Every Linear or Conv2d but the last must be followed by an activation (a batch norm may stand between).
    """
    blocks = folded(net)
    weighted = [index for index, block in enumerate(blocks) if isinstance(block, nn.Linear | nn.Conv2d)]
    if not weighted:
        raise LogicnnError("the network has no Linear or Conv2d layer")
    result: list[nn.Module] = []
    x, at = sample.float() * 2.0**-exponent, exponent
    with torch.no_grad():
        for index, block in enumerate(blocks):
            if isinstance(block, nn.Linear | nn.Conv2d):
                last = index == weighted[-1]
                activation = activation_of(blocks[index + 1]) if index + 1 < len(blocks) else None
                if last == (activation is not None):
                    raise LogicnnError(f"layer {index} must {'not ' if last else ''}be followed by an activation")
                shape = (block.stride[0], int(block.padding[0])) if isinstance(block, nn.Conv2d) else ()
                assert block.bias is not None
                layer = QuantLayer(block.weight, block.bias, scheme, *shape, activation=activation or RELU)
                layer.in_exponent = at
                layer.calibrate_weights(shared=last)
                if not last:
                    layer.calibrate_activations(layer.sums(x))
                    assert layer.out_exponent is not None
                    at = layer.out_exponent
                result.append(layer)
                x = layer(x)
            elif activation_of(block) is None:
                result.append(block)
                x = block(x)
    return QuantNet(given, exponent, result)


@torch.no_grad()
def export(net: QuantNet, name: str = "", dataset: str = "", labels: tuple[str, ...] = ()) -> Network:
    """The network of integers that `net` computes. Raises `LogicnnError` where its sums leave what float32 holds
    exactly.
    """
    layers: list[Layer] = []
    given = net.given
    for block in net.blocks:
        match block:
            case QuantLayer():
                made = _exported(block)
                reach = int(np.abs(made.weights.reshape(len(made.weights), -1).astype(np.int64)).sum(1).max()) * max(
                    abs(given.interval.low), abs(given.interval.high)
                ) + int(np.abs(made.bias).max())
                if reach >= EXACT:
                    raise LogicnnError(
                        f"layer {len(layers)} has sums of up to {reach}; below {EXACT} training is exact"
                    )
            case nn.Flatten():
                made = Flatten()
            case nn.MaxPool2d():
                assert isinstance(block.kernel_size, int)
                made = MaxPool2d(block.kernel_size)
            case Decision():
                last = net.layers[-1]
                scale = 2.0 ** (last.in_exponent + float(last.weight_exponent[0]))
                made = Slicer(np.array([math.ceil(each * scale) for each in block.thresholds]))
            case _:
                raise LogicnnError(
                    f"blocks must be QuantLayer, MaxPool2d, Flatten or Decision, not {type(block).__name__}"
                )
        given = made.infer(given)
        layers.append(made)
    return Network(
        net.given, layers if isinstance(net.blocks[-1], Decision) else [*layers, Argmax()], name, dataset, labels
    )


def restored(network: Network, score_exponent: int) -> QuantNet:
    """The inverse of `export`: a network to train on from, whose scores are integers times ``2 **
    -score_exponent``.

    What integers do not say, the scales of activations, is chosen so that every activation's range ends near 16. Raises
    `LogicnnError` for layers that `export` does not make; widths are left out.
    """
    at = exponent = network.input.interval.width - RANGE_BITS
    blocks: list[nn.Module] = []
    for index, layer in enumerate(network.layers):
        match layer:
            case IntDense() | IntConv2d():
                of = layer.activation
                if of is not None and (np.any(of.multiplier != 1) or of.low or type(of) is not Requantize):
                    raise LogicnnError(
                        f"layer {index} must multiply by 1 and clip at 0, and add nothing, to be restored"
                    )
                bits = max(2, 1 + int(np.abs(layer.weights).max()).bit_length())
                scheme = Scheme(bits) if of is None else Scheme(bits, of.high.bit_length())
                wanted = score_exponent if of is None else scheme.activation_bits - RANGE_BITS
                scale = (
                    np.full(len(layer.weights), wanted - at) if of is None else of.shift.astype(np.int64) + wanted - at
                )
                weight = torch.from_numpy(layer.weights.copy()).float()
                rows = torch.from_numpy(scale).float()
                bias = torch.from_numpy(layer.bias.copy()).float() * 2.0 ** -(at + rows)
                stride, padding = (layer.stride, layer.padding) if isinstance(layer, IntConv2d) else (1, 0)
                weight = weight * 2.0 ** -rows.view(-1, *[1] * (weight.dim() - 1))
                block = QuantLayer(weight, bias, scheme, stride, padding)
                block.mask.copy_(weight != 0)
                block.weight_exponent.copy_(rows)
                block.in_exponent, block.out_exponent = at, None if of is None else wanted
                at = wanted
                blocks.append(block)
            case Flatten():
                blocks.append(nn.Flatten())
            case MaxPool2d():
                blocks.append(nn.MaxPool2d(layer.size))
            case Slicer():
                blocks.append(Decision([each * 2.0**-score_exponent for each in layer.thresholds.tolist()]))
            case Argmax():
                pass
            case _:
                raise LogicnnError(
                    f"layer {index} is a {type(layer).__name__}; integer layers, MaxPool2d, Flatten, Slicer and "
                    f"Argmax can be restored"
                )
    return QuantNet(network.input, exponent, blocks)


def _exported(layer: QuantLayer) -> IntDense | IntConv2d:
    weights, bias = layer.integers().numpy().astype(np.int64), layer.bias_integers().numpy().astype(np.int64)
    activation = None
    if layer.out_exponent is not None:
        shift = (layer.in_exponent + layer.weight_exponent - layer.out_exponent).numpy().astype(np.int64)
        activation = layer.activation.exported(shift, layer.out_exponent, layer.scheme)
    if weights.ndim == 4:
        return IntConv2d(weights, bias, activation, None, layer.stride, layer.padding)
    return IntDense(weights, bias, activation)
