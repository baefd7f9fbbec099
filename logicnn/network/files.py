"""Network files (``.lnn``): safetensors, no pickle, the same bytes for the same network, and everything checked on
load.

What a layer stores, it says itself (`Layer.described`). The single metadata entry is JSON with the format version, the
layers, the digest of the network and a SHA-256 of all else in the file. (A single entry, because safetensors does not
order several.)
"""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from logicnn.errors import LogicnnError
from logicnn.network.layers import layer_of_file
from logicnn.network.network import Network
from logicnn.network.preparation import Preparation, PreparationError
from logicnn.network.values import Activations, Interval, NetworkError
from logicnn.storage import digest_of, replace_file

__all__ = ["NetworkFileError", "from_bytes", "load", "save", "shipped", "to_bytes"]

FORMAT = 1
LARGEST_FILE = 64 << 20  # bytes; a network that fits any supported device is far smaller
SHIPPED = Path(__file__).parents[1] / "models"


class NetworkFileError(LogicnnError):
    """A file that is not a valid network; the message names the file and what is wrong with it."""


def shipped() -> list[str]:
    """Names of the networks that come with the package."""
    return sorted(path.stem for path in SHIPPED.glob("*.lnn"))


def _described(preparation: Preparation) -> dict[str, Any]:
    return {"type": type(preparation).__name__} | asdict(preparation)  # pyright: ignore[reportArgumentType]


def _restored(fields: dict[str, Any]) -> Preparation:
    return Preparation.types[fields["type"]](**{name: value for name, value in fields.items() if name != "type"})


def _checksum(header: dict[str, Any], tensors: dict[str, np.ndarray]) -> str:
    return digest_of(
        {key: value for key, value in header.items() if key != "checksum"},
        *(part for name in sorted(tensors) for part in (name, tensors[name])),
    )


def to_bytes(network: Network) -> bytes:
    """The contents of a network file."""
    layers, tensors = [], {}
    for index, layer in enumerate(network.layers):
        fields, arrays = layer.described()
        layers.append({"type": type(layer).__name__} | fields)
        tensors |= {f"{index}.{name}": array for name, array in arrays.items()}
    header = {
        "format": FORMAT,
        "name": network.name,
        "dataset": network.dataset,
        "labels": list(network.labels),
        "layers": layers,
        "input": {
            "shape": list(network.input.shape),
            "low": network.input.interval.low,
            "high": network.input.interval.high,
        },
        "digest": network.digest(),
    }
    if network.preparation:
        header["preparation"] = _described(network.preparation)
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
        layers = [
            layer_of_file(fields["type"], fields, each) for fields, each in zip(header["layers"], parts, strict=True)
        ]
        given = header["input"]
        network = Network(
            Activations(tuple(given["shape"]), Interval(given["low"], given["high"])),
            layers,
            header["name"],
            header["dataset"],
            tuple(header["labels"]),
            _restored(header["preparation"]) if "preparation" in header else None,
        )
        if network.digest() != header["digest"]:
            raise NetworkError(
                f"the network's digest is {network.digest()[:12]}, not {str(header['digest'])[:12]} as recorded"
            )
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
        RecursionError,
    ) as error:  # any malformed header ends in one of these
        raise NetworkError(f"malformed header ({type(error).__name__}: {error})") from None
    return network


def save(network: Network, path: str | os.PathLike[str]) -> None:
    """Writes a network file, whole or not at all; the same network gives the same bytes."""
    replace_file(Path(path), to_bytes(network))


def load(source: str | os.PathLike[str]) -> Network:
    """Reads a network file by path, or a shipped network by name (`shipped`).

    Raises `NetworkFileError` for a file that is missing, damaged, too large or of another version, and for an unknown
    name.
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
