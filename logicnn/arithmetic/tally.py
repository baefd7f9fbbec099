"""A count for every key, in a hash table, and a heap of items by score. All compiled.

Tables are pairs of arrays: keys, EMPTY where there is none, and their counts. They are never more than half full.
"""

import numpy as np

from logicnn.arithmetic.compiled import compiled, leaf

__all__ = ["EMPTY", "add", "adjust", "at_least", "count_of", "grown", "pop", "push", "put", "settle", "table"]

EMPTY = -1
FACTOR = np.uint64(0x9E3779B97F4A7C15)  # of Fibonacci hashing: 2**64 by the golden ratio
TOP = np.uint64(24)


@compiled
def table(size):
    """An empty table with room for half of `size` keys, a power of two."""
    return np.full(size, EMPTY, np.int64), np.zeros(size, np.int64)


@leaf
def _place_of(keys, key):
    """Where a key stands, or would."""
    last = len(keys) - 1
    at = np.int64((np.uint64(key) * FACTOR) >> TOP) & last
    while keys[at] != key and keys[at] != EMPTY:
        at = at + 1 & last
    return at


@leaf
def count_of(keys, counts, key):
    at = _place_of(keys, key)
    return counts[at] if keys[at] == key else 0


@leaf
def _entered(keys, key):
    """Where a key stands from now on, and whether it is new."""
    at = _place_of(keys, key)
    new = keys[at] != key
    keys[at] = key
    return at, new


@leaf
def add(keys, counts, key, more):
    """Counts a key `more` times: whether it is new. There must be room for it."""
    at, new = _entered(keys, key)
    counts[at] += more
    return new


@leaf
def put(keys, counts, key, count):
    """Sets the count of a key: whether it is new. There must be room for it."""
    at, new = _entered(keys, key)
    counts[at] = count
    return new


@leaf
def adjust(keys, counts, key, more):
    """Counts a key so much more or less, if it stands in the table: whether it does."""
    at = _place_of(keys, key)
    if keys[at] != key:
        return False
    counts[at] += more
    return True


@compiled
def at_least(keys, counts, fewest, room):
    """A table of the keys that are counted so often, `fewest` by the key's lowest bit, with `room` for more; and how
    many they are.
    """
    used = 0
    for at in range(len(keys)):
        if keys[at] != EMPTY and counts[at] >= fewest[keys[at] & 1]:
            used += 1
    size = 64
    while size < 4 * (used + room):
        size *= 2
    new_keys, new_counts = table(size)
    for at in range(len(keys)):
        if keys[at] != EMPTY and counts[at] >= fewest[keys[at] & 1]:
            add(new_keys, new_counts, keys[at], counts[at])
    return new_keys, new_counts, used


@compiled
def grown(keys, counts, used, more):
    """The table with room for so many keys more: a larger one where need be, without keys whose count is below one."""
    if 2 * (used + more) <= len(keys):
        return keys, counts, used
    return at_least(keys, counts, np.ones(2, np.int64), 2 * (used + more))


@leaf
def _before(scores, ties, a, b):
    return scores[a] > scores[b] or (scores[a] == scores[b] and ties[a] < ties[b])


@leaf
def push(heap, size, scores, ties, item):
    """Puts an item into a heap of `size` items, which has room: the highest score comes first, of equal ones the lowest
    tie.
    """
    at = size
    while at > 0:
        parent = at - 1 >> 1
        if not _before(scores, ties, item, heap[parent]):
            break
        heap[at] = heap[parent]
        at = parent
    heap[at] = item


@leaf
def settle(heap, size, scores, ties):
    """Moves the first item of a heap, whose score fell, to its place."""
    at, item = 0, heap[0]
    while 2 * at + 1 < size:
        child = 2 * at + 1
        if child + 1 < size and _before(scores, ties, heap[child + 1], heap[child]):
            child += 1
        if not _before(scores, ties, heap[child], item):
            break
        heap[at] = heap[child]
        at = child
    heap[at] = item


@leaf
def pop(heap, size, scores, ties):
    """Removes the first item: how many are left."""
    heap[0] = heap[size - 1]
    settle(heap, size - 1, scores, ties)
    return size - 1
