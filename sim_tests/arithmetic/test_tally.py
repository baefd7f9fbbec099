"""The hash table against a `Counter`, the heap against sorting."""

from collections import Counter

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from logicnn.arithmetic import tally

keys = st.lists(st.integers(0, 40), max_size=200)


def as_counter(table):
    return Counter({int(key): int(count) for key, count in zip(*table, strict=True) if key != tally.EMPTY})


@settings(deadline=None)  # the first call compiles
@given(keys, keys, st.integers(1, 3))
def test_table(more, less, fewest):
    table, used = tally.table(64), 0
    for key in more:
        *table, used = tally.grown(*table, used, 1)
        used += tally.add(*table, key, 1)
    expected = Counter(more)
    assert as_counter(table) == expected and used == len(expected)
    for key in less:
        assert tally.adjust(*table, key, -1) == (key in expected)
        if key in expected:
            expected[key] -= 1
    assert all(tally.count_of(*table, key) == expected[key] for key in range(41))
    *kept, used = tally.at_least(*table, np.array((fewest, fewest)), 10)
    assert as_counter(kept) == Counter({key: count for key, count in expected.items() if count >= fewest})
    assert used == len(as_counter(kept)) and 2 * (used + 10) <= len(kept[0])


def test_put():
    keys, counts = tally.table(8)
    assert tally.put(keys, counts, 7, 3) and not tally.put(keys, counts, 7, -5)
    assert tally.count_of(keys, counts, 7) == -5


@settings(deadline=None)  # the first call compiles
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=60), st.data())
def test_heap(items, data):
    """Items come by score, then tie; one whose score falls finds its place."""
    scores, ties = (np.array(each, float) for each in zip(*items, strict=True))
    heap = np.zeros(len(items), np.int64)
    for item in range(len(items)):
        tally.push(heap, item, scores, ties, item)
    scores[heap[0]] -= data.draw(st.integers(0, 6))
    tally.settle(heap, len(items), scores, ties)
    size, order = len(items), []
    while size:
        order.append(int(heap[0]))
        size = tally.pop(heap, size, scores, ties)
    assert sorted(order) == list(range(len(items)))
    assert [(-scores[item], ties[item]) for item in order] == sorted(zip(-scores, ties, strict=True))
