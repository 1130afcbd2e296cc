"""The queue of one round: by arrival, then account, then keeper before user. docs/model.md section 4.7."""

from __future__ import annotations

from simulator.kernel import rule, small_rule


@small_rule
def is_before(due, order, r, s):
    """Whether place r of the queue comes before place s: by arrival, then account, then keeper before user."""
    if due[r] != due[s]:
        return due[r] < due[s]
    return (order[r] & 0xFFFFFFFF) < (order[s] & 0xFFFFFFFF)


@small_rule
def swap(due, order, r, s):
    """Exchange two places of the queue."""
    due[r], due[s] = due[s], due[r]
    order[r], order[s] = order[s], order[r]


@rule
def sort_queue(due, order, n):
    """Sort the first n places: by insertion where few, as a heap where many."""
    if n <= 24:
        for s in range(1, n):
            r = s
            while r > 0 and is_before(due, order, r, r - 1):
                swap(due, order, r, r - 1)
                r -= 1
        return
    for root in range(n // 2 - 1, -1, -1):
        _sift(due, order, root, n)
    for end in range(n - 1, 0, -1):
        swap(due, order, 0, end)
        _sift(due, order, 0, end)


@rule
def _sift(due, order, root, n):
    while True:
        child = 2 * root + 1
        if child >= n:
            return
        if child + 1 < n and is_before(due, order, child, child + 1):
            child += 1
        if not is_before(due, order, root, child):
            return
        swap(due, order, root, child)
        root = child
