"""Drift's rules in the engine: what one liquidation closes is what the protocol's integers say, and no funding is made up."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from reference_worlds import Keepers, maker, people, perpetual_parameters, protocol, traders, world
from test_engine_equals_reference import engine_of

from simulator.protocol import book
from simulator.protocol.integers import drift

RULE = {"kind": "growing-fee", "first_share": 0.1, "duration": 36_000.0}
FIXED = {"kind": "linear-permanent", "depth": 1e9, "coefficient": 0.0}  # fills at the mark, which is the index


def engine(prices, books, venue=FIXED, **rules):
    """One ETH market at `prices`, hourly; where no venue is named fills move nothing."""
    keepers = Keepers(kind="keepers", acts="always")
    venues = {"ETH": {"spot": FIXED, "perpetual": venue} | rules.pop("of_eth", {}), "USDC": {"spot": FIXED}}
    return engine_of(world(prices, perpetual_parameters(), [traders(), keepers], [books], protocol(venues=venues, **rules)))


def position(model, i=0):
    return model.state.accounts[0, i, book.HEAD]


def test_the_first_and_the_second_close_are_those_of_drifts_integers():
    model = engine([100.0, 93.0, 93.0, 93.0], people([1000.0], [9.0]), liquidation=RULE)
    left, equity, freed = 90.0, 1000.0 - 90.0 * 7.0, 0
    slots = int(36_000 / 0.4)
    for step in range(2):
        model.run(1)
        shortage = round((left * 93.0 * 0.07 - equity) * drift.PRICE)
        base, price = round(left * drift.BASE), 93 * drift.PRICE
        fee = drift.liquidator_fee(10_000, 30_000, step * 9_000)
        fund = drift.fund_fee(shortage, base, 700, fee, price, drift.PRICE, 10_000)
        share = drift.share_to_liquidate(shortage, freed, step * 9_000, slots, 1_000) / drift.WEIGHT
        closed = share * drift.base_to_cover(shortage, 700, fee, fund, price, drift.PRICE) / drift.BASE
        freed += round(share * shortage)
        assert position(model) == pytest.approx(left - closed, rel=1e-4)  # the share is whole hundredths of a per cent there
        left = position(model)
        equity -= closed * 93.0 * (fee + fund) / drift.PRICE
    assert fee > 10_000  # nobody had come for an hour, and the grace is ten minutes


def test_whoever_closes_is_paid_the_fee_and_the_books_balance():
    model = engine([100.0, 93.0], people([1000.0], [9.0]), liquidation={**RULE, "first_share": 1.0})
    model.run(1)
    closed = (90.0 - position(model)) * 93.0
    special = model.state.accounts[0, model.rules.accounts :, book.CASH]
    assert closed > 1000
    assert special[book.KEEPER] - model.before.keepers.capital == pytest.approx(0.01 * closed, abs=1e-6)
    assert special[book.FUND] == pytest.approx(0.01 * closed)
    assert model.state.accounts[0, 0, book.CASH] - model.state.accounts[0, 0, book.HEAD + 1] == pytest.approx(
        1000.0 - 9000.0 + 0.98 * closed
    )


FUNDING = {"kind": "premium", "convergence_hours": 24.0, "hourly_interest": 0.001, "most_of_fees": 1 / 3}


@pytest.mark.parametrize("pool", [0.0, 30.0, 1e9])
def test_a_maker_pays_no_more_than_its_fees_and_receivers_share_the_rest(pool):
    """Longs pay 0.1 % an hour; two short to one long, so MAKER is long and owes 0.1 % of 2,000 x 2 - 2,000 USD."""
    books = people([1000.0, 1000.0, 1000.0], [2.0] * 3, [1.0, -1.0, -1.0])
    model = engine([100.0] * 2, books, funding={**FUNDING, "fees_at_load": pool}, counterparty=maker(1e5, 0.0))
    model.run(1)
    equity = [_equity(model, i) for i in (0, 1, 2, model.rules.accounts + book.MAKER)]
    paid = min(2.0, pool / 3)  # of MAKER
    assert equity == pytest.approx([998.0, 1000 + (2 + paid) / 2, 1000 + (2 + paid) / 2, 1e5 - paid], rel=1e-12)
    assert model.state.market[0, 0, book.FEE_POOL] == pytest.approx(pool - paid)


def _equity(model, i):
    row = model.state.accounts[0, i]
    return row[book.CASH] + row[book.HEAD] * model.state.market[0, 0, book.VALUE] - row[book.HEAD + 1]


@pytest.mark.parametrize(("residual", "charged"), [("funding-index", [400.0, 400.0]), ("opposite-side", [800.0, 0.0])])
def test_a_loss_is_paid_by_positions(residual, charged):
    """A long of 90 loses 1,800 of its 1,000 USD; beside it stand a short and a long of 20 each."""
    books = people([1000.0, 1000.0, 1000.0], [9.0, 2.0, 2.0], [1.0, -1.0, 1.0])
    model = engine([100.0, 80.0], books, residual=residual)
    model.run(1)
    assert [_equity(model, i) for i in (0, 1, 2)] == pytest.approx([0.0, 1400 - charged[0], 600 - charged[1]], rel=1e-12)
    assert model.state.scalar[0, book.SOCIALISED] == pytest.approx(800.0)


def test_a_loss_in_a_market_where_nobody_is_left_is_uncovered():
    model = engine([100.0, 80.0], people([1000.0], [9.0]), residual="funding-index")
    model.run(1)
    assert model.state.scalar[0, book.UNCOVERED] == pytest.approx(800.0)


def test_a_keepers_close_is_cut_at_the_band():
    band = {"fill_band": {"width": 0.01, "liquidations": True}}
    thin = {"kind": "linear", "depth": 1e5}
    model = engine([100.0, 93.0], people([1000.0], [9.0]), thin, of_eth=band, max_rounds=1)
    model.run(1)
    row = model.state.accounts[0, 0]
    closed = 90.0 - row[book.HEAD]
    assert 10.0 < closed < 80.0
    received = row[book.CASH] - row[book.HEAD + 1] - (1000.0 - 9000.0) + 0.01 * closed * 93.0  # before the penalty of 1 %
    assert received / closed == pytest.approx(93.0 * 0.99, rel=1e-12)


@pytest.mark.parametrize(("caution", "left"), [(0.43, 90.0), (0.44, 0.0)])
def test_a_cautious_oracle_asks_its_confidence_interval_of_a_position(caution, left):
    """At 94 the account has 37 USD above maintenance; an interval is 1 % (a volatility of 0.5), of 8,460 USD."""
    oracle = {"oracle": {"width": 0.02, "widest": 0.5, "caution": caution}}
    model = engine([100.0, 94.0], people([1000.0], [9.0]), of_eth=oracle)
    model.run(1)
    assert position(model) == left
