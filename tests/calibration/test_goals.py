"""What is maximised: relative, paired, and honest about what people do."""

import math

import numpy as np
import pytest

from simulator.calibration.goals import COLUMNS, Goal
from simulator.calibration.promise import available_change
from simulator.calibration_settings import Objective
from simulator.outcomes import Outcomes
from simulator.parameters import RiskParameters

NOW = RiskParameters.model_validate(
    {
        "perpetuals": {"ETH": {"initial_margin_ratio": 0.1, "maintenance_margin_ratio": 0.05}},
        "collateral": {
            "BTC": {"haircut": 0.2, "collateral_factor": 0.5, "liquidation_threshold": 0.7},
            "XYZ": {"collateral_factor": 0.0},
        },
    }
)


def outcomes(factor=1.0, noise=0.0):
    rng = np.random.default_rng(1)
    shared = rng.exponential(size=500)
    rows = {name: shared * factor + noise * rng.normal(size=500) for name in COLUMNS}
    return Outcomes(np.arange(500), rows)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"perpetuals.ETH.initial_margin_ratio": 0.05}, math.log(2) / 2),
        ({"collateral.BTC.collateral_factor": 0.25}, -math.log(2) / 2),
        ({"collateral.BTC.haircut": 0.6}, -math.log(2) / 2),
        ({"perpetuals.ETH.maintenance_margin_ratio": 0.02}, 0.0),
    ],
)
def test_available_efficiency_is_what_one_unit_of_collateral_may_carry(change, expected):
    assert available_change(NOW.replace(change), NOW) == pytest.approx(expected, abs=1e-12)


def test_a_book_that_offers_nothing_has_no_available_efficiency():
    empty = RiskParameters()
    assert available_change(empty, empty) == 0.0


@pytest.mark.parametrize(
    ("objective", "expected"),
    [
        (Objective(capital_efficiency=1.0), 0.1),
        (Objective(capital_efficiency=0.0, revenue=2.0), 0.2),
        (Objective(capital_efficiency=0.0, user_cost=1.0), -0.1),
        (Objective(capital_efficiency=1.0, revenue=1.0, user_cost=1.0), 0.1),
    ],
)
def test_the_score_is_the_weighted_sum_of_relative_changes(objective, expected):
    score, _ = Goal(objective, counts_used=True).score(NOW, outcomes(1.1), NOW, outcomes())
    assert score == pytest.approx(expected, rel=1e-12)


def test_the_score_of_current_parameters_is_zero_without_error():
    assert Goal(Objective(revenue=1.0), counts_used=True).score(NOW, outcomes(), NOW, outcomes()) == (0.0, 0.0)


def test_without_sources_only_available_efficiency_counts():
    loose = NOW.replace({"perpetuals.ETH.initial_margin_ratio": 0.05})
    goal = Goal(Objective(), counts_used=False)
    assert goal.score(loose, outcomes(5.0, 1.0), NOW, outcomes()) == (pytest.approx(math.log(2) / 2), 0.0)
    assert "available capital efficiency" in goal.describe()


def test_a_goal_whose_baseline_is_nothing_does_not_move():
    nothing = Outcomes(np.arange(500), {name: np.zeros(500) for name in COLUMNS})
    goal = Goal(Objective(capital_efficiency=0.0, revenue=1.0), counts_used=True)
    assert goal.score(NOW, outcomes(), NOW, nothing) == (0.0, 0.0)
