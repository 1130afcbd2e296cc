"""Lending in the engine: interest against exact fractions and closed forms, and the laws that every shape keeps."""

from __future__ import annotations

import math
import sys
from decimal import Decimal, getcontext
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.agents import Keepers
from simulator.parameters import RiskParameters
from simulator.protocol import book
from simulator.protocol.bands import loan as plain_loan
from simulator.protocol.health import maintenance
from simulator.protocol.liquidate import serve
from simulator.protocol.loans import largest, shape, standing
from simulator.protocol.prices import value
from simulator.scenario import Scenario, ScenarioError

sys.path.insert(0, str(Path(__file__).parent))
from reference_lending_worlds import SHAPES, pool_world
from reference_worlds import borrowers, linear, people, protocol, suppliers, world
from test_engine_equals_reference import engine_of

HOURS = 8760
SCENARIOS = Path(__file__).parent.parent / "scenarios"
LAW = settings(deadline=None, derandomize=True, max_examples=25)


def loan(curve, steps=48, accrual="simple", use=0.5, threshold=0.85, dt=3600.0, prices=None, keepers=()):
    """One borrower of USDC against ETH and one supplier, at prices that rest unless given: an engine of one path."""
    tree = {
        "collateral": {
            "ETH": {"collateral_factor": 0.8, "liquidation_threshold": threshold, "liquidation_bonus": 0.05},
            "USDC": {"collateral_factor": 0.0, "liquidation_threshold": 0.0},
        },
        "borrowing": {"USDC": curve},
    }
    rules = protocol(venues={"ETH": {"spot": linear(1e12)}, "USDC": {"spot": linear(1e12)}}, lending={"accrual": accrual})
    books = [people([1000.0], [use]), people([1000.0])]
    made = world(
        prices or [100.0] * (steps + 1),
        RiskParameters.model_validate(tree),
        [borrowers(), suppliers(), *keepers],
        books,
        rules,
        dt=dt,
    )
    return engine_of(made)


def debt_index(model):
    return model.state.currency[0, 1, book.BORROW_INDEX]


@pytest.mark.parametrize("accrual", ["simple", "three-term", "continuous"])
@pytest.mark.parametrize("rate", [0.0, 0.05, 0.75, 20.0])
def test_the_index_of_a_debt_is_that_of_exact_arithmetic(rate, accrual):
    """D10: Fractions for the polynomial modes, 50 digits for the exponential; 1e-12 over a month of hours."""
    model = loan({"kind": "flat", "rate": rate}, accrual=accrual, steps=720)
    model.run(720)
    x = Fraction(rate) / HOURS
    if accrual == "continuous":
        getcontext().prec = 50
        exact = (Decimal(rate) * 720 / HOURS).exp()
    else:
        exact = (1 + x if accrual == "simple" else 1 + x + x**2 / 2 + x**3 / 6) ** 720
    assert debt_index(model) == pytest.approx(float(exact), rel=1e-12)


def test_three_terms_fall_short_of_continuous_interest_by_the_known_amounts():
    """L35: at 75 % a year, 2.7e-10 a day and 0.73 % in one year."""
    for steps, dt, gap in ((365, 86_400.0, -2.7e-10), (1, 365 * 86_400.0, -0.0073)):
        model = loan({"kind": "flat", "rate": 0.75}, accrual="three-term", steps=steps, dt=dt)
        model.run(steps)
        assert debt_index(model) / math.exp(0.75) - 1 == pytest.approx(gap, rel=0.35 if steps > 1 else 0.01)


def test_utilisation_with_nothing_but_accrual_is_logistic():
    """L36: below the kink, suppliers' balance at rest (all interest to the reserve): the error is of first order in the step."""
    base, slope, kink, start = 0.1, 0.3, 0.9, 0.4
    a, b, grown = base, slope / kink, math.exp(base)
    exact = a * start * grown / (a + b * start * (1 - grown))
    curve = {"base_rate": base, "slope_below": slope, "slope_above": 0.0, "optimal_utilisation": kink}
    errors = []
    for n in (100, 1000):
        model = loan({**curve, "reserve_factor": 1 - 1e-13}, steps=n, dt=365 * 86_400.0 / n)
        model.run(n)
        _, borrow_index, _, _, supplied, borrowed = model.state.currency[0, 1, : book.DEBT_TOTAL + 1]
        errors.append(borrowed * borrow_index / supplied - exact)
    assert -1e-3 < errors[0] < 0.0
    assert errors[0] / errors[1] == pytest.approx(10.0, rel=0.02)


def test_interest_alone_liquidates_in_the_step_of_the_closed_form():
    """L04: ln(LT C / D) / r years after the start, at zero volatility."""
    keepers = Keepers(kind="keepers", acts="always")
    model = loan({"kind": "flat", "rate": 2.0}, accrual="continuous", use=0.9, steps=2000, keepers=[keepers])
    due = math.log(0.85 / 0.72) / 2.0 * HOURS
    first = None
    for t in range(2000):
        model.step()
        if model.state.scalar[0, book.LIQUIDATIONS] > 0:
            first = t + 1
            break
    assert first == math.ceil(due)


OVERDRAFT = {"base_rate": 0.06, "slope": 0.2, "jump": 0.4, "kink": 0.6, "reserve_factor": 0.2}


def with_cash(cash, prices, overdraft=None, keepers=()):
    """One borrower and two suppliers with `cash` of their own, in the pool of `loan`."""
    tree = {
        "collateral": {"ETH": {"collateral_factor": 0.8, "liquidation_threshold": 0.85}, "USDC": {}},
        "borrowing": {"USDC": {"kind": "flat", "rate": 0.0}},
        "overdraft": overdraft,
    }
    rules = protocol(venues={name: {"spot": linear(1e12)} for name in ("ETH", "USDC")}, lending={"accrual": "continuous"})
    books = [people([1000.0], [0.5]), people([1000.0, 1000.0])]
    cohorts = [borrowers(), suppliers(), *keepers]
    return engine_of(world(prices, RiskParameters.model_validate(tree), cohorts, books, rules, cash=cash))


@pytest.mark.parametrize("slopes", [{"slope": 0.0, "jump": 0.0}, {}])
@pytest.mark.parametrize("held", [300.0, 110.0])
def test_negative_cash_grows_at_the_rate_of_its_curve_and_its_interest_goes_where_it_should(slopes, held):
    """Derive's curve. What nobody else gets is the fund's; where the rate rests it is e^(r t), else the closed form of a step."""
    steps = 48 if slopes else 1
    model = with_cash([-100.0, held, 0.0], [100.0] * (steps + 1), {**OVERDRAFT, **slopes})
    model.run(steps)
    u = 100.0 / held
    rate = 0.06 if slopes else 0.06 + 0.2 * min(u, 0.6) + 0.4 * max(u - 0.6, 0.0)
    interest = 100.0 * math.expm1(rate * steps / HOURS)
    cash = model.state.accounts[0, :, book.CASH]
    assert list(cash[:3]) == pytest.approx([-100.0 - interest, held + 0.8 * interest, 0.0], rel=1e-12)
    assert cash[3 + book.FUND] == pytest.approx(0.2 * interest, rel=1e-9)


def test_where_nobody_has_cash_the_interest_is_the_funds_and_without_a_curve_there_is_none():
    model = with_cash([-100.0, 0.0, 0.0], [100.0] * 2, OVERDRAFT)
    model.run(1)
    assert model.state.accounts[0, 3 + book.FUND, book.CASH] == pytest.approx(100.0 * math.expm1(0.06 / HOURS), rel=1e-9)
    model = with_cash([-100.0, 300.0, 0.0], [100.0] * 2)
    model.run(1)
    assert list(model.state.accounts[0, :3, book.CASH]) == [-100.0, 300.0, 0.0]


def test_who_has_cash_pays_from_it_before_anything_is_written_off():
    """A debt of 400 and 50 in cash against 1,000 of ETH that becomes 300: 300 is seized, 50 is paid, 50 is bad debt."""
    keepers = Keepers(kind="keepers", acts="always")
    model = with_cash([50.0, 0.0, 0.0], [100.0, 30.0], keepers=[keepers])
    model.run(1)
    state, row = model.state, model.state.accounts[0, 0]
    assert state.scalar[0, book.REALISED] == pytest.approx(50.0, rel=1e-9)
    assert list(row) == [0.0] * len(row)
    pool = state.currency[0, 1]
    assert pool[book.LIQUIDITY] == pytest.approx(pool[book.DEPOSIT_TOTAL] * pool[book.DEPOSIT_INDEX]) == pytest.approx(1950.0)


@pytest.mark.parametrize(("cash", "lost"), [(150.0, 250.0), (600.0, 0.0)])
def test_cash_alone_pays_a_debt_that_outgrew_it(cash, lost):
    """Without a deposit a keeper has nothing to take: it only has the account settled, and what cash does not cover is lost."""
    keepers = Keepers(kind="keepers", acts="always")
    model = with_cash([cash, 0.0, 0.0], [100.0, 100.0], keepers=[keepers])
    row, pool = model.state.accounts[0, 0], model.state.currency[0, 0]
    row[book.HEAD] = pool[book.DEPOSIT_TOTAL] = pool[book.LIQUIDITY] = 0.0  # as an importer may find it
    model.run(1)
    assert model.state.scalar[0, book.REALISED] == pytest.approx(lost, rel=1e-9)
    assert row[book.CASH] == pytest.approx(cash if lost == 0.0 else 0.0, abs=1e-9)
    assert row[book.HEAD + 3] == (400.0 if lost == 0.0 else 0.0)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("seed", range(4))
def test_indices_pools_and_caps_keep_their_laws_at_every_step(kind, seed):
    """I13, I14: indices never fall but by a socialised loss, borrowed <= supplied + reserves, caps bind all but interest."""
    made = pool_world(seed, kind)
    model = engine_of(made)
    state, K = model.state, model.rules.currencies
    for _ in range(made.steps):
        before, lost = state.currency[0].copy(), state.scalar[0, book.SOCIALISED]
        model.step()
        now, terms = state.currency[0], model.terms
        owing = state.accounts[0, : model.rules.accounts, book.HEAD + K : book.HEAD + 2 * K] > 0
        assert not np.any(owing[:, model.rules.siloed[:K] == 1].any(axis=1) & (owing.sum(axis=1) > 1))
        assert np.all(now[:, book.BORROW_INDEX] >= before[:, book.BORROW_INDEX])
        if state.scalar[0, book.SOCIALISED] == lost:
            assert np.all(now[:, book.DEPOSIT_INDEX] >= before[:, book.DEPOSIT_INDEX])
        supplied = now[:, book.DEPOSIT_TOTAL] * now[:, book.DEPOSIT_INDEX]
        borrowed = now[:, book.DEBT_TOTAL] * now[:, book.BORROW_INDEX]
        assert np.all(now[:, book.LIQUIDITY] >= -1e-9 * (1 + supplied))
        assert np.all((now[:, book.UTILISATION] >= 0) & (now[:, book.UTILISATION] <= 1))
        for total, index, former, cap in (
            (supplied, book.DEPOSIT_INDEX, book.DEPOSIT_TOTAL, terms.supply_cap[:K]),
            (borrowed, book.BORROW_INDEX, book.DEBT_TOTAL, terms.borrow_cap[:K]),
        ):
            assert np.all(total <= np.maximum(cap, before[:, former] * now[:, index]) * (1 + 1e-12))


@pytest.mark.parametrize("siloed", [[], ["GHO"], ["USDC"]])
def test_a_siloed_debt_stands_alone(siloed):
    """Aave v3: who owes a siloed asset owes nothing else. Each debt is half of 0.5 x 0.8 x 1000 USD."""
    curve = {"kind": "flat", "rate": 0.0}
    tree = {
        "collateral": {"ETH": {"collateral_factor": 0.8, "liquidation_threshold": 0.85}, "USDC": {}, "GHO": {}},
        "borrowing": {"USDC": curve, "GHO": curve},
    }
    venues = {name: {"spot": linear(1e12)} for name in ("ETH", "USDC", "GHO")}
    cohorts = [borrowers(activity=24.0, holding_days=1e6, open_share=0.999999).model_copy(update={"also": ("GHO",)})]
    cohorts += [suppliers(name=name).model_copy(update={"asset": name}) for name in ("USDC", "GHO")]
    model = engine_of(
        world(
            [100.0] * 25,
            RiskParameters.model_validate(tree),
            cohorts,
            [people([1000.0], [0.5]), people([1000.0]), people([1000.0])],
            protocol(venues=venues, lending={"siloed": siloed}),
            assets=["ETH", "USDC", "GHO"],
            prices=[[100.0, 1.0, 1.0]] * 25,
            volatility=[[0.5, 0.0, 0.0]] * 24,
            reference_volatility={"ETH": 0.5, "USDC": 0.0, "GHO": 0.0},
        )
    )
    owed = model.state.accounts[0, 0, book.HEAD + 3 : book.HEAD + 6]
    assert list(owed) == [0.0, 200.0, 0.0]
    model.run(24)
    assert list(owed) == [0.0, 200.0, 0.0 if siloed else 200.0]
    assert (model.state.scalar[0, book.REFUSED] > 0) == bool(siloed)


def test_a_healthy_account_stays_healthy_while_nothing_moves():
    """I10: without price, interest or a vote nobody becomes liquidatable, whatever accounts do."""
    for seed in range(4):
        made = pool_world(seed, "close-factor")
        still = {name: made.current.borrowing[name].borrow_cap for name in made.current.borrowing}
        tree = made.current.model_dump()
        tree["borrowing"] = {name: {"kind": "flat", "rate": 0.0, "borrow_cap": cap} for name, cap in still.items()}
        made.current = made.candidate = RiskParameters.model_validate(tree)
        made.prices = [made.prices[0]] * len(made.prices)
        model = engine_of(made)
        model.run(made.steps)
        assert model.state.scalar[0, book.LIQUIDATIONS] == 0


@pytest.mark.parametrize("kind", SHAPES)
@given(seed=st.integers(0, 40), fall=st.floats(0.5, 0.95))
@LAW
def test_a_liquidation_improves_health_and_writes_off_only_what_has_no_collateral(kind, seed, fall):
    """I11 where loan to value < 1 / incentive, I09 and I12: one keeper's action on each unhealthy account after a fall."""
    made = pool_world(seed, kind)
    made.cohorts = [c.model_copy(update={"acts": "always", "capital": 1e9}) if c.kind == "keepers" else c for c in made.cohorts]
    model = engine_of(made)
    state, rules, terms = model.state, model.rules, model.terms
    state.asset[0, 0:3, book.INDEX] *= fall
    b = getattr(book.path_of, "py_func", book.path_of)(state, 0)  # a rule hands no views to Python
    value(b, rules)
    K = rules.currencies
    for i in range(rules.accounts):
        row = b.accounts[i].copy()
        slack, equity, _, _ = maintenance(b, row, terms, rules)
        if slack >= 0.0:
            continue
        backing, weighted, debts = standing(b, row, terms, rules)
        others, realised = np.delete(b.accounts[: rules.accounts], i, axis=0).copy(), b.scalar[book.REALISED]
        c, collateral = largest(row, book.HEAD, K, b.currency[:, book.DEPOSIT_VALUE])
        served = largest(row, book.HEAD + K, K, b.currency[:, book.DEBT_VALUE])[1]
        incentive = shape(row, c, served, collateral, backing, weighted, debts, terms, rules)[1]
        if not serve(b, i, terms, rules):
            continue
        assert np.array_equal(np.delete(b.accounts[: rules.accounts], i, axis=0), others)
        after = b.accounts[i]
        left, owed, still = standing(b, after, terms, rules)
        assert still <= debts
        if debts * incentive < equity + debts and kind != "absorb-and-resale":
            assert owed == 0.0 or left / owed >= backing / weighted * (1 - 1e-12)
        if b.scalar[book.REALISED] > realised and kind != "absorb-and-resale":
            assert np.all(after[book.HEAD : book.HEAD + K] <= 1e-9)
        if kind == "absorb-and-resale":
            assert still == 0.0
            assert (b.scalar[book.REALISED] > realised) == (equity < 0.0)


def test_a_curve_or_shape_that_a_vote_moves_is_addressed_by_its_name():
    line = {"slope": 0.1, "jump": 1.0, "kink": 0.8}
    tree = {
        "collateral": {"ETH": {}, "USDC": {}},
        "borrowing": {"USDC": {"kind": "independent-curves", "supply": line, "borrow": line}},
        "categories": {"ether": {"collateral_factor": 0.9, "liquidation_threshold": 0.93}},
        "liquidation": {"loans": {"kind": "absorb-and-resale"}},
    }
    parameters = RiskParameters.model_validate(tree)
    changes = {
        "borrowing.USDC.borrow.slope": 0.3,
        "collateral.ETH.supply_cap": 7.0,
        "categories.ether.liquidation_threshold": 0.94,
        "liquidation.loans.storefront_factor": 0.7,
    }
    changed = parameters.replace(changes)
    assert {name: changed.get(name) for name in changes} == changes
    for missing in ("liquidation.loans.cursor", "borrowing.USDC.kind", "borrowing.USDC.slope"):
        with pytest.raises(KeyError):
            parameters.replace({missing: 0.1})


@pytest.mark.parametrize("bands", [None, 25])
def test_a_loan_in_bands_is_the_loan_of_the_plain_functions(bands):
    """One loan, deep venues, free arbitrage: x and y after every step are those of `loan.along_path`, down and back."""
    steps, collateral = 40, 10.0
    prices = [100.0 * (1 - 0.2 * math.sin(math.pi * t / steps) ** 2) for t in range(steps + 1)]
    tree = {
        "collateral": {"ETH": {}, "USDC": {"collateral_factor": 0.0, "liquidation_threshold": 0.0}},
        "borrowing": {"USDC": {"kind": "flat", "rate": 0.0}},
        "liquidation": {"loans": {"kind": "bands", "loan_discount": 0.3, "liquidation_discount": 0.2}},
    }
    rules = protocol(venues={"ETH": {"spot": linear(1e18)}, "USDC": {"spot": linear(1e18)}})
    keepers = Keepers(kind="keepers", latency=0.0, capital=1e9, turnover=3600.0, gas=0.0)
    books = [people([collateral * 100.0], [0.97]), people([2000.0])]
    cohorts = [borrowers(activity=0.0, bands=bands), suppliers(activity=0.0), keepers]
    model = engine_of(world(prices, RiskParameters.model_validate(tree), cohorts, books, rules))
    table = model.state.band[0, 0]
    loan_fields = model.state.accounts[0, 0, book.HEAD + 4 :]
    first, count = int(loan_fields[book.LOAN_FIRST]), int(loan_fields[book.LOAN_BANDS])
    assert count == (bands or model.rules.bands)
    up = table[first, book.BAND_UP]
    x, y = plain_loan.deposit(collateral, count)
    assert table[first : first + count, book.BAND_Y] == pytest.approx(y, rel=1e-12)
    part, most = RiskParameters.model_validate(tree).liquidation.loans, 0.0
    for t in range(1, steps + 1):
        price = np.array([prices[t]])
        plain_loan.along_path(x, y, 0, price, price, up, part.amplification, part.fee)
        model.run(1)
        most = max(most, x.sum())
        assert table[first : first + count, book.BAND_X].sum() == pytest.approx(x.sum(), rel=1e-6, abs=0.05)
        assert table[first : first + count, book.BAND_Y].sum() == pytest.approx(y.sum(), rel=1e-6, abs=5e-4)
    assert most > 300.0 > x.sum()
    assert y.sum() < collateral
    assert model.state.scalar[0, book.LIQUIDATIONS] == 0
    assert model.state.scalar[0, book.USER_COST] > 0


@pytest.mark.parametrize("amplification", [2, 3, 10, 100])
def test_as_many_bands_as_a_cohort_may_ask_for_lie_in_the_table(amplification):
    """Beyond the table a loan would be laid into the memory of somebody else."""
    most = min(3 * amplification, 50)
    loans = {"kind": "bands", "amplification": amplification, "bands": 4, "loan_discount": 0.3, "liquidation_discount": 0.2}
    tree = {
        "collateral": {"ETH": {}, "USDC": {"collateral_factor": 0.0, "liquidation_threshold": 0.0}},
        "borrowing": {"USDC": {"kind": "flat", "rate": 0.0}},
        "liquidation": {"loans": loans},
    }
    rules = protocol(venues={"ETH": {"spot": linear(1e18)}, "USDC": {"spot": linear(1e18)}})
    books = [people([1000.0, 1000.0, 1000.0], [0.999, 0.5, 0.01]), people([4000.0])]
    cohorts = [borrowers(activity=0.0, bands=most), suppliers(activity=0.0)]
    model = engine_of(world([100.0, 100.0], RiskParameters.model_validate(tree), cohorts, books, rules))
    fields = model.state.accounts[0, :3, book.HEAD + 4 :]
    assert (fields[:, book.LOAN_BANDS] == most).all()
    assert (fields[:, book.LOAN_FIRST] >= 0).all()
    assert (fields[:, book.LOAN_FIRST] + most <= model.state.band.shape[2]).all()
    assert (fields[:, book.LOAN_SHARE] > 0).all()


def test_more_bands_than_the_table_holds_below_the_price_are_refused():
    text = (SCENARIOS / "crvusd.toml").read_text().replace("amplification = 100", "amplification = 10")
    asked = text.replace('collateral = "WETH"', 'collateral = "WETH"\nbands = 30')
    Scenario.from_text(asked, SCENARIOS, "crvusd")
    with pytest.raises(ScenarioError, match=r"cohorts\.0\.bands: 31 bands are more .* at most 3 x amplification = 30$"):
        Scenario.from_text(asked.replace("bands = 30", "bands = 31"), SCENARIOS, "crvusd")


def test_bands_leave_nothing_to_a_vote_that_makes_a_market():
    names = dict(RiskParameters.model_validate({"liquidation": {"loans": {"kind": "bands"}}}).items())
    assert "liquidation.loans.fee" in names
    assert not {"liquidation.loans.amplification", "liquidation.loans.bands"} & set(names)
