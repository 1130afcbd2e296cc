"""What a vote will bear, said in words and judged by bounds."""

import numpy as np
import pytest
from pydantic import ValidationError

from simulator.outcomes import QUANTITIES, WINDOWS, Outcomes
from simulator.risk.appetite import (
    ExpectedShortfallLimit,
    MeanLimit,
    ProbabilityLimit,
    RiskAppetite,
)
from simulator.risk.judgement import (
    conditions,
    denominators,
    judge,
    mean_bound,
)
from simulator.risk.measures import PerPath
from simulator.risk.outlook import pass_chance, violation
from simulator.risk.planner import Proof, assurance, pass_probability
from simulator.risk.presets import LIQUIDATION_DAYS, MEANINGS

LIMIT = ProbabilityLimit(window="whole", threshold=0.01, probability=0.01)
PROOF = Proof(2500, 0.975)
FROZEN = {"open-interest": 1e6, "usd": 1.0, "accounts": 200.0}


def outcomes(loss, **columns):
    loss = np.asarray(loss, dtype=float)
    rows = {f"loss.{window}": loss for window in WINDOWS} | {"open_interest.whole": np.full(loss.size, 1e6)}
    rows |= {name.replace("__", "."): np.asarray(row, dtype=float) for name, row in columns.items()}
    return Outcomes(np.arange(loss.size), rows)


def one(limit):
    return conditions(RiskAppetite(limits=(limit,)))[0]


def rare(failures, paths, size=20_000.0):
    return outcomes(np.where(np.arange(paths) < failures, size, 0.0))


def test_the_quantities_of_a_limit_are_those_of_outcomes():
    annotation = ProbabilityLimit.model_fields["quantity"].annotation
    assert set(annotation.__args__) == set(QUANTITIES)


def test_every_limit_says_itself_in_one_sentence():
    assert LIMIT.describe() == (
        "The probability that loss exceeds 1 % of open interest from the vote to the horizon must be at most 1 %."
    )
    shortfall = ExpectedShortfallLimit(level=0.99, limit=0.02, of="fund")
    assert shortfall.describe() == (
        "The mean of loss over the worst 1 % of paths in the transition after the vote and in the steady state after the "
        "transition must be at most 2 % of the insurance fund."
    )
    evicted = MeanLimit(quantity="newly_liquidatable", window="transition", of="accounts", limit=0.05)
    assert evicted.describe() == (
        "The mean of newly liquidatable in the transition after the vote must be at most 5 % of accounts."
    )
    assert MeanLimit(quantity="vault_loss", window="whole", of="usd", limit=25_000.0).describe().endswith("at most 25,000 USD.")


def test_the_appetite_says_all_its_limits_with_its_confidence():
    text = RiskAppetite(limits=(LIMIT,)).describe()
    assert text == f"With 95 % confidence: {LIMIT.describe()}"


def test_a_limit_holds_in_transition_and_steady_state_unless_it_names_a_window():
    both = RiskAppetite(limits=(ProbabilityLimit(threshold=0.01, probability=0.01), LIMIT))
    assert [condition.name for condition in conditions(both)] == [
        "1:probability:loss.transition",
        "1:probability:loss.steady",
        "2:probability:loss.whole",
    ]


def test_accounts_made_liquidatable_are_counted_in_the_transition_only():
    assert MeanLimit(quantity="newly_liquidatable", of="accounts", limit=0.05).windows == ("transition",)
    with pytest.raises(ValidationError, match='write "transition"'):
        MeanLimit(quantity="newly_liquidatable", of="accounts", window="steady", limit=0.05)


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "probability", "threshold": 0.01, "probability": 1.5},
        {"kind": "probability", "threshold": -0.01, "probability": 0.01},
        {"kind": "probability", "threshold": 0.01, "probability": 0.01, "of": "nothing"},
        {"kind": "expected-shortfall", "level": 99, "limit": 0.01},
        {"kind": "mean", "limit": 0.01, "quantity": "losses"},
        {"kind": "variance", "limit": 0.01},
    ],
)
def test_a_limit_that_means_nothing_is_refused(wrong):
    with pytest.raises(ValidationError):
        RiskAppetite.model_validate({"limits": (wrong,)})


def test_looks_spend_the_chance_of_error_by_halves():
    appetite = RiskAppetite(limits=(LIMIT,))
    assert [appetite.confidence_of_look(j) for j in (1, 2, 3)] == pytest.approx([0.975, 0.9875, 0.99375])
    assert sum(1 - appetite.confidence_of_look(j) for j in range(1, 60)) <= 0.05 + 1e-12


def test_denominators_are_the_baselines_mean_and_must_not_be_zero():
    appetite = RiskAppetite(limits=(LIMIT, MeanLimit(quantity="newly_liquidatable", of="accounts", limit=0.05)))
    assert denominators(rare(0, 100), [appetite], 200) == {"open-interest": 1e6, "accounts": 200.0}
    empty = outcomes(np.zeros(10), open_interest__whole=np.zeros(10))
    with pytest.raises(ValueError, match='use `of = "usd"`'):
        denominators(empty, [RiskAppetite(limits=(LIMIT,))], 200)


@pytest.mark.parametrize(("failures", "passes"), [(0, True), (4, True), (5, False)])
def test_a_probability_limit_passes_by_its_clopper_pearson_bound(failures, passes):
    found = judge(one(LIMIT), rare(failures, 1000), FROZEN, 0.95)
    assert found.passes is passes
    assert (found.bound <= 0.01) is passes
    assert found.value == failures / 1000


def test_losses_scale_with_their_denominator():
    losses = np.abs(np.random.default_rng(1).standard_t(3, 1000)) * 3000
    here = judge(one(LIMIT), outcomes(losses), FROZEN, 0.95)
    there = judge(one(LIMIT), outcomes(losses * 7), {"open-interest": 7e6}, 0.95)
    assert (here.value, here.bound) == (there.value, there.bound)


def test_a_mean_limit_passes_by_its_upper_bound():
    limit = MeanLimit(window="whole", limit=0.01)
    losses = np.random.default_rng(2).exponential(9_000, 400)
    found = judge(one(limit), outcomes(losses), FROZEN, 0.95)
    sample = losses / 1e6
    expected = sample.mean() + 1.6487 * sample.std(ddof=1) / 20
    assert found.bound == pytest.approx(expected, rel=1e-3)
    assert found.passes is bool(found.bound <= 0.01)


def test_a_mean_of_zeros_is_not_proven_to_be_zero():
    found = judge(one(MeanLimit(window="whole", limit=1e-6)), rare(0, 1000), FROZEN, 0.95)
    assert found.value == 0
    assert not found.passes


def test_the_bound_of_a_rare_mean_covers():
    rng, misses = np.random.default_rng(3), 0
    for _ in range(300):
        values = np.where(rng.random(1000) < 0.01, rng.random(1000), 0.0)
        misses += mean_bound(PerPath(np.arange(1000), values), 0.95)[0] < 0.005
    assert misses / 300 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 300)


def test_expected_shortfall_confirms_by_a_covering_bound_or_by_the_ladder():
    limit = ExpectedShortfallLimit(window="whole", level=0.95, limit=0.05)
    heavy = np.abs(np.random.default_rng(4).standard_t(4, 2000)) * 4_000
    by_bound = judge(one(limit), outcomes(heavy), FROZEN, 0.95)
    assert by_bound.method == "bound of simulated coverage"
    assert by_bound.passes
    by_ladder = judge(one(limit), rare(2, 2000), FROZEN, 0.95)
    assert by_ladder.method == "ladder of probabilities"
    assert by_ladder.passes
    assert not judge(one(limit), rare(80, 2000, 1e5), FROZEN, 0.95).passes
    short = judge(one(limit), rare(0, 900), FROZEN, 0.95)
    assert not short.passes
    assert "needs 50 tail paths" in short.note


@pytest.mark.parametrize(
    "limit",
    [LIMIT, MeanLimit(window="whole", limit=0.01), ExpectedShortfallLimit(window="whole", level=0.95, limit=0.05)],
)
def test_what_search_ranks_by_grows_continuously_with_losses(limit):
    losses = np.abs(np.random.default_rng(5).standard_t(3, 400)) * 5_000
    found = [violation(one(limit), outcomes(losses * factor), FROZEN, PROOF) for factor in (0.5, 0.9, 1.0, 1.001, 2.0)]
    assert found == sorted(found)
    assert 0 < found[3] - found[2] < 0.01
    lenient = violation(one(limit), outcomes(losses), FROZEN, PROOF, 2.0)
    assert lenient <= found[2]


def test_a_candidate_without_violation_will_probably_be_confirmed():
    rate = PROOF.rate(0.01)
    assert pass_probability(rate, 2500, 0.01, 0.975) == pytest.approx(0.8, abs=1e-9)
    assert 0.005 <= rate < 0.01
    assert pass_chance(one(LIMIT), rare(0, 2000), FROZEN, PROOF) > 0.99
    assert pass_chance(one(LIMIT), rare(20, 2000), FROZEN, PROOF) == assurance(20, 2000, 2500, 0.01, 0.975) < 0.1


@pytest.mark.parametrize(
    "limit", [MeanLimit(window="whole", limit=0.01), ExpectedShortfallLimit(window="whole", level=0.95, limit=0.05)]
)
def test_the_chance_to_pass_falls_with_losses(limit):
    losses = np.abs(np.random.default_rng(6).standard_t(3, 2000)) * 5_000
    chances = [pass_chance(one(limit), outcomes(losses * factor), FROZEN, PROOF) for factor in (0.2, 1.0, 2.0, 5.0)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.9 > 0.1 > chances[-1]


@pytest.mark.parametrize("preset", MEANINGS)
def test_a_preset_is_limits_that_a_vote_can_read(preset):
    appetite = RiskAppetite.model_validate({"preset": preset})
    assert appetite.limits
    assert appetite.describe().count("must be at most") == len(appetite.limits)
    assert appetite.meaning.startswith(f"{preset}: ")
    again = RiskAppetite.model_validate(appetite.model_dump())
    assert again == appetite
    assert RiskAppetite.model_validate(appetite.model_dump(mode="json") | {"limits": tuple(appetite.limits)}) == appetite


def test_limits_and_a_confidence_beside_a_preset_hold_too():
    own = {"kind": "mean", "quantity": "adl_volume", "window": "whole", "limit": 0.01}
    appetite = RiskAppetite.model_validate({"preset": "balanced", "confidence": 0.99, "limits": (own,)})
    assert appetite.confidence == 0.99
    assert appetite.limits[0].kind == "mean"
    assert len(appetite.limits) == 1 + len(RiskAppetite.model_validate({"preset": "balanced"}).limits)


def test_presets_are_ordered_by_what_they_bear():
    losses = [RiskAppetite.model_validate({"preset": name}).limits[0] for name in ("conservative", "balanced", "aggressive")]
    assert losses[0].threshold < losses[1].threshold < losses[2].threshold
    assert losses[0].probability < losses[1].probability < losses[2].probability


def test_the_regulators_presets_are_the_percentages_of_the_rule():
    """Regulation (EU) No 153/2013, article 24: 99.5 % for over-the-counter derivatives, 99 % for others; article 26: days."""
    probabilities = {name: RiskAppetite.model_validate({"preset": name}).limits[0].probability for name in LIQUIDATION_DAYS}
    assert probabilities == {"emir-otc": 0.005, "emir-listed": 0.01}
    assert LIQUIDATION_DAYS == {"emir-otc": 5.0, "emir-listed": 2.0}
