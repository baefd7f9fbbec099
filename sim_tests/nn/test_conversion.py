"""Float modules of PyTorch as networks: how close they are, that a board's netlist computes them, what is refused."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from sklearn.datasets import load_breast_cancer, load_digits
from torch import nn

from logicnn.board import boards
from logicnn.engines import Mapping
from logicnn.engines.reused import Reused
from logicnn.errors import LogicnnError
from logicnn.flow import tools
from logicnn.flow.build import Options
from logicnn.flow.design import designed
from logicnn.flow.sources import elaborated
from logicnn.netlist.netlist import Netlist
from logicnn.network import Picture, Standardised
from logicnn.nn import convert
from logicnn.nn.integer import Scheme

BOARD = boards.find("icebreaker")


def trained(net: nn.Module, x: np.ndarray, y: np.ndarray, epochs: int = 20) -> nn.Module:
    """As anybody would: Adam and cross entropy."""
    torch.manual_seed(1)
    optimizer = torch.optim.Adam(net.parameters(), 0.01)
    given, labels = torch.tensor(x, dtype=torch.float32), torch.tensor(y)
    net.train()
    for _ in range(epochs):
        for part in torch.randperm(len(x)).split(100):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(given[part]), labels[part]).backward()
            optimizer.step()
    return net


def table() -> tuple[np.ndarray, np.ndarray]:
    x, y = load_breast_cancer(return_X_y=True)
    return ((x - x.mean(0)) / x.std(0)).astype(np.float32), y


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """Levels of 1 / 255, as pixels are."""
    x, y = load_digits(return_X_y=True)
    return (np.rint(x.reshape(-1, 1, 8, 8) * 255 / 16) / 255).astype(np.float32), y


def verified(network, folder) -> int:
    """Vectors that the synthesised netlist of the icebreaker's design was equal to the network on."""
    engine = Reused.of(network, 0, len(network.layers), BOARD.device)
    made = designed(Mapping([engine]), BOARD, Options().baud)
    sources = elaborated(made)
    for file, content in sources.files.items():
        (folder / file).write_bytes(content)
    tools.run(sources.synthesis, folder, "synthesis.log")
    vectors = Options(verify="quick").vectors(made)
    assert vectors is not None
    return made.check.verified(Netlist(folder / "top.json"), vectors).vectors


def test_dense(tmp_path):
    """Signed numbers, batch norm, sequences inside, a softmax in the end: the module is as it was, too."""
    x, y = table()
    hidden = nn.Sequential(nn.Linear(30, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.1))
    net = trained(nn.Sequential(hidden, nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 2), nn.Softmax(1)), x, y)
    before = [each.clone() for each in net.state_dict().values()]
    found = convert(net, x, y, labels=("malignant", "benign"))
    assert found.agreement > 0.98 and abs(found.accuracy - found.float_accuracy) < 0.02
    assert all(torch.equal(a, b) for a, b in zip(before, net.state_dict().values(), strict=True)) and net.training
    network = found.network
    assert isinstance(network.preparation, Standardised) and network.labels == ("malignant", "benign")
    assert np.array_equal(network.preparation.values(x), found.x) and found.x.min() >= -128
    assert verified(network, tmp_path) == 1024
    assert f"same class {found.agreement:.2%}" in str(found).replace("  ", " ")


def test_convolution(tmp_path):
    """Pixels of 1 / 255, which are no power of two: their factor is in the first weights."""
    x, y = pictures()
    net = nn.Sequential(
        nn.Sequential(nn.Conv2d(1, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)),
        nn.Flatten(),
        nn.Linear(27, 10),
    )
    found = convert(trained(net, x, y), x, y, scale=1 / 255)
    assert found.network.preparation == Picture("L", 8, 8, 255)
    assert np.array_equal(found.x, np.rint(x * 255)) and found.agreement > 0.97
    assert verified(found.network, tmp_path) == 1024


class Binarized(nn.Module):
    """As people write it: the sign, with the gradient of a hard tanh."""

    def forward(self, x):
        bounded = x.clamp(-1, 1)
        return bounded + (torch.where(x >= 0, 1.0, -1.0) - bounded).detach()


@pytest.mark.parametrize("activation", (nn.Hardtanh(), nn.ReLU6(), nn.Hardtanh(-0.5, 3), Binarized()))
def test_bounded_activations(activation, tmp_path):
    """Of a convolution and a dense layer; trained is what was exported; of signs the netlist, too."""
    x, y = pictures()
    net = nn.Sequential(
        *(nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), activation, nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(64, 12), nn.BatchNorm1d(12), activation, nn.Linear(12, 10)),
    )
    found = convert(trained(net, x, y), x, y, scale=1 / 255)
    assert found.agreement > 0.97
    assert found.fine_tuned(2).accuracy > found.accuracy - 0.01
    with torch.no_grad():
        scores = found.net(torch.from_numpy(found.x).float())
    assert np.array_equal(scores.argmax(1), found.network.evaluate(found.x))
    if isinstance(activation, Binarized):
        levels = found.network.layers[0].activation.levels(np.array([[-3, -1, 1, 3]] * 4))
        assert np.array_equal(levels, [[-1, -1, 1, 1]] * 4)
        assert verified(found.network, tmp_path) == 1024


def test_fine_tuning():
    """What three bits lose comes back, in part; without labels towards what the module gave."""
    x, y = pictures()
    net = trained(nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10)), x, y)
    coarse = convert(net, x, y, scale=1 / 255, scheme=Scheme(3, 3))
    assert coarse.fine_tuned(15).accuracy > coarse.accuracy
    blind = convert(net, x, scale=1 / 255, scheme=Scheme(3, 3))
    assert blind.accuracy is None and blind.fine_tuned(15).agreement > blind.agreement


@pytest.mark.parametrize(
    ("module", "message"),
    [
        (nn.Linear(4, 2), r"^module must be an nn.Sequential, not a Linear with a forward of its own$"),
        (nn.Sequential(nn.Sequential(nn.Linear(4, 3), nn.Tanh()), nn.Linear(3, 2)), r"^layer '0\.1' is a Tanh; "),
        (nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), r"must be followed by an activation$"),
        (nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 2)), r"^layer '0', a BatchNorm1d, must follow a Linear"),
        (nn.Sequential(nn.Flatten()), r"^the network has no Linear or Conv2d layer$"),
        (nn.Sequential(), r"^the network has no Linear or Conv2d layer$"),
    ],
)
def test_refused_modules(module, message):
    with pytest.raises(LogicnnError, match=message):
        convert(module, np.ones((8, 4), np.float32))


@pytest.mark.parametrize(
    ("samples", "options", "message"),
    [
        (np.ones((0, 4)), {}, r"^samples must be finite numbers"),
        (np.full((2, 4), np.nan), {}, r"^samples must be finite numbers"),
        (np.ones((2, 2, 2)), {}, r"^samples must be finite numbers"),
        (np.ones((2, 4)), {"y": np.ones(3)}, r"^y must be a class for each of 2 samples, not of shape \(3,\)$"),
        (np.ones((2, 4)), {"scale": 0.0}, r"^scale must be above 0, not 0\.0$"),
    ],
)
def test_refused_samples(samples, options, message):
    with pytest.raises(LogicnnError, match=message):
        convert(nn.Sequential(nn.Linear(4, 2)), samples, **options)
