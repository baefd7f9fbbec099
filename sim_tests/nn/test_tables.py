"""Training of learned tables: gradients against those of the functions that they stand for, and export bit for bit."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest

torch = pytest.importorskip("torch")


from logicnn import load
from logicnn.data.dataset import Dataset, Split
from logicnn.engines import Mapping
from logicnn.engines.room import board_estimate
from logicnn.errors import LogicnnError
from logicnn.network import GroupSum, LutLayer
from logicnn.nn.binary import class_dependence
from logicnn.nn.loop import Kept
from logicnn.nn.tables import (
    Fixed,
    Learned,
    Recipe,
    Tables,
    Variety,
    column_thresholds,
    export,
    fit,
    layers,
    table_net,
    training,
    within,
)
from logicnn.nn.tables.budget import drawn
from logicnn.nn.tables.layers import _balanced, _beside, _candidates
from logicnn.resources import DEVICES
from sim_tests.helpers import digits
from sim_tests.page_helpers import ROOT, python_blocks

UP5K = DEVICES["iCE40UP5K"]


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(1)


def multilinear(x: torch.Tensor, theta: torch.Tensor) -> torch.Tensor:  # (out, k, n), (out, 2 ** k) -> (out, n)
    """The function that is linear in each input, with a table's probabilities in the corners."""
    corners = (theta.clamp(-1, 1) + 1) / 2
    total = torch.zeros(x.shape[0], x.shape[2])
    for row in range(theta.shape[1]):
        bits = torch.tensor([row >> i & 1 for i in range(x.shape[1])]).view(-1, 1)
        total = total + torch.where(bits > 0, x, 1 - x).prod(1) * corners[:, row, None]
    return total


@pytest.mark.parametrize("k", range(2, 7))
@pytest.mark.parametrize("kind", [Fixed, Learned])
def test_gradients(monkeypatch, kind, k):
    """Forward the rows that are read; gradients of tables and inputs as of the multilinear function of the choice, of
    scores as of that function's slopes times the sum of inputs by the softmax.
    """
    monkeypatch.setattr(layers, "BLOCK", 3)
    ways = {Fixed: lambda: Fixed(_balanced(8, 6, k)), Learned: lambda: Learned(_balanced(8, 2, 5), 6, k)}
    tables = Tables(ways[kind]())
    chosen = tables.connections.indices
    x = torch.randint(2, (8, 40)).float().requires_grad_()
    given = torch.randn(6, 40)
    made, soft = tables(x), multilinear(x[chosen], tables.theta)
    rows = (x[chosen].int() << torch.arange(k).view(-1, 1)).sum(1)
    assert torch.equal(made, torch.stack([tables.tables[j][rows[j]] for j in range(6)]).float())
    for actual, expected in zip(
        torch.autograd.grad(made, (x, tables.theta), given, retain_graph=True),
        torch.autograd.grad(soft, (x, tables.theta), given, retain_graph=True),
        strict=True,
    ):
        assert torch.allclose(actual, expected, atol=1e-5)
    if kind is Learned:
        slots = x[chosen].detach().requires_grad_()
        slopes = torch.autograd.grad(multilinear(slots, tables.theta), slots, given)[0].flatten(0, 1)
        scores = tables.connections.scores
        among = x.detach()[tables.connections.candidates.repeat_interleave(3 * k, 0)]  # (out * k, c, n)
        mixed = (scores.softmax(1).unsqueeze(2) * among).sum(1)
        expected = torch.autograd.grad(mixed, scores, slopes)[0]
        assert torch.allclose(torch.autograd.grad(made, scores, given)[0], expected, atol=1e-5)


def test_learned_connections(monkeypatch):
    """The candidate of the greatest score, as soon as it is taken over."""
    monkeypatch.setattr(layers, "BLOCK", 2)
    chosen = Learned(_balanced(9, 3, 4), 5, 3)

    def best() -> list[list[int]]:
        rows = [chosen.candidates[slot // 6, chosen.scores[slot].argmax()].item() for slot in range(15)]
        return np.reshape(rows, (5, 3)).tolist()

    before = chosen.indices.tolist()
    assert before == best()
    with torch.no_grad():
        chosen.scores.neg_()
    assert chosen.indices.tolist() == before
    chosen.settle()
    assert chosen.indices.tolist() == best() != before


def test_candidates(monkeypatch):
    """Bits around one of a picture, that may be read; of what is no picture any, as often as each other."""
    monkeypatch.setattr(layers, "CANDIDATES", 9)
    reads = np.flatnonzero(np.arange(128) % 64 % 8 > 0)  # two levels of 8 x 8 pixels, without a column
    found = _candidates(reads, (1, 8, 8), 10)
    assert found.shape == (10, 9) and all(len(set(row)) == 9 for row in found.tolist())
    rows, columns = np.divmod(reads[found] % 64, 8)
    assert np.ptp(rows, 1).max() <= 4 and np.ptp(columns, 1).max() <= 4 and len(np.unique(rows)) == 8
    for count in (30, 10, 9):
        found = _candidates(np.arange(count), (count,), 10)
        assert found.shape == (10, 9) and all(len(set(row)) == 9 for row in found.tolist())
        assert np.ptp(np.bincount(found.ravel(), minlength=count)) <= 1


@pytest.mark.parametrize(("inputs", "out", "k"), [(20, 5, 4), (20, 12, 4), (7, 30, 3), (40, 6, 4)])
def test_beside(monkeypatch, inputs, out, k):
    """A table reads tables of one block, where blocks are whole; each as often as another up to once."""
    monkeypatch.setattr(layers, "BLOCK", 8)
    found = _beside(inputs, out, k)
    assert found.shape == (out, k) and np.ptp(np.bincount(found.ravel(), minlength=inputs)) <= 1
    assert inputs % 8 == 7 or all(len(set(row)) == 1 for row in (found[: inputs // k] // 8).tolist())


def test_dealt(monkeypatch):
    """Each class has as many tables of a block as any other, in the order of blocks."""
    monkeypatch.setattr(layers, "BLOCK", 8)
    order = layers._dealt(40, 4).reshape(4, 10)
    assert sorted(order.ravel().tolist()) == list(range(40))
    assert (order // 8).tolist() == [[0, 0, 1, 1, 2, 2, 3, 3, 4, 4]] * 4


@pytest.mark.parametrize("near", [True, False])
def test_near(monkeypatch, near):
    """Tables of the second layer read those of one block, or of any."""
    monkeypatch.setattr(layers, "BLOCK", 8)
    read = table_net(digits(), [8], (80, 20), near=near).layers[1].connections.indices // 8
    assert bool((read == read[:, :1]).all()) is near


@pytest.mark.parametrize("inputs", [None, 7])
def test_inputs(inputs):
    """Only bits that say something of the class are read, the best so many."""
    data = digits()
    network = export(table_net(data, [4, 8], (300, 40), inputs=inputs))
    read = np.unique(network.layers[1].connections)
    bits = (data.train.x.reshape(len(data.train.x), 1, -1) >= np.array([4, 8]).reshape(1, -1, 1)).reshape(-1, 128)
    said = class_dependence(bits, data.train.y)
    best = np.argsort(-said, kind="stable")[: inputs or np.count_nonzero(said)]
    assert set(read) <= set(best.tolist()) and (inputs is None or set(read) == set(best.tolist()))
    assert inputs or len(best) < 128


def rows(highest: int = 9) -> Dataset:
    """Columns with thresholds of their own: the class is whether the first is above 0, of the second above 6; the third
    says nothing, and is of two values.
    """

    def split(seed: int) -> Split:
        rng = np.random.default_rng(seed)
        x = np.stack([rng.integers(-9, 10, 600), rng.integers(0, highest, 600), rng.integers(2, 4, 600)], 1)
        return Split(x.astype(np.int8), (2 * (x[:, 0] > 0) + (x[:, 1] > 6)).astype(np.uint8))

    return Dataset("rows", ("a", "b", "c", "d"), 9, split(1), split(2), -9)


def test_thresholds_of_columns():
    """What training computes with them, the network computes; no bit is read that is another one again."""
    data = rows()
    net = table_net(data, column_thresholds(data.train.x, 8, data.lowest), (40, 20), seed=1)
    assert set(range(17, 24)).isdisjoint(net.reads.tolist()) and {0, 7, 8, 15} <= set(net.reads.tolist())
    fit(net, data.train, Recipe(20, 0.03, batch=50), "test")
    network = export(net, labels=data.classes)
    answers = network.evaluate(data.test.x)
    assert np.array_equal(answers, net(torch.tensor(data.test.x)).argmax(1).numpy())
    assert np.mean(answers == data.test.y) > 0.95
    pictures = table_net(digits(), [[4, 8, 8]], (300, 40))
    same = table_net(digits(), [4, 8], (300, 40))
    assert (pictures.reads % 64).tolist() == (same.reads % 64).tolist() and pictures.reads.max() < 128


@pytest.mark.parametrize(("inputs", "out", "k"), [(10, 7, 4), (64, 300, 4), (5, 40, 4), (6, 1, 6), (3, 4, 6)])
def test_balanced(inputs, out, k):
    """Each input as often as another, but for one; none twice by a table of no more inputs than there are."""
    made = _balanced(inputs, out, k)
    counts = np.bincount(made.ravel(), minlength=inputs)
    assert made.shape == (out, k) and counts.max() - counts.min() <= 1
    assert inputs < k or all(len(set(row)) == k for row in made.tolist())


@pytest.mark.parametrize("learned", [0, 1, 2])
def test_export(learned):
    """What training computes, the network computes, for every sample; and it has learned."""
    data = digits()
    net = table_net(data, [4, 8, 12], (120, 60), seed=2, learned=learned)
    before = [each.clone() for each in net.parameters()]
    fit(net, data.train, Recipe(40, 0.02, seed=2, batch=100), "test")
    assert all(not torch.equal(a, b) for a, b in zip(before, net.parameters(), strict=True))
    network = export(net, "digits", "digits", data.classes)
    assert [type(each) for each in network.layers[1:4]] == [LutLayer, LutLayer, GroupSum]
    answers = network.evaluate(data.test.x)
    assert np.array_equal(answers, net(torch.tensor(data.test.x)).argmax(1).numpy())
    assert np.mean(answers == data.test.y) > 0.75  # chance is 0.1


def test_choice_rate():
    """How fast connections are learned: hardly, or so that most become others."""
    data = digits()

    def moved(rate: float) -> float:
        net = table_net(data, [8], (130, 40), seed=2)
        before = net.layers[0].connections.indices.clone()
        fit(net, data.train, Recipe(3, 0.02, seed=2, batch=100, choice_rate=rate), "test")
        return float((net.layers[0].connections.indices != before).float().mean())

    assert moved(1e-6) == 0.0 < 0.5 < moved(10.0)


@pytest.mark.parametrize(
    ("cells", "inputs", "classes", "shares"), [(4050, 400, 10, (0.8, 0.2)), (4065, 400, 100, (1,))]
)
def test_within(cells, inputs, classes, shares):
    """As many tables as fill the cells, by the estimate of a whole board, in the shares asked for."""
    sizes = within(cells, UP5K, inputs, classes, shares)
    assert [round(size / sum(sizes), 2) for size in sizes] == list(shares)

    def taken(more: int) -> int:
        found = [size + more for size in sizes]
        return board_estimate(Mapping.unrolled(drawn(inputs, classes, found, 4)), UP5K).logic_cells

    assert taken(0) <= cells < taken(3)


def test_within_refuses():
    with pytest.raises(LogicnnError, match=r"^a budget of 400 logic cells has no room for tables: 10 classes"):
        within(400, UP5K, 400, 10)
    for shares in ((), (1, 0), (0.8, -0.2), (1, np.nan)):
        with pytest.raises(LogicnnError, match=r"^shares must be above 0, one a layer, not "):
            within(4000, UP5K, 400, 10, shares)


def test_page(tmp_path, monkeypatch):
    """The code of docs/tables.md."""
    code = "\n".join(python_blocks(ROOT / "docs" / "tables.md"))
    monkeypatch.chdir(tmp_path)
    exec(compile(code, "tables.md", "exec"), {})
    network, test = load("digits-luts.lnn"), digits().test
    assert np.mean(network.evaluate(test.x) == test.y) > 0.9


def test_repeats():
    def made() -> str:
        net = table_net(digits(), [8], (60,), seed=3)
        fit(net, digits().train, Recipe(1, seed=3, variety=Variety(1, 10, 0.1)), "test")
        return export(net).digest()

    assert made() == made()


def test_variety():
    """A picture that may be moved by nothing stays as it is; moved ones lose what leaves them."""
    x = torch.rand(200, 1, 8, 8)
    assert Variety().varied(x) is x
    assert torch.allclose(Variety(moved=1e-6).varied(x), x, atol=1e-4)
    moved = Variety(moved=2.0).varied(torch.ones(200, 1, 8, 8))
    assert 0.6 < float(moved.mean()) < 0.95 and float(moved[:, :, 3:5, 3:5].min()) > 0.99
    with pytest.raises(LogicnnError, match=r"^variety is of pictures, not of samples of shape \(64,\)$"):
        Variety(moved=1.0).varied(torch.ones(2, 64))


def test_refuses():
    with pytest.raises(LogicnnError, match=r"^tables must be 10 in the last layer at least, one a class, not 9$"):
        table_net(digits(), [8], (30, 9))
    with pytest.raises(LogicnnError, match=r"^tables must be of 1 layer at least"):
        table_net(digits(), [8], ())
    with pytest.raises(LogicnnError, match=r"^k must be 2 to 6, the inputs of a table, not 7$"):
        table_net(digits(), [8], (30, 10), k=7)
    with pytest.raises(LogicnnError, match=r"^inputs must be 1 at least, not 0$"):
        table_net(digits(), [8], (30, 10), inputs=0)
    for wrong, message in (
        ({"epochs": 0}, r"^epochs must be 1 at least, not 0$"),
        ({"choice_rate": -1.0}, r"^choice_rate must be above 0 and finite, not -1.0$"),
        ({"temperature": np.inf}, r"^temperature must be above 0 and finite, not inf$"),
        ({"mix": 1.5}, r"^mix must be in 0 ... 1, not 1.5$"),
    ):
        with pytest.raises(LogicnnError, match=message):
            Recipe(**({"epochs": 1} | wrong))


def test_goes_on_where_it_was_interrupted(tmp_path, monkeypatch):
    """To the very network of a training that was not; of another training nothing is taken over."""
    monkeypatch.setattr(training, "Kept", partial(Kept, every_s=0.0))
    data, recipe, file = digits(), Recipe(4, batch=300, seed=3), tmp_path / "digits.training"

    def net():
        return table_net(data, [8], (60,), seed=2)

    whole, parts = net(), net()
    fit(whole, data.train, recipe, "whole")

    loss, steps = training.Classes.loss, iter(range(10))

    def interrupted(self, chosen):
        if next(steps) == 9:  # in the third epoch of four steps
            raise KeyboardInterrupt
        return loss(self, chosen)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(training.Classes, "loss", interrupted)
        fit(parts, data.train, recipe, "part", file)
    relabelled = replace(data.train, y=np.roll(data.train.y, 1))
    for other, split, how in (
        (net(), data.train, replace(recipe, epochs=5)),
        (net(), relabelled, recipe),
        (table_net(data, [9], (60,), seed=2), data.train, recipe),
        (table_net(data, [8], (60,), seed=3), data.train, recipe),
    ):
        with pytest.raises(LogicnnError, match=r"digits\.training is of another training: 1438 samples, Recipe\(epo"):
            fit(other, split, how, "other", file)
    again = net()
    fit(again, data.train, recipe, "again", file)
    assert export(again).digest() == export(whole).digest()
    done = net()
    fit(done, data.train, recipe, "there already", file)
    assert export(done).digest() == export(whole).digest()
    with pytest.raises(LogicnnError, match=r"nowhere/x must be in a folder that is there$"):
        fit(net(), data.train, recipe, "nowhere", tmp_path / "nowhere" / "x")
    file.write_bytes(b"nothing")
    with pytest.raises(LogicnnError, match=r"digits\.training is no training that was interrupted"):
        fit(net(), data.train, recipe, "damaged", file)
    torch.save([1, 2], file)
    with pytest.raises(LogicnnError, match=r"digits\.training is no training that was interrupted"):
        fit(net(), data.train, recipe, "a list", file)
