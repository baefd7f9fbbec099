"""Random networks: the plain reference and every other reading, a minute of them with another seed each time.

`python -m benchmarks.fuzz` does the same for hours, and boards' netlists, too.
"""

import shutil

import hypothesis
import pytest
from hypothesis import HealthCheck, Phase, settings

from logicnn.engines import Engine
from logicnn.network import Layer, Requantize
from sim_tests.fuzz import readings
from sim_tests.fuzz.engines import ENGINES, FAMILY, mapping_with
from sim_tests.fuzz.kinds import KINDS, SEED, explore, repeated
from sim_tests.fuzz.networks import FAMILIES, LAYERS, ROUNDINGS, networks
from sim_tests.reference import ROUNDINGS as KNOWN_ROUNDINGS

NETWORKS = [name for name, kind in KINDS.items() if kind.in_test and not name.startswith(("file", "line", "flash"))]
FOUND = settings(
    max_examples=1500,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("name", NETWORKS)
def test_readings(name):
    if name.startswith("Verilog") and shutil.which("iverilog") is None:
        pytest.skip("iverilog not found")
    kind = KINDS[name]
    assert not (found := repeated(name, SEED, explore(kind, SEED, kind.in_test))), found


def _ours(kinds) -> set:
    """Those of the package: other tests have layers and engines of their own."""
    return {kind for kind in kinds if kind.__module__.startswith("logicnn.")}


def test_nothing_is_forgotten():
    """Each layer type, rounding and engine of the package has an entry."""
    assert set(LAYERS) == _ours(Layer.types.values())
    assert set(ROUNDINGS) == KNOWN_ROUNDINGS == {Requantize} | _ours(Requantize.__subclasses__())
    assert set(ENGINES) == set(FAMILY) == _ours(Engine.types)


@pytest.mark.parametrize("kind", LAYERS, ids=lambda kind: kind.__name__)
def test_every_layer_is_made(kind):
    families = [name for name, family in FAMILIES.items() if kind in family.layers]
    for name in families:
        hypothesis.find(networks(name), lambda made: kind in map(type, made.layers), settings=FOUND)


@pytest.mark.parametrize("kind", ROUNDINGS, ids=lambda kind: kind.__name__)
def test_every_rounding_is_made(kind):
    def rounds(layer: Layer) -> bool:
        return type(getattr(layer, "activation", None)) is kind

    hypothesis.find(networks(), lambda made: any(map(rounds, made.layers)), settings=FOUND)


def test_qonnx_is_read_again():
    """Not every network that is written is one for the importer; some are."""
    hypothesis.find(readings.cases("bits", 4), lambda case: readings.through_qonnx(case) is not None, settings=FOUND)


@pytest.mark.parametrize("kind", ENGINES, ids=lambda kind: kind.__name__)
def test_every_engine_is_made(kind):
    hypothesis.find(networks(FAMILY[kind]), lambda made: mapping_with(kind, made, 0) is not None, settings=FOUND)
