"""Which trials no other beats."""

from hypothesis import given
from hypothesis import strategies as st

from logicnn.explore.trials import front

COSTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.integers(0, 5)), max_size=12)


@given(COSTS)
def test_front(costs):
    """By its definition: every one that is left out is beaten or repeated by one that is not; of those that are left no
    one beats another.
    """
    found = front(costs, lambda each: each)
    as_good = {
        each: [other for other in found if all(a <= b for a, b in zip(other, each, strict=True))] for each in costs
    }
    assert all(as_good.values())
    assert all(as_good[each] == [each] for each in found) and len(set(found)) == len(found)


def test_first_of_equals():
    assert front([("b", 1), ("a", 1)], lambda each: (each[1],)) == [("b", 1)]
