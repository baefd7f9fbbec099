"""The page of a build: figures against plain loops, hostile names as text, and a browser that has no complaint."""

import base64
import io
import re
import shutil
import subprocess
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from logicnn import load
from logicnn.engines import Mapping
from logicnn.flow.floorplan import Cell, Floorplan, Parts
from logicnn.flow.page import Decisions, Hop, hops_of, page, picture_of
from logicnn.network import Interval
from logicnn.verify.vectors import Vectors
from sim_tests.flow.test_report import PLAIN
from sim_tests.helpers import dense_network

DIGITS = load("digits-bnn")
PLAN = Floorplan((Cell(1, 2, 0, "BinaryDense 1"), Cell(1, 2, 7, "Argmax"), Cell(3, 1, None, "sample store")), 5, 4)
HOSTILE = '<script>alert("1")</script>'


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(3)
    x = rng.integers(0, 17, (50, *DIGITS.input.shape))
    return Vectors(x, rng.integers(0, 10, 40), "random")


def drawn(report=PLAIN, network=DIGITS, decisions=None):
    hops, changes = (Hop("Argmax", 3, 1.25, 2.5),), {"first": 6.0, "second": 2.0}
    return page(report, PLAN, hops, decisions, changes, network, "python -m logicnn.build")


def decisions_of(network, vectors):
    return Decisions.of(Mapping.unrolled(network), vectors)


class Tags(HTMLParser):
    """Elements that are opened and closed in order."""

    VOID = frozenset({"meta", "img", "link", "br"})

    def __init__(self, text):
        super().__init__()
        self.open, self.seen, self.words = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def test_confusion(vectors):
    decided = DIGITS.evaluate(vectors.x[:40])
    found = decisions_of(DIGITS, vectors)
    for actual in range(10):
        for other in range(10):
            pairs = zip(vectors.labels, decided, strict=True)
            assert found.counts[actual, other] == sum(pair == (actual, other) for pair in pairs)
    assert found.mean_cycles is None  # always the same


def test_mistakes(vectors):
    decided = DIGITS.evaluate(vectors.x[:40])
    found = decisions_of(DIGITS, vectors).mistakes
    wrong = [each for each in range(40) if decided[each] != vectors.labels[each]]
    assert [each.sample for each in found] == wrong[: len(found)] and len(found) == min(24, len(wrong))
    for each in found:
        assert (each.label, each.decided) == (str(vectors.labels[each.sample]), str(decided[each.sample]))


def test_none_without_labels_or_classes(vectors):
    assert decisions_of(DIGITS, replace(vectors, labels=np.zeros(0, np.int64))) is None
    assert decisions_of(DIGITS, None) is None
    for wrong in (-1, 10):
        assert decisions_of(DIGITS, replace(vectors, labels=np.array([3, wrong, 4]))) is None
    many = replace(DIGITS, labels=[str(index) for index in range(10)])
    assert decisions_of(many, vectors).is_readable
    scores = dense_network(np.random.default_rng(0), 6, 5, 4, argmax=False)
    assert decisions_of(scores, Vectors(np.zeros((2, 6), int), np.zeros(2, int), "")) is None


@pytest.mark.parametrize(("channels", "low"), [(1, 0), (3, 0), (1, -8)])
def test_picture(channels, low):
    sample = np.random.default_rng(1).integers(0, 17, (channels, 6, 8))
    address = picture_of(sample + low, Interval(low, low + 16))
    with Image.open(io.BytesIO(base64.b64decode(address.removeprefix("data:image/png;base64,")))) as image:
        values = np.asarray(image).reshape(6, 8, channels).transpose(2, 0, 1)
    assert np.abs(values - sample * 255 / 16).max() <= 0.5


@pytest.mark.parametrize("shape", [(4,), (2, 6, 8), (1, 1, 9)])
def test_no_picture(shape):
    assert picture_of(np.zeros(shape, int), Interval(0, 16)) is None


def test_hops():
    """Nothing of a path is lost."""
    steps = [
        {"type": kind, "delay": delay, "to": {"cell": cell}}
        for kind, delay, cell in (
            ("clk-to-q", 0.5, "a_LC"),
            ("routing", 1.0, "b_LC"),
            ("logic", 0.25, "b_LC"),
            ("routing", 2.0, "c"),
            ("setup", 0.125, "c"),
        )
    ]
    found = hops_of(steps, Parts({"a": "one", "b": "two", "c": "two"}))
    assert found == (Hop("one", 1, 0.5, 0.0), Hop("two", 2, 0.375, 3.0))
    assert sum(hop.logic_ns + hop.routing_ns for hop in found) == sum(step["delay"] for step in steps)


def test_page_is_whole(vectors):
    decisions = decisions_of(DIGITS, vectors)
    text = drawn(decisions=decisions)
    tags = Tags(text)
    assert tags.open == []
    words = " ".join(tags.words)
    for each in ("seven on desk", "132", "140", "BinaryDense 1", "Argmax", "75.0%", "95.54%", "seed 4"):
        assert each in words
    assert sum(tag == "img" for tag, _ in tags.seen) == len(decisions.mistakes) > 0
    addresses = [value for _, given in tags.seen for name, value in given.items() if name in ("src", "href")]
    assert all(each.startswith("data:image/png") for each in addresses)  # nothing comes from elsewhere
    assert not re.search(r"@import|url\(|<script", text)


def test_cells_are_squares_of_their_slots():
    paths = {given["fill"]: given["d"] for tag, given in Tags(drawn()).seen if tag == "path"}
    assert sorted(paths.values()) == ["M12 2h4v2h-4z", "M4 4h.9v.9h-.9z", "M7 5h.9v.9h-.9z"]


def test_hostile_names():
    network = replace(DIGITS, labels=[f"{HOSTILE}{index}" for index in range(10)])
    vectors = Vectors(np.zeros((2, *DIGITS.input.shape), int), np.arange(2), HOSTILE)
    report = replace(PLAIN, name=HOSTILE, board=HOSTILE, warnings=(HOSTILE,), tools={"a": HOSTILE})
    text = drawn(report, network, decisions_of(network, vectors))
    assert "<script" not in text and Tags(text).open == []


@pytest.mark.skipif(shutil.which("chromium") is None, reason="needs chromium")
@pytest.mark.parametrize("blue", ["0", "1"], ids=["dark", "light"])
def test_browser(vectors, tmp_path, blue):
    """Headless Chromium draws it without a word on its console, in both themes."""
    text = drawn(decisions=decisions_of(DIGITS, vectors))
    path, picture = tmp_path / "report.html", tmp_path / "report.png"
    path.write_text(text)
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--window-size=1000,2400"]
    theme = f"--blink-settings=preferredColorScheme={blue}"
    command = ["chromium", *options, theme, f"--user-data-dir={tmp_path}/user", f"--screenshot={picture}", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "CONSOLE" not in done.stderr
    with Image.open(picture) as image:
        corner = image.convert("L").getpixel((5, 5))
        assert (corner > 200) == (blue == "1") and len(image.convert("RGB").getcolors(1 << 20)) > 20
