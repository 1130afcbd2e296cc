"""Who bears a loss: the allocation rules against slow ones, and that no unit is taken twice, from nobody, or from no one."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.protocol.integers import drift
from simulator.protocol.loss_sharing.allocation import (
    capped_gain,
    deleverage,
    deposit_index_cut,
    funding_index_loss,
    gains_to_close,
    queue_score,
    take_by_queue,
    take_in_proportion,
)

sys.path.insert(0, str(Path(__file__).parent))
import reference_rules as reference
from protocol_vectors import LAW

RULES = (
    ("deleveraging by queue", "Hyperliquid", "documentation", "by a slow reference"),
    ("deleveraging pro rata and by leverage", "Chitra 2025", "paper", "by a slow reference"),
    ("gains capped by the pool, deleveraging until a target", "GMX v2", "gmx-io/gmx-synthetics @a5c0c88", "by hand"),
    (
        "loss by funding index and by deposit index",
        "Drift v2",
        "drift-labs/protocol-v2 @0ae3e3b",
        "by hand",
    ),
)

# weights are leverages: of 5e-324 a share of a share is lost to the smallest number there is
ACCOUNTS = st.lists(st.tuples(st.floats(0, 1e6), st.just(0.0) | st.floats(1e-9, 100)), min_size=1, max_size=12)


@LAW
@given(accounts=ACCOUNTS, share=st.floats(0, 1.5))
def test_allocations_equal_the_slow_reference_and_take_exactly_the_amount(accounts, share):
    sizes, weights = (np.array(column) for column in zip(*accounts, strict=True))
    amount = share * float(sizes.sum())
    for take, slow in ((take_by_queue, reference.by_queue), (take_in_proportion, reference.in_proportion)):
        taken = np.full_like(sizes, -1.0)
        left = take(amount, sizes, weights, taken)
        assert taken == pytest.approx(slow(amount, sizes, weights), rel=1e-9, abs=1e-9 * (amount + 1))
        assert taken.sum() + left == pytest.approx(amount, rel=1e-12, abs=1e-9)
        assert np.all((taken >= 0) & (taken <= sizes * (1 + 1e-12)))


def test_two_hundred_generated_books_agree_to_twelve_digits():
    rng = np.random.default_rng(3)
    for _ in range(200):
        sizes, weights = rng.exponential(1e4, 20), rng.uniform(0.01, 30, 20)
        amount, taken = float(rng.uniform(0, 1) * sizes.sum()), np.empty(20)
        take_in_proportion(amount, sizes, weights, taken)
        assert taken == pytest.approx(reference.in_proportion(amount, sizes, weights), rel=1e-12)
        take_by_queue(amount, sizes, weights, taken)
        assert taken == pytest.approx(reference.by_queue(amount, sizes, weights), rel=1e-12, abs=1e-9)


def test_the_three_rules_by_hand():
    """Three shorts of 10 with leverages 1, 2 and 9 and profits of 10 %, 30 % and 5 %; 12 must be closed."""
    book = [10.0] * 3, [100.0, 300.0, 50.0], [-1000.0] * 3, [1000.0] * 3, [1000.0, 500.0, 1000.0 / 9]
    assert [queue_score(*row) for row in zip(*book[1:], strict=True)] == pytest.approx([0.1, 0.6, 0.45])
    assert deleverage("queue", 12.0, *book)[0].tolist() == [0.0, 10.0, 2.0]
    assert deleverage("pro-rata", 12.0, *book)[0] == pytest.approx([4.0, 4.0, 4.0])
    assert deleverage("leverage-weighted", 12.0, *book)[0] == pytest.approx([1.0, 2.0, 9.0])
    taken, left = deleverage("leverage-weighted", 25.0, *book)
    assert taken == pytest.approx([5.0, 10.0, 10.0])
    assert left == 0.0
    assert deleverage("pro-rata", 40.0, *book)[1] == pytest.approx(10.0)


def test_gains_against_a_pool_by_hand():
    """A pool of 1,000 pays at most 90 %; above 85 % profitable positions are closed until gains are 77 %."""
    assert capped_gain(100.0, 1_200.0, 1_000.0, 0.9) == pytest.approx(75.0)
    assert capped_gain(100.0, 800.0, 1_000.0, 0.9) == 100.0
    assert gains_to_close(900.0, 1_000.0, 0.85, 0.77) == pytest.approx(130.0)
    assert gains_to_close(850.0, 1_000.0, 0.85, 0.77) == 0.0


def test_an_account_at_a_loss_stands_last():
    assert queue_score(-5.0, 100.0, 100.0, 50.0) == 0.0
    assert queue_score(5.0, 100.0, 100.0, -1.0) == 0.0


@LAW
@given(loss=st.integers(1, 10**12), longs=st.integers(1, 10**15), shorts=st.integers(1, 10**15))
def test_a_loss_spread_by_the_funding_index_is_paid_in_full(loss, longs, shorts):
    each = funding_index_loss(loss / 1e6, longs / 1e9, -shorts / 1e9)
    assert each * (longs + shorts) / 1e9 == pytest.approx(loss / 1e6, rel=1e-12)
    exact = drift.funding_index_loss(loss, longs, -shorts) / 1e9
    assert -1e-12 * each <= exact - each <= 1e-6 + 1e-9 * each
    assert funding_index_loss(1.0, 0.0, 0.0) == 0.0


@LAW
@given(loss=st.integers(1, 10**12), balance=st.integers(10**9, 10**18), index=st.integers(10**10, 10**12))
def test_a_loss_spread_by_the_deposit_index_is_borne_in_full_and_at_most_whole(loss, balance, index):
    deposits = balance * index / 1e19
    cut = deposit_index_cut(loss / 1e6, deposits)
    assert cut * deposits == pytest.approx(min(loss / 1e6, deposits), rel=1e-12)
    if cut < 1:
        exact = drift.deposit_index_loss(loss, balance, index, 6)
        assert exact == pytest.approx(cut * index, rel=2e-6 / deposits + 1e-12, abs=2)
    assert deposit_index_cut(1.0, 0.0) == 0.0
