"""Network files (``.lnn``): safetensors, no pickle, the same bytes for the same network, and everything checked on load.

Ternary weights are stored by neuron: how many synapses are kept, which inputs they read, and one packed bit each for the sign.
The single metadata entry is JSON with the format version, the layers, the digest of the network and a SHA-256 of all else in the
file. (A single entry, because safetensors does not order several.)
"""

import json
import os
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from logicnn.digest import digest_of
from logicnn.errors import LogicnnError
from logicnn.network import (
    Activations,
    Argmax,
    BinaryConv2d,
    BinaryDense,
    Flatten,
    IntConv2d,
    IntDense,
    Interval,
    Layer,
    MaxPool2d,
    Network,
    NetworkError,
    Offset,
    Requantize,
    Slicer,
    Thermometer,
    Threshold,
)
from logicnn.preparation import Picture, Preparation, PreparationError, Standardised

__all__ = ["NetworkFileError", "load", "replace_file", "save", "shipped"]

FORMAT = 1
LARGEST_FILE = 64 << 20  # bytes; a network that fits any supported device is far smaller
LARGEST_WEIGHTS = 1 << 28  # elements of one layer
SHIPPED = Path(__file__).parent / "models"


class NetworkFileError(LogicnnError):
    """A file that is not a valid network; the message names the file and what is wrong with it."""


def replace_file(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all: a reader sees the old bytes or the new ones, also after a full disk or Ctrl-C."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)  # mkstemp's 0o600 is for secrets
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def shipped() -> list[str]:
    """Names of the networks that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.lnn"))


def _encode_weights(weights: np.ndarray) -> dict[str, np.ndarray]:
    rows = weights.reshape(len(weights), -1)
    _, inputs = np.nonzero(rows)
    return {
        "kept": np.count_nonzero(rows, axis=1).astype(np.uint32),
        "inputs": inputs.astype(np.uint32 if rows.shape[1] > 1 << 16 else np.uint16),
        "negative": np.packbits(rows[rows != 0] < 0),
    }


def _decode_weights(shape: Sequence[int], parts: dict[str, np.ndarray]) -> np.ndarray:
    size = int(np.prod(shape, dtype=object))
    if not 0 < size <= LARGEST_WEIGHTS:
        raise NetworkError(f"weights of shape {tuple(shape)} have {size} elements; at most {LARGEST_WEIGHTS} are accepted")
    kept, inputs, negative = (parts[name] for name in ("kept", "inputs", "negative"))
    width = size // shape[0]
    if kept.shape != (shape[0],) or int(kept.sum(dtype=np.uint64)) != inputs.size or negative.shape != (-(-inputs.size // 8),):
        raise NetworkError(f"synapses do not match the shape {tuple(shape)}")
    if inputs.size and inputs.max() >= width:
        raise NetworkError(f"a synapse reads input {inputs.max()} of {width}")
    rows = np.zeros((shape[0], width), np.int8)
    rows[np.repeat(np.arange(shape[0]), kept), inputs] = 1 - 2 * np.unpackbits(negative, count=inputs.size).astype(np.int8)
    if np.count_nonzero(rows) != inputs.size:
        raise NetworkError("a neuron reads an input twice")
    return rows.reshape(shape)


def _narrowest(weights: np.ndarray) -> np.ndarray:
    """The same weights in as few bytes as hold them all; loading widens them again."""
    kinds = (np.int8, np.int16, np.int32)
    return weights.astype(next(kind for kind in kinds if np.iinfo(kind).min <= weights.min() and weights.max() <= np.iinfo(kind).max))


def _describe(layer: Layer) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """A layer as JSON and arrays."""
    kind: dict[str, Any] = {"type": type(layer).__name__}
    match layer:
        case BinaryDense(weights, activation) | BinaryConv2d(weights, activation):
            kind |= {"shape": list(weights.shape), "activation": type(activation).__name__}
            if isinstance(layer, BinaryConv2d):
                kind |= {"stride": layer.stride, "padding": layer.padding}
            return kind, _encode_weights(weights) | {"level": activation.level}
        case IntDense(weights, bias, activation, width) | IntConv2d(weights, bias, activation, width):
            parts = {"weights": _narrowest(weights), "bias": bias}
            if isinstance(layer, IntConv2d):
                kind |= {"stride": layer.stride, "padding": layer.padding}
            if activation is not None:
                kind |= {"low": activation.low, "high": activation.high}
                parts |= {"multiplier": activation.multiplier, "shift": activation.shift}
            return kind, parts if width is None else parts | {"width": width}
        case MaxPool2d(size):
            return kind | {"size": size}, {}
        case Slicer(thresholds):
            return kind, {"thresholds": thresholds}
        case Thermometer(thresholds):
            return kind, {"thresholds": thresholds}
        case Flatten() | Argmax():
            return kind, {}


def _restore(kind: dict[str, Any], parts: dict[str, np.ndarray]) -> Layer:
    """The inverse of `_describe`."""
    match kind["type"]:
        case "BinaryDense" | "BinaryConv2d":
            weights = _decode_weights(kind["shape"], parts)
            activation = {"Threshold": Threshold, "Offset": Offset}[kind["activation"]](parts["level"])
            if kind["type"] == "BinaryDense":
                return BinaryDense(weights, activation)
            return BinaryConv2d(weights, activation, kind["stride"], kind["padding"])
        case "IntDense" | "IntConv2d":
            activation = Requantize(parts["multiplier"], parts["shift"], kind["low"], kind["high"]) if "low" in kind else None
            common = parts["weights"], parts["bias"], activation, parts.get("width")
            return IntDense(*common) if kind["type"] == "IntDense" else IntConv2d(*common, kind["stride"], kind["padding"])
        case "MaxPool2d":
            return MaxPool2d(kind["size"])
        case "Slicer":
            return Slicer(parts["thresholds"])
        case "Thermometer":
            return Thermometer(parts["thresholds"])
        case "Flatten":
            return Flatten()
        case "Argmax":
            return Argmax()
    raise NetworkError(f"unknown layer type {kind['type']!r}")


def _describe_preparation(preparation: Preparation) -> dict[str, Any]:
    return {"type": type(preparation).__name__} | asdict(preparation)


def _restore_preparation(fields: dict[str, Any]) -> Preparation:
    kinds = {"Picture": Picture, "Standardised": Standardised}
    return kinds[fields["type"]](**{name: value for name, value in fields.items() if name != "type"})


def _checksum(header: dict[str, Any], tensors: dict[str, np.ndarray]) -> str:
    return digest_of(
        {key: value for key, value in header.items() if key != "checksum"},
        *(part for name in sorted(tensors) for part in (name, tensors[name])),
    )


def to_bytes(network: Network) -> bytes:
    """The contents of a network file."""
    layers, tensors = [], {}
    for index, layer in enumerate(network.layers):
        kind, parts = _describe(layer)
        layers.append(kind)
        tensors |= {f"{index}.{name}": array for name, array in parts.items()}
    header = {
        "format": FORMAT,
        "name": network.name,
        "dataset": network.dataset,
        "labels": list(network.labels),
        "layers": layers,
        "input": {"shape": list(network.input.shape), "low": network.input.interval.low, "high": network.input.interval.high},
        "digest": network.digest(),
    }
    if network.preparation:
        header["preparation"] = _describe_preparation(network.preparation)
    header["checksum"] = _checksum(header, tensors)
    return save_tensors(tensors, {"logicnn": json.dumps(header, sort_keys=True)})


def _header_of(data: bytes) -> dict[str, Any]:
    """The JSON of a file that `load_tensors` has accepted."""
    length = int.from_bytes(data[:8], "little")
    header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["logicnn"])
    if header["format"] != FORMAT:
        raise NetworkError(f"format version {header['format']} is not supported; this logicnn reads version {FORMAT}")
    return header


def from_bytes(data: bytes) -> Network:
    """The inverse of `to_bytes`; raises `NetworkError` for anything else."""
    try:
        tensors = load_tensors(data)
        header = _header_of(data)
        if header["checksum"] != _checksum(header, tensors):
            raise NetworkError("its checksum does not match: the file is damaged")
        parts: list[dict[str, np.ndarray]] = [{} for _ in header["layers"]]
        for name, array in tensors.items():
            index, part = name.split(".")
            parts[int(index)][part] = array
        layers = [_restore(kind, each) for kind, each in zip(header["layers"], parts, strict=True)]
        given = header["input"]
        network = Network(
            Activations(tuple(given["shape"]), Interval(given["low"], given["high"])),
            layers,
            header["name"],
            header["dataset"],
            tuple(header["labels"]),
            _restore_preparation(header["preparation"]) if "preparation" in header else None,
        )
        if network.digest() != header["digest"]:
            raise NetworkError(f"the network's digest is {network.digest()[:12]}, not {str(header['digest'])[:12]} as recorded")
    except SafetensorError as error:
        raise NetworkError(f"not a network file, or cut short ({error})") from None
    except NetworkError:
        raise
    except PreparationError as error:
        raise NetworkError(str(error)) from None
    except (
        KeyError,
        TypeError,
        ValueError,
        IndexError,
        AttributeError,
        OverflowError,
    ) as error:  # any malformed header ends in one of these
        raise NetworkError(f"malformed header ({type(error).__name__}: {error})") from None
    return network


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Writes a network file, whole or not at all; the same network gives the same bytes."""
    replace_file(Path(path), to_bytes(network))


def load(source: str | os.PathLike[str]) -> Network:
    """Reads a network file by path, or a shipped network by name (`shipped`).

    Raises `NetworkFileError` for a file that is missing, damaged, too large or of another version, and for an unknown name.
    """
    path = Path(source)
    if str(source) in shipped():
        path = SHIPPED / f"{source}.lnn"
    elif not path.is_file():
        looks_like_path = path.suffix or len(path.parts) > 1
        what = f"no network file {str(source)!r}" if looks_like_path else f"unknown model {str(source)!r}"
        raise NetworkFileError(f"{what}; give the path of a .lnn file or one of: {', '.join(shipped())}")
    try:
        size = path.stat().st_size
        if size > LARGEST_FILE:
            raise NetworkFileError(f"{path}: {size} bytes is too large for a network file (at most {LARGEST_FILE})")
        return from_bytes(path.read_bytes())
    except NetworkError as error:
        raise NetworkFileError(f"{path}: {error}") from None
    except OSError as error:
        raise NetworkFileError(f"cannot read {path}: {error.strerror}") from None
