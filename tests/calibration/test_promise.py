"""Available capital efficiency weighed by a book, against figures made by hand: tiers, open interest, caps, ceilings."""

import math
from pathlib import Path

import numpy as np
import pytest

from simulator.agents.lending import Borrowers, Suppliers
from simulator.agents.perp_traders import PerpTraders
from simulator.calibration.promise import available_change, carried
from simulator.parameters import RiskParameters
from simulator.scenario.book import Book, Loans, book_of

TIERS = [{"lower_bound": 0.0, "greatest_leverage": 20.0}, {"lower_bound": 200_000.0, "greatest_leverage": 10.0}]
RULES = {
    "tiered": {"kind": "tiered", "tiers": TIERS},
    "open-interest-scaled": {
        "kind": "open-interest-scaled", "initial_margin_ratio": 0.05, "maintenance_fraction": 0.6,
        "lower_open_interest": 0.5e6, "upper_open_interest": 1.5e6,
    },
    "collateral-factor": {
        "kind": "collateral-factor", "minimum_factor": 0.01, "minimum_factor_liquidation": 0.005, "open_interest_factor": 1e-7,
    },
    "size-scaled": {
        "kind": "size-scaled", "initial_margin_ratio": 0.05, "maintenance_margin_ratio": 0.03, "size_factor": 0.01,
    },
}  # fmt: skip


def market(kind):
    return RiskParameters.model_validate({"perpetuals": {"ETH": RULES[kind]}})


@pytest.mark.parametrize(
    ("kind", "change", "before", "after"),
    [
        # 100,000 USD at 20x and 300,000 at 10x: 5,000 + 30,000; the upper tier at 20x: 5,000 + 15,000
        ("tiered", {"tiers.1.greatest_leverage": 20.0}, 35_000, 20_000),
        ("tiered", {"tiers.1.lower_bound": 400_000.0}, 35_000, 20_000),
        # 1 M USD open, half of the way from 0.5 to 1.5 M: 0.05 + 0.95 / 2; from 1 M on: 0.05
        ("open-interest-scaled", {"lower_open_interest": 1e6}, 0.525, 0.05),
        ("open-interest-scaled", {"upper_open_interest": 2.5e6}, 0.525, 0.05 + 0.95 / 4),
        ("collateral-factor", {"open_interest_factor": 5e-8}, 0.1, 0.05),
        # 100 and 300 tokens of 1,000 USD: 0.04 + 0.01 sqrt(q), weighed by worth
        ("size-scaled", {"size_factor": 0.0}, (0.04 + 0.1) / 4 + 3 * (0.04 + 0.01 * math.sqrt(300)) / 4, 0.05),
    ],
)
def test_a_rule_promises_what_the_positions_of_its_book_need(kind, change, before, after):
    book = Book({"ETH": 1000.0}, {"ETH": np.array([1e5, 3e5])}, {"ETH": 1e6}, {}, ())
    now = market(kind)
    changed = now.replace({f"perpetuals.ETH.{name}": value for name, value in change.items()})
    assert available_change(changed, now, book) == pytest.approx(math.log(before / after), abs=1e-12)
    assert available_change(now, now, book) == 0.0


def pool(**changes):
    curve = {"kind": "flat", "rate": 0.0}
    tree = {
        "collateral": {"ETH": {"collateral_factor": 0.8, "liquidation_threshold": 0.85}, "USDC": {"collateral_factor": 0.0}},
        "borrowing": {"USDC": curve, "GHO": curve},
    }
    tree["collateral"]["GHO"] = {"collateral_factor": 0.0}
    return RiskParameters.model_validate(tree).replace({name.replace("__", "."): value for name, value in changes.items()})


@pytest.mark.parametrize(
    ("changes", "power"),
    [
        ({}, 0.8),
        ({"collateral__ETH__supply_cap": 15.0}, 0.8 * 0.75),  # 15 of 20 tokens
        ({"collateral__ETH__debt_ceiling": 400.0}, 0.8 * 0.5),  # of 1,000 USD of borrowers x 0.8
        ({"collateral__ETH__supply_cap": 15.0, "collateral__ETH__debt_ceiling": 400.0}, 0.8 * 0.5),
        ({"borrowing__GHO__borrow_cap": 100.0}, 0.8 * (1.0 + 0.25) / 2),  # of 400 USD; the other half is USDC
        ({"borrowing__USDC__borrow_cap": 1e9}, 0.8),
    ],
)
def test_a_collateral_promises_what_caps_and_ceilings_leave_of_its_borrowing_power(changes, power):
    """20 tokens of 100 USD, half of them of borrowers who owe USDC and GHO in equal parts."""
    prices = {"ETH": 100.0, "USDC": 1.0, "GHO": 1.0}
    book = Book(prices, {}, {}, {"ETH": 2000.0}, (Loans("ETH", ("USDC", "GHO"), 1000.0),))
    assert carried(pool(**changes), book)["ETH"] == pytest.approx(power, rel=1e-12)
    assert available_change(pool(**changes), pool(), book) == pytest.approx(math.log(power / 0.8), abs=1e-12)
    assert carried(pool(**changes), None)["ETH"] == 0.8


def test_the_book_is_what_accounts_want_at_load(tmp_path: Path):
    """Two longs and a short from a file, one who is flat; borrowers who are there, suppliers all."""
    (tmp_path / "traders.csv").write_text("wealth,leverage,side\n100,2,1\n50,4,1\n300,1,-1\n10,10,0\n")
    (tmp_path / "loans.csv").write_text("wealth,use\n500,0.5\n700,0\n")
    cohorts = [
        PerpTraders(kind="perp-traders", name="t", market="ETH", collateral="USDC", file="traders.csv"),
        Borrowers(kind="borrowers", name="b", collateral="ETH", debt="USDC", file="loans.csv"),
        Suppliers(kind="suppliers", name="s", asset="USDC", accounts=3, wealth={"median": 1000.0}),
    ]
    book = book_of(cohorts, 1, tmp_path, {"ETH": 10.0, "USDC": 1.0})
    assert book.positions["ETH"] == pytest.approx([200.0, 200.0, 300.0, 100.0])
    assert book.open_interest == {"ETH": 400.0}
    assert book.deposits == pytest.approx({"USDC": 450.0 + 3000.0, "ETH": 500.0})
    assert book.loans == (Loans("ETH", ("USDC",), 500.0),)
