"""Teachers: what tables learn from them, what they cost, and where they are kept."""

from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")
from torch.nn import functional

from logicnn.errors import LogicnnError
from logicnn.nn.tables import Recipe, Variety, export, fit, table_net, taught
from logicnn.nn.tables.training import Classes
from sim_tests.helpers import digits
from sim_tests.nn.test_tables import rows

LESSON = Recipe(8, batch=100, variety=Variety(0.5))


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)


def test_knows_the_class(tmp_path):
    """Of pictures and of columns; better than the tables that it teaches."""
    for data, recipe in ((digits(), LESSON), (rows(), replace(LESSON, epochs=30, variety=Variety()))):
        teacher = taught(data.train, len(data.classes), recipe, tmp_path)
        assert teacher.accuracy(data.test) > 0.9 and teacher.seconds > 0
        assert teacher.parameters == sum(each.numel() for each in teacher.net.parameters()) > 10_000
        scores = teacher.net(torch.tensor(data.test.x))
        assert teacher.accuracy(data.test) == np.mean(scores.argmax(1).numpy() == data.test.y)


def test_is_kept(tmp_path):
    """One for data and recipe, whatever the seed; one of other data or another recipe is another one."""
    data = rows()
    recipe = Recipe(2, batch=100)
    first = taught(data.train, 4, recipe, tmp_path)
    for other in (recipe, replace(recipe, seed=5, mix=1.0)):
        again = taught(data.train, 4, other, tmp_path)
        assert again.seconds == first.seconds and not again.net.training
        same = zip(first.net.state_dict().values(), again.net.state_dict().values(), strict=True)
        assert all(torch.equal(*each) for each in same)
    (path,) = tmp_path.iterdir()
    taught(data.test, 4, recipe, tmp_path)
    taught(data.train, 4, replace(recipe, epochs=1), tmp_path)
    assert len(list(tmp_path.iterdir())) == 3
    path.write_bytes(b"nothing")
    with pytest.raises(LogicnnError, match=r"teacher-[0-9a-f]{12}\.pt is no teacher that was kept; remove it to train"):
        taught(data.train, 4, recipe, tmp_path)


@pytest.mark.parametrize(("temperature", "mix"), [(1.0, 0.0), (4.0, 0.5), (2.0, 1.0)])
def test_loss(temperature, mix):
    """The mean of both losses by `mix`; the gradient of the second is, for high temperatures, that of half the squared
    distance of scores.
    """
    data = digits()
    recipe = Recipe(1, temperature=temperature, mix=mix)
    net, teacher = (torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 10)) for _ in range(2))
    part = replace(data.train, x=data.train.x.astype(np.float32) / 16)
    chosen = torch.arange(50)
    loss = Classes(net, part, recipe, teacher).loss(chosen)
    x, y = torch.tensor(part.x[:50]), torch.tensor(part.y[:50].astype(np.int64))
    wanted = (teacher(x) / temperature).softmax(1)
    soft = -(wanted * (net(x) / temperature).log_softmax(1)).sum(1).mean() * temperature**2
    assert loss.item() == pytest.approx(((1 - mix) * functional.cross_entropy(net(x), y) + mix * soft).item(), rel=1e-5)
    loss.backward()
    assert all(each.grad is None for each in teacher.parameters())


def test_tables_learn_from_it(tmp_path):
    """With labels that say nothing, the classes come from the teacher alone; a training that goes on has the same
    one.
    """
    data = digits()
    teacher = taught(data.train, 10, LESSON, tmp_path).net
    blind = replace(data.train, y=np.zeros_like(data.train.y))
    net = table_net(data, [8], (200, 100), seed=1)
    fit(net, blind, Recipe(20, 0.02, batch=100, mix=1.0), "test", tmp_path / "kept", teacher)
    assert np.mean(export(net).evaluate(data.test.x) == data.test.y) > 0.75
    with pytest.raises(LogicnnError, match=r"kept is of another training: "):
        fit(table_net(data, [8], (200, 100)), blind, Recipe(20, 0.02, batch=100, mix=1.0), "test", tmp_path / "kept")
