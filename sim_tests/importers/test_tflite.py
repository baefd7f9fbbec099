"""TFLite files as networks of integers, beside LiteRT on random models; what is refused; damaged files."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert")

from logicnn.importers import Given, ImportRefused
from logicnn.importers.tflite import imported
from logicnn.network import Argmax, Interval
from sim_tests.tflite_helpers import ACTIVATIONS, OPS, SAME, UINT8, VALID, Model, answers

NONE, RELU, RELU6 = ACTIVATIONS.NONE, ACTIVATIONS.RELU, ACTIVATIONS.RELU6
AVERAGE, GREATEST = OPS.AVERAGE_POOL_2D, OPS.MAX_POOL_2D

MODELS = {
    "dense": lambda seed: Model((1, 30), seed=seed).dense(20).dense(7, NONE, 2.0, 5),
    "a scale a neuron": lambda seed: Model((1, 30), seed=seed).dense(9, RELU6, 0.05, -100, True).dense(4, NONE, 1.0, 0),
    "convolution": lambda seed: Model((1, 9, 8, 3), seed=seed).conv(5).conv(4, stride=2).reshape(1, 24).dense(6, NONE),
    "padded": lambda seed: (
        Model((1, 8, 9, 2), zero=0, seed=seed).conv(5, padding=SAME).conv(4, stride=2, padding=SAME, zero=-30)
    ),
    "padded on one side": lambda seed: Model((1, 8, 8, 2), zero=0, seed=seed).conv(3, stride=2, padding=SAME),
    "wide": lambda seed: Model((1, 10, 6, 1), zero=0, seed=seed).conv(4, (5, 2), 2, SAME).conv(3, (1, 3), 1, SAME),
    "holes": lambda seed: Model((1, 9, 9, 2), seed=seed).conv(3, dilation=2),
    "depthwise": lambda seed: (
        Model((1, 8, 8, 3), seed=seed).depthwise(times=2).conv(5, (1, 1)).depthwise(padding=SAME, activation=RELU6)
    ),
    "greatest": lambda seed: Model((1, 8, 8, 2), seed=seed).conv(4, zero=-20, activation=NONE).pool(GREATEST, (2, 2)),
    "mean": lambda seed: Model((1, 8, 8, 2), seed=seed).conv(4, zero=10, activation=NONE).pool(AVERAGE, (3, 3), 3),
    "mean of a picture": lambda seed: (
        Model((1, 8, 8, 2), seed=seed).conv(4, padding=VALID).pool(AVERAGE, (6, 6), 6).reshape(1, 4).dense(3, NONE)
    ),
}


def read(model: Model, folder: Path, given: Given | None = None):
    path = folder / "model.tflite"
    path.write_bytes(model.data)
    return imported(path, given)


@pytest.mark.parametrize("seed", (1, 2))
@pytest.mark.parametrize("name", MODELS)
def test_bit_for_bit(name, seed, tmp_path):
    model = MODELS[name](seed)
    inputs = model.inputs(200)
    found = read(model, tmp_path)
    given = answers(model.data, inputs)
    assert len(np.unique(given)) > 8
    got = found.network.evaluate(found.inputs(inputs)).reshape(200, *found.network.output.shape)
    got = np.moveaxis(got, 1, -1) if got.ndim == 4 else got
    wrong = np.argwhere(got != given)
    assert not len(wrong), f"{wrong[0]}: {got[tuple(wrong[0])]} instead of {given[tuple(wrong[0])]}, {len(wrong)} such"


def same(model: Model, found, inputs: np.ndarray) -> bool:
    """Whether a network without a class gives what LiteRT does."""
    got = found.outputs(found.network.evaluate(found.inputs(inputs)))
    return np.array_equal(got, answers(model.data, inputs))


def test_bytes_before(tmp_path):
    """A QUANTIZE that keeps every level, of unsigned integers, is an addition; others would need another network."""
    model = Model((1, 20), 0.05, 131, kind=UINT8).quantized(0.05, 3).dense(9, NONE, 1.0, 5)
    found, inputs = read(model, tmp_path), model.inputs(300)
    assert found.network.input.interval == Interval(0, 255) and same(model, found, inputs)
    given = read(model, tmp_path, Given(Interval(-131, 124), 0.05))
    got = given.network.evaluate(inputs.astype(np.int64) - 131)
    assert np.array_equal(got, answers(model.data, inputs))
    for scale, zero in ((0.05, 100), (0.02, 131)):
        wrong = Model((1, 20), scale, zero, kind=UINT8).quantized(0.05, 3).dense(9, NONE, 1.0, 5)
        with pytest.raises(ImportRefused, match=r"^QUANTIZE 't1' must keep every level of 't0'"):
            read(wrong, tmp_path)


def test_numbers_behind(tmp_path):
    """DEQUANTIZE gives real numbers, also of images; QUANTIZE behind a softmax changes no class."""
    model = Model((1, 6, 6, 2), seed=2).conv(4, activation=NONE, zero=7).real()
    assert same(model, read(model, tmp_path), model.inputs(50))
    model = Model((1, 12), seed=3).dense(4, NONE, 1.5, 20).softmax().quantized(1 / 256, 0, UINT8)
    found, inputs = read(model, tmp_path), model.inputs(100)
    outputs, classes = answers(model.data, inputs), found.network.evaluate(inputs)
    assert (outputs[np.arange(100), classes] == outputs.max(1)).all()
    with pytest.raises(ImportRefused, match=r"^a QUANTIZE in the end gives other integers"):
        read(Model((1, 12)).dense(4, NONE, 1.5, 20).quantized(1.0, 0), tmp_path)


def test_greatest(tmp_path):
    model = Model((1, 12), seed=3).dense(4, NONE, 1.5, 20).greatest()
    found, inputs = read(model, tmp_path), model.inputs(200)
    assert np.array_equal(found.network.evaluate(inputs), answers(model.data, inputs).ravel())
    with pytest.raises(ImportRefused, match=r"^ARG_MAX 't5' must be the class, over the last axis, and not over"):
        read(Model((1, 12)).dense(4, NONE, 1.5, 20).greatest(0), tmp_path)


@pytest.mark.parametrize("zero", (-127, -1, 0, 1, 5))
@pytest.mark.parametrize(("activation", "scale"), ((RELU6, 4.0), (RELU6, 4 / 7), (ACTIVATIONS.RELU_N1_TO_1, 2 / 3)))
def test_bounds_of_activations(activation, scale, zero, tmp_path):
    """Their integers are rounded as LiteRT's."""
    model = Model((1, 30), seed=2).dense(9, activation, scale, zero)
    assert same(model, read(model, tmp_path), model.inputs(100))


def test_wide_sums(tmp_path):
    """Beyond what 32 bits of floating point hold, where all is clipped."""
    model = Model((1, 4000), seed=2).dense(8, NONE, 5.0, 3)
    assert same(model, read(model, tmp_path), model.inputs(100))


def test_classes(tmp_path):
    """A softmax in the end changes no class, but makes the network give it."""
    model = Model((1, 12), seed=3).dense(10).dense(4, NONE, 1.5, 20).softmax()
    inputs = model.inputs(300)
    found = read(model, tmp_path)
    assert isinstance(found.network.layers[-1], Argmax) and len(found.scores) == 256
    classes, outputs = found.network.evaluate(found.inputs(inputs)), answers(model.data, inputs)
    assert (outputs[np.arange(300), classes] == outputs.max(1)).all() and len(set(classes.tolist())) > 2


def test_pixels(tmp_path):
    """Integers from 0 on, where the file's are from -128 on: 0 stands for 0, so that pictures may be padded."""
    model = Model((1, 6, 6, 1), 1 / 255, -128, seed=4).conv(3, padding=SAME, scale=0.02).reshape(1, 108).dense(5, NONE)
    inputs = model.inputs(50)
    found = read(model, tmp_path, Given(Interval(0, 255), 1 / 255))
    assert found.network.input.interval == Interval(0, 255)
    got = found.network.evaluate(found.inputs(inputs.astype(np.int64) + 128))
    assert np.array_equal(got, answers(model.data, inputs))
    with pytest.raises(ImportRefused, match=r"pads the input with what stands for 0, which here is -128; give a range"):
        read(model, tmp_path)


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        (Model((1, 4)), None, r"^the file must have 1 to 4096 operators, not 0$"),
        (Model((1, 4, 4, 1)).pool(GREATEST), None, r"^the file has no layer with weights$"),
        (Model((2, 4)).dense(3), None, r"'t0' of shape \[2, 4\] must be of one sample"),
        (Model((1, 4)).dense(3, ACTIVATIONS.TANH), None, r"^FULLY_CONNECTED 't3' must have a ReLU, .* not TANH$"),
        (Model((1, 4)).add(OPS.HARD_SWISH, (), (1, 4), 0.1, 0), None, r"HARD_SWISH 't1'.*; a ReLU could stand in"),
        (Model((1, 4, 4, 1)).conv(2).pool(GREATEST, (2, 2), 1), None, r"must be a maximum over square tiles"),
        (Model((1, 4, 4, 1)).pool(AVERAGE, (3, 3), 1, SAME), None, r"must not pad: its borders are means of fewer$"),
        (
            Model((1, 4)).dense(3),
            Given(Interval(0, 255), 0.05),
            r"^input 't0' .* has steps of 0\.05 from -6\.55 to 6\.2",
        ),
        (Model((1, 4)).dense(3), Given(Interval(-100, 100), 0.06), r"which the integers -100 \.\.\. 100 times 0\.06 "),
        (Model((1, 4)).dense(1).softmax(), None, r"^SOFTMAX must be of two or more classes in a row, not of \[1\]$"),
        (Model((1, 4)).dense(9000), None, r"must have at most 8192 neurons, not 9000$"),
        (Model((1, 40, 40, 700), zero=0).depthwise((1, 15), padding=SAME), None, r"at most 16777216 synapses with its"),
        (Model((1, 4), 1e30).dense(3, NONE, 1e-30), None, r"scales that are too far from each other$"),
    ],
)
def test_refused(model, given, message, tmp_path):
    with pytest.raises(ImportRefused, match=message):
        read(model, tmp_path, given)


@pytest.mark.parametrize(
    ("model", "place"),
    [
        (Model((1, 4)).dense(5).dense(3), 3),
        (Model((1, 6, 6, 2)).pool(GREATEST).conv(3, (2, 2)), 1),
        (Model((1, 6, 6, 2)).pool(AVERAGE).conv(3, (2, 2)), 1),
    ],
)
def test_shapes_that_lie(model, place, tmp_path):
    """An operator's output must have the shape that it computes."""
    read(model, tmp_path)
    model.tensors[place].shape = [*model.tensors[place].shape[:-1], 7]
    with pytest.raises(ImportRefused, match=r"gives|must have a bias|kernels of"):
        read(model, tmp_path)


def test_shortcut(tmp_path):
    """Two branches, named."""
    model = Model((1, 4)).dense(4)
    first = model.at
    model.dense(4).add(OPS.ADD, (first,), (1, 4), 0.1, 0)
    with pytest.raises(ImportRefused, match=r"^ADD 't7' must read what the operator before it gives, and constants: "):
        read(model, tmp_path)


@pytest.mark.parametrize("content", (b"", b"ABCDTFL3", b"\xff" * 4 + b"TFL3" + b"\xff" * 60, b"x" * 100))
def test_no_file(content, tmp_path):
    path = tmp_path / "model.tflite"
    path.write_bytes(content)
    with pytest.raises(ImportRefused, match=r"is (no TFLite file|damaged: )"):
        imported(path, None)
    with pytest.raises(ImportRefused, match=r"cannot be read: No such file"):
        imported(tmp_path / "none.tflite", None)


WHOLE = MODELS["convolution"](1).data


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.integers(0, 4095), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, 200))
def test_damaged(tmp_path, changes, cut):
    """Is read, or refused in one line."""
    content = bytearray(WHOLE)
    for place, value in changes:
        content[place % len(content)] = value
    path = tmp_path / "model.tflite"
    path.write_bytes(content[: len(content) - cut])
    try:
        imported(path, None)
    except ImportRefused as error:
        assert "\n" not in str(error)
