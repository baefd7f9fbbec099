"""Network files: inverse, deterministic, and every damaged file refused in one line."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save as save_tensors

from logicnn import load, save
from logicnn.network import NetworkError, files
from logicnn.network.files import NetworkFileError, from_bytes, to_bytes
from sim_tests.helpers import conv_network, dense_network


@given(st.integers(0, 2**32 - 1), st.floats(0, 1))
def test_inverse(seed, density):
    network = dense_network(np.random.default_rng(seed), 9, 5, 3, density=density)
    again = from_bytes(to_bytes(network))
    assert again == network and again.name == network.name and to_bytes(again) == to_bytes(network)


def test_inverse_conv(tmp_path):
    network = conv_network(np.random.default_rng(1))
    save(network, tmp_path / "n.lnn")
    assert load(tmp_path / "n.lnn") == network


@pytest.mark.parametrize("name", files.shipped())
def test_shipped(name):
    assert load(name).name == name


def test_every_flipped_bit_is_refused():
    data = to_bytes(dense_network(np.random.default_rng(1), 4, 3, 2))
    for place in range(len(data)):
        for bit in range(8):
            damaged = bytearray(data)
            damaged[place] ^= 1 << bit
            with pytest.raises(NetworkError):
                from_bytes(bytes(damaged))


def test_every_cut_is_refused():
    data = to_bytes(dense_network(np.random.default_rng(1), 4, 3, 2))
    for length in range(len(data)):
        with pytest.raises(NetworkError):
            from_bytes(data[:length])
    with pytest.raises(NetworkError):
        from_bytes(data + b"\0")


@given(st.binary(max_size=300))
def test_noise_is_refused(data):
    with pytest.raises(NetworkError):
        from_bytes(data)


def reheaded(change) -> bytes:
    """A file whose header was changed, with a checksum that fits: only the meaning can be wrong."""
    network = dense_network(np.random.default_rng(1), 4, 3, 2)
    tensors = files.load_tensors(to_bytes(network))
    header = files._header_of(to_bytes(network))
    change(header, tensors)
    header["checksum"] = files._checksum(header, tensors)
    return files.save_tensors(tensors, {"logicnn": json.dumps(header)})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda header, tensors: header.update(format=2),
            r"^format version 2 is not supported; this logicnn reads version 1$",
        ),
        (lambda header, tensors: header.update(digest="0" * 64), r"^the network's digest is .* as recorded$"),
        (lambda header, tensors: header["layers"][0].update(type="Dense"), r"^unknown layer type 'Dense'$"),
        (
            lambda header, tensors: header["layers"][0].update(shape=[3, 1 << 40]),
            r"elements; at most \d+ are accepted$",
        ),
        (
            lambda header, tensors: header["layers"][0].update(shape=[3, 1 << 24]),  # 48 MiB in a file of 1 KiB
            r"have 50331648 elements; at most 33554432 are accepted$",
        ),
        (
            lambda header, tensors: header["layers"][0].update(shape=[3, 5]),
            r"^layer 0: BinaryDense.weights \(3, 5\) read 5 inputs",
        ),
        (lambda header, tensors: header["layers"].pop(), r"^the network's digest is"),
        (lambda header, tensors: header["input"].update(shape="four"), r"^(shape must|malformed header)"),
        (lambda header, tensors: header.pop("digest"), r"^malformed header \(KeyError: 'digest'\)$"),
        (
            lambda header, tensors: header["input"].update(low=float("-inf")),
            r"^interval low must be an integer, not -inf$",
        ),
        (lambda header, tensors: header.update(name=3), r"^name must be at most 100 letters, digits, .* not 3$"),
        (lambda header, tensors: header.pop("layers"), r"^malformed header \(KeyError: 'layers'\)$"),
        (
            lambda header, tensors: tensors.update({"0.inputs": tensors["0.inputs"] + 100}),
            r"^a synapse reads input 1\d\d of 4$",
        ),
        (
            lambda header, tensors: tensors.update({"0.inputs": tensors["0.inputs"] * 0}),
            r"^a neuron reads an input twice$",
        ),
        (lambda header, tensors: tensors.update({"0.level": np.full(3, np.nan)}), r"^Threshold.minimum must be finite"),
        (
            lambda header, tensors: tensors.update({"0.level": np.zeros(2, np.int32)}),
            r"^BinaryDense has 3 neurons but 2 threshold values$",
        ),
    ],
)
def test_wrong_contents(change, message):
    with pytest.raises(NetworkError, match=message):
        from_bytes(reheaded(change))


def test_missing_file(tmp_path):
    with pytest.raises(
        NetworkFileError, match=r"^no network file '.*none.lnn'; give the path of a .lnn file or one of: .*digits-bnn"
    ):
        load(tmp_path / "none.lnn")


def test_unknown_name():
    with pytest.raises(
        NetworkFileError, match=r"^unknown model 'mnist'; give the path of a .lnn file or one of: .*mnist-bnn"
    ):
        load("mnist")


def test_too_large(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "LARGEST_FILE", 100)
    (tmp_path / "big.lnn").write_bytes(bytes(101))
    with pytest.raises(NetworkFileError, match=r"101 bytes is too large for a network file \(at most 100\)$"):
        load(tmp_path / "big.lnn")


def test_replace_file_keeps_the_old_on_failure(tmp_path, monkeypatch):
    target = tmp_path / "x"
    target.write_bytes(b"old")

    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "replace", fail)
    with pytest.raises(OSError, match="No space left"):
        files.replace_file(target, b"new")
    assert target.read_bytes() == b"old" and list(tmp_path.iterdir()) == [target]


def test_metadata_that_is_nested():
    """Deeper than any reader of JSON goes."""
    with pytest.raises(NetworkError, match=r"^malformed header \(RecursionError: "):
        from_bytes(save_tensors({}, {"logicnn": "[" * 200_000}))
