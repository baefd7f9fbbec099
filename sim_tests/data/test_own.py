"""One's own data: every form gives the samples and classes that it was written from; what cannot be learned from is
refused in one line.
"""

import gzip
import re
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from logicnn import load
from logicnn.data.dataset import DatasetError
from logicnn.data.own import Labelled, OwnData, labelled_for, read_own
from logicnn.errors import LogicnnError
from logicnn.network import Picture, Quantiles

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(7)
PIXELS = RNG.integers(0, 256, (12, 1, 3, 4)).astype(np.uint8)
LABELS = np.arange(12) % 3
ROWS = "a;b;label\n1,5;2;yes\n2;3;no\n1;7;yes\n4;4;no\n5;1;yes\n6;2;no\n"


def folders(path: Path, x: np.ndarray, y: np.ndarray, names=("cat", "dog", "10")) -> Path:
    for number, (sample, label) in enumerate(zip(x, y, strict=True)):
        (path / names[label]).mkdir(parents=True, exist_ok=True)
        Image.fromarray(sample[0] if len(sample) == 1 else sample.transpose(1, 2, 0)).save(
            path / names[label] / f"{number:03}.png"
        )
    return path


def idx(data: np.ndarray) -> bytes:
    return b"\0\0\x08" + bytes([data.ndim]) + struct.pack(f">{data.ndim}I", *data.shape) + data.tobytes()


def idx_files(path: Path, zipped: bool = True) -> Path:
    path.mkdir()
    for part, rows in (("train", slice(8)), ("t10k", slice(8, 12))):
        for kind, data in (("images-idx3", PIXELS[rows, 0]), ("labels-idx1", LABELS[rows].astype(np.uint8))):
            content = idx(data)
            (path / f"{part}-{kind}-ubyte{'.gz' * zipped}").write_bytes(gzip.compress(content) if zipped else content)
    return path


def pairs(data: Labelled) -> list[tuple[bytes, int]]:
    return sorted(zip([each.tobytes() for each in data.x], data.y.tolist(), strict=True))


def test_folders(tmp_path):
    """Names in the order of numbers, then of letters; other files beside the folders do not matter."""
    own = read_own(folders(tmp_path, PIXELS, LABELS))
    assert own.classes == ("10", "cat", "dog") and own.picture == Picture("L", 3, 4, 255) and own.given is None
    assert pairs(own.train) == pairs(Labelled(PIXELS, (LABELS + 1) % 3))


def test_folders_without_pictures(tmp_path):
    folders(tmp_path, PIXELS, LABELS)
    (tmp_path / "bird").mkdir()
    (tmp_path / ".hidden").mkdir()
    own = read_own(tmp_path)
    assert own.classes == ("10", "cat", "dog") and own.remarks == ("without any picture, and so no class: bird",)


def test_folders_in_colour(tmp_path):
    """Also where only one of them is."""
    folders(tmp_path, PIXELS, LABELS)
    Image.new("RGB", (4, 3), (1, 2, 3)).save(tmp_path / "cat" / "x.png")
    own = read_own(tmp_path)
    assert own.picture == Picture("RGB", 3, 4, 255) and own.train.x.shape == (13, 3, 3, 4)
    assert [1, 2, 3] in own.train.x[:, :, 0, 0].tolist()


def test_folders_that_are_split(tmp_path):
    for part, rows in (("train", slice(9)), ("test", slice(9, 12))):
        folders(tmp_path / part, PIXELS[rows], LABELS[rows])
    own = read_own(tmp_path)
    assert own.given and [len(each.x) for each in own.split(0.5, 1)] == [9, 3]
    assert pairs(own.given) == pairs(Labelled(PIXELS[9:], (LABELS[9:] + 1) % 3))


def test_size(tmp_path):
    folders(tmp_path, PIXELS, LABELS)
    Image.new("L", (40, 30), 7).save(tmp_path / "cat" / "x.png")
    with pytest.raises(DatasetError, match=r"x\.png: 40 x 30 pixels; it must be 4 x 3, or give --size HEIGHT WIDTH$"):
        read_own(tmp_path)
    assert read_own(tmp_path, size=(6, 8)).train.x.shape == (13, 1, 6, 8)


@pytest.mark.parametrize("zipped", [False, True])
def test_idx(tmp_path, zipped):
    own = read_own(idx_files(tmp_path / "a", zipped))
    assert own.given and own.classes == ("0", "1", "2")
    assert np.array_equal(own.train.x, PIXELS[:8]) and np.array_equal(own.given.y, LABELS[8:])


@pytest.mark.parametrize(
    ("x", "shape"),
    [
        (PIXELS[:, 0], (1, 3, 4)),
        (PIXELS, (1, 3, 4)),
        (PIXELS.transpose(0, 2, 3, 1), (1, 3, 4)),
        (np.repeat(PIXELS, 3, 1).transpose(0, 2, 3, 1), (3, 3, 4)),
        (PIXELS.reshape(12, 12) / 7, (12,)),
    ],
)
def test_arrays(tmp_path, x, shape):
    np.savez(tmp_path / "d.npz", x=x, y=np.array(["b", "a", "c"])[LABELS])
    own = read_own(tmp_path / "d.npz")
    assert own.classes == ("a", "b", "c") and own.train.x.shape == (12, *shape)
    assert own.train.y.tolist() == [1, 0, 2] * 4
    assert np.array_equal(own.train.x, np.broadcast_to(PIXELS, (12, *shape)) if len(shape) == 3 else x)
    assert bool(own.columns) == (len(shape) == 1)


def test_arrays_that_are_split(tmp_path):
    np.savez(tmp_path / "d.npz", x=PIXELS[:8, 0], y=LABELS[:8], x_test=PIXELS[8:, 0], y_test=LABELS[8:])
    own = read_own(tmp_path / "d.npz")
    assert own.given and np.array_equal(own.given.x, PIXELS[8:]) and np.array_equal(own.given.y, LABELS[8:])


def test_table(tmp_path):
    (tmp_path / "t.csv").write_text(ROWS)
    own = read_own(tmp_path / "t.csv")
    assert own.columns == ("a", "b") and own.classes == ("no", "yes") and own.train.y.tolist() == [1, 0] * 3
    assert own.train.x[0].tolist() == [1.5, 2.0] and own.picture is None
    assert read_own(tmp_path / "t.csv", drop=["a"]).columns == ("b",)
    (tmp_path / "t.csv").write_text(ROWS.replace("label", "b label"))
    assert read_own(tmp_path / "t.csv", label="B Label").columns == ("a", "b")


def test_table_without_names(tmp_path):
    (tmp_path / "t.csv").write_text("1,2,0\n3,4,1\n5,6,0\n7,8,1\n9,1,0\n2,2,1\n")
    own = read_own(tmp_path / "t.csv", label="column 3")
    assert own.columns == ("column 1", "column 2") and own.classes == ("0", "1")


def test_remarks(tmp_path):
    (tmp_path / "t.csv").write_text(re.sub(r";\d;", ";4;", ROWS))
    assert read_own(tmp_path / "t.csv").remarks == ("constant, and so of no use: b",)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2)), min_size=1, max_size=60),
    st.floats(0.05, 0.5),
    st.integers(0, 5),
)
def test_split(samples, share, seed):
    """Of each class some on both sides, equal samples on one, and every sample once."""
    x, y = (np.array(each) for each in zip(*samples, strict=True))
    data = Labelled(x[:, None].astype(float), y)
    own = OwnData(("a", "b", "c"), data)
    distinct = [set(x[y == label].tolist()) for label in range(3)]
    alone = [values - set().union(*distinct[:label]) for label, values in enumerate(distinct)]
    if min(map(len, alone)) < 2:
        with pytest.raises(DatasetError, match=r"^class [abc] has too few different samples to train and to test$"):
            own.split(share, seed)
        return
    train, test = own.split(share, seed)
    assert pairs(Labelled(np.concatenate([train.x, test.x]), np.concatenate([train.y, test.y]))) == pairs(data)
    assert not set(train.x[:, 0]) & set(test.x[:, 0])
    assert set(train.y) == set(test.y) == {0, 1, 2}


def test_split_is_of_its_share():
    y = np.repeat([0, 1], [900, 100])
    own = OwnData(("a", "b"), Labelled(np.arange(1000.0)[:, None], y))
    _, test = own.split(0.2, 3)
    assert np.bincount(test.y).tolist() == [180, 20]
    assert np.array_equal(own.split(0.2, 3)[1].x, test.x) and not np.array_equal(own.split(0.2, 4)[1].x, test.x)


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("a,b\n1,2\n", {}, r"has no column 'label' that says the class; name one with --label \(a, b\)$"),
        ("a,label\n1,x\n,y\n", {}, r"column 'a' is empty in row 2; mend it, or leave the column out with --drop$"),
        ("a,label\n1,x\ntcp,y\n", {}, r"column 'a' holds 'tcp', which is no number in row 2"),
        ("a,label\n1,x\ninf,y\n", {}, r"column 'a' holds 'inf'"),
        ("a,label\n" + "1,x\n-2e101,y\n" * 3, {}, r"'a' has -2e\+101 in a row; numbers must lie within 1e\+100$"),
        ("a,label\n1,x\n2,x\n3,x\n", {}, r"must have 2 \.\.\. 256 classes, not 1 \(x \.\.\.\)$"),
        ("a,label\n1,x\n2,x\n3,x\n4,y\n", {}, r"class y has 1 sample; each needs 3, to train, to choose and to test$"),
        ("a,label\n1,x\n2,\n", {}, r"row 2 has no label in column 'label'$"),
        ("a,label\n1,x\n2,y,3\n", {}, r"row 2 must have 2 columns, not 3$"),
        ("a,label\n" + "1,x\n1,y\n" * 3, {}, r"all columns are constant, so that nothing tells the classes apart$"),
        ("a,a,label\n1,2,x\n", {}, r"has several columns 'a'$"),
        ("a,label\n1," + "1" * 5000 + "\n2,x\n", {}, r"must|needs"),
        ("a,label\n1,x\n", {"drop": ["c"]}, r"has no column 'c' to be dropped$"),
        ("a,label\n1,x\n", {"drop": ["a"]}, r"has no column beside 'label'$"),
        (
            "a,label\n" + "".join(f"{n},{n}\n" * 3 for n in range(257)),
            {},
            r"classes, not 257 \(0, 1, 2, 3, 4 \.\.\.\)$",
        ),
        ("", {}, r"holds no sample$"),
        (ROWS, {"size": (3, 4)}, r"^--size is for folders of pictures, which "),
    ],
)
def test_wrong_tables(tmp_path, content, options, message):
    (tmp_path / "t.csv").write_text(content)
    with pytest.raises(Exception, match=message) as caught:
        read_own(tmp_path / "t.csv", **options)
    assert caught.value.exit_code == 2  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": PIXELS}, r"must have x and y, and x_test with y_test; y is missing$"),
        ({"x": PIXELS, "y": LABELS, "x_test": PIXELS}, r"y_test is missing$"),
        ({"x": PIXELS, "y": LABELS[:5]}, r"y must be a label for each of 12 samples, not of shape \(5,\)$"),
        ({"x": PIXELS, "y": LABELS / 2}, r"y must be integers or names, not float64$"),
        ({"x": PIXELS * 1.0, "y": LABELS}, r"x must be rows of numbers .*not \(12, 1, 3, 4\) of float64$"),
        ({"x": np.where(PIXELS > 3, 1.0, np.nan).reshape(12, -1), "y": LABELS}, r"x has no number in row \d+, column"),
        (
            {"x": PIXELS, "y": LABELS, "x_test": PIXELS[:2], "y_test": [0, 5]},
            r"the test part has class 5, which training",
        ),
        ({"x": PIXELS, "y": LABELS, "x_test": PIXELS[:2, :, :2], "y_test": [0, 1]}, r"x and x_test have shapes"),
        ({"x": PIXELS[:0], "y": LABELS[:0]}, r"holds no sample$"),
        ({"x": PIXELS[:, :, :, :0], "y": LABELS}, r"holds no sample$"),
        ({"x": np.float64(5), "y": np.int64(3)}, r"x must be of samples and their numbers, not \(\)$"),
        ({"x": PIXELS, "y": np.array(["a", " ", "b"])[LABELS]}, r"a class needs a name that can be printed, not ' '$"),
    ],
)
def test_wrong_arrays(tmp_path, arrays, message):
    np.savez(tmp_path / "d.npz", **arrays)
    with pytest.raises(DatasetError, match=message):
        read_own(tmp_path / "d.npz")


def test_wrong_files(tmp_path):
    with pytest.raises(
        DatasetError, match=r"^there is no .*; give a folder of pictures or IDX files, an .npz or a .csv$"
    ):
        read_own(tmp_path / "none")
    with pytest.raises(
        DatasetError, match=r"must hold a folder of pictures for each class, or MNIST's four IDX files$"
    ):
        read_own(tmp_path)
    (tmp_path / "d.npz").write_bytes(b"PK\3\4 no archive")
    with pytest.raises(DatasetError, match=r"d\.npz cannot be read as \.npz: "):
        read_own(tmp_path / "d.npz")
    (tmp_path / "d.txt").write_text("1")
    with pytest.raises(DatasetError, match=r"d\.txt must be a folder, an \.npz or a \.csv$"):
        read_own(tmp_path / "d.txt")
    with pytest.raises(DatasetError, match=r"^--label and --drop are for \.csv files, which "):
        read_own(tmp_path, label="a")
    (folders(tmp_path / "p", PIXELS, LABELS) / "cat" / "notes.txt").write_text("mine")
    with pytest.raises(
        DatasetError, match=r"notes\.txt is no picture that Pillow can read; class folders hold nothing"
    ):
        read_own(tmp_path / "p")
    (idx_files(tmp_path / "i") / "train-labels-idx1-ubyte.gz").write_bytes(b"\x1f\x8bno")
    with pytest.raises(DatasetError, match=r"train-labels-idx1-ubyte\.gz cannot be read: "):
        read_own(tmp_path / "i")
    (tmp_path / "i" / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DatasetError, match=r"lacks train-labels-idx1-ubyte or train-labels-idx1-ubyte\.gz; all four"):
        read_own(tmp_path / "i")


def test_index_without_a_name(tmp_path):
    """As a program writes tables."""
    (tmp_path / "t.csv").write_text(",a,label\n0,1,x\n1,2,y\n2,3,x\n3,4,y\n4,5,x\n5,6,y\n")
    assert read_own(tmp_path / "t.csv", drop=["column 1"]).columns == ("a",)


def test_names_of_bytes(tmp_path):
    np.savez(tmp_path / "d.npz", x=PIXELS, y=np.array([b"a", b"b", b"c"])[LABELS])
    assert read_own(tmp_path / "d.npz").classes == ("a", "b", "c")


def test_damaged_pictures(tmp_path):
    """Named, whatever is wrong with them."""
    cut = folders(tmp_path / "p", PIXELS, LABELS) / "cat" / "003.png"
    whole = cut.read_bytes()
    cut.write_bytes(whole[:-30])
    with pytest.raises(DatasetError, match=r"003\.png "):
        read_own(tmp_path / "p")
    huge = bytearray(whole)
    huge[16:24] = struct.pack(">II", 30_000, 30_000)
    cut.write_bytes(bytes(huge))
    with pytest.raises(DatasetError, match=r"003\.png "):
        read_own(tmp_path / "p")
    with pytest.raises(DatasetError, match=r"^--size must be of at most 4194304 pixels, not 1000000 x 1000000$"):
        read_own(tmp_path / "p", size=(1_000_000, 1_000_000))


@pytest.mark.parametrize("shape", [[65536] * 4, [1] * 5])
def test_idx_of_any_shape(tmp_path, shape):
    idx_files(tmp_path / "i", zipped=False)
    data = b"\0\0\x08" + bytes([len(shape)]) + struct.pack(f">{len(shape)}I", *shape)
    (tmp_path / "i" / "train-images-idx3-ubyte").write_bytes(data)
    with pytest.raises(DatasetError, match=r"should hold|has 5 dimensions"):
        read_own(tmp_path / "i")


def test_for_a_network(tmp_path):
    """What `logicnn train` leaves, pictures, and tables by name with what the network does not read."""
    digits = load("digits-bnn")
    x, y = RNG.integers(0, 17, (30, 1, 8, 8)), RNG.integers(0, 10, 30)
    np.savez(tmp_path / "t.npz", inputs=x, labels=y)
    found = labelled_for(digits, tmp_path / "t.npz")
    assert np.array_equal(found.x, x) and np.array_equal(found.y, y)
    for arrays, message in (
        ({"inputs": x + 1, "labels": y}, r"inputs must lie in 0 \.\.\. 16$"),
        ({"inputs": x / 2, "labels": y}, r"inputs must be integers"),
        ({"inputs": x, "labels": y + 9}, r"labels must be 30 integers in 0 \.\.\. 9$"),
    ):
        np.savez(tmp_path / "t.npz", **arrays)
        with pytest.raises(DatasetError, match=message):
            labelled_for(digits, tmp_path / "t.npz")
    with pytest.raises(DatasetError, match=r"has class '10'; the network's are 0, 1, 2, 3, 4 \.\.\.$"):
        labelled_for(digits, folders(tmp_path / "p", PIXELS, LABELS))
    with pytest.raises(DatasetError, match=r"holds samples of 1 x 3 x 4, which the network does not read$"):
        labelled_for(digits, folders(tmp_path / "q", PIXELS, LABELS, ("1", "2", "3")))


def test_tables_for_a_network(tmp_path):
    (tmp_path / "t.csv").write_text(ROWS)
    jets = load("jsc-reuse")
    made = Quantiles(["b"], [[2.0, 4.0]])
    network = replace(jets, labels=("no", "yes", "c", "d", "e"))
    with pytest.raises(LogicnnError, match=r"t\.csv lacks 16 of 16 columns"):
        labelled_for(network, tmp_path / "t.csv")
    sums = replace(jets, layers=jets.layers[:-1], labels=())
    with pytest.raises(DatasetError, match=r"gives no class, so that no labels can be compared with it$"):
        labelled_for(sums, tmp_path / "t.csv")
    narrow = narrowed(made)
    (tmp_path / "t.csv").write_text(ROWS.replace("a;", "text;").replace("1,5;", "tcp;"))  # what the network reads not
    found = labelled_for(narrow, tmp_path / "t.csv")
    assert found.x.tolist() == [[1], [1], [2], [2], [0], [1]] and found.y.tolist() == [1, 0] * 3


def narrowed(preparation: Quantiles):
    """A network of one column and two classes."""
    from logicnn.network import Activations, Argmax, BinaryDense, Interval, Network, Offset, Thermometer

    dense = BinaryDense(np.array([[1, 1], [-1, 1]], np.int8), Offset(np.array([0, 0])))
    layers = Thermometer(np.array([1, 2])), dense, Argmax()
    return Network(Activations((1,), Interval(0, 2)), layers, labels=("no", "yes"), preparation=preparation)
