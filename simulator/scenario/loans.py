"""What must fit between the rules of lending and its numbers: categories, isolation, silos, the shape of liquidation."""

from __future__ import annotations

from collections.abc import Iterator

from simulator.agents import Borrowers
from simulator.parameters import RiskParameters
from simulator.protocol.lending import Lending
from simulator.scenario.draft import Draft
from simulator.scenario.problems import Problem
from simulator.terms.loan_liquidation import SPAN, Bands
from simulator.wording import did_you_mean, quoted


def broken_loans(draft: Draft) -> Iterator[Problem]:
    """Every name and pair of numbers of lending that cannot be meant."""
    if draft.parameters is None or draft.protocol is None:
        return
    yield from _categories(draft.parameters, draft.protocol.lending)
    yield from _lent(draft.parameters, draft.protocol.lending)
    yield from _one_base(draft.parameters)
    yield from _unread_under_bands(draft.parameters)
    yield from _bands_of_cohorts(draft, draft.parameters)
    for name in draft.protocol.lending.reserves:
        if name not in draft.parameters.collateral:
            place = ("protocol", "lending", "reserves", name)
            yield Problem(place, f"is not a currency; {did_you_mean(name, draft.parameters.collateral)}")


def _categories(parameters: RiskParameters, lending: Lending) -> Iterator[Problem]:
    for name in parameters.categories:
        if name not in lending.categories:
            yield Problem(
                ("parameters", "categories", name),
                f"has no currencies; {did_you_mean(name, lending.categories)}"
                if lending.categories
                else f"has no currencies; list them in [protocol.lending.categories] as {name} = [...]",
            )
    taken: dict[str, str] = {}
    for name, currencies in lending.categories.items():
        place = ("protocol", "lending", "categories", name)
        if name not in parameters.categories:
            yield Problem(place, f"has no numbers; add [parameters.categories.{name}]")
            continue
        for currency in currencies:
            if currency not in parameters.collateral:
                yield Problem(place, f"{quoted(currency)} is not a currency; {did_you_mean(currency, parameters.collateral)}")
            elif currency in taken:
                yield Problem(place, f"{currency} is also in {quoted(taken[currency])}; a currency has one category")
            else:
                yield from _worse_than_alone(parameters, name, currency)
            taken.setdefault(currency, name)


def _worse_than_alone(parameters: RiskParameters, name: str, currency: str) -> Iterator[Problem]:
    own, common = parameters.collateral[currency], parameters.categories[name]
    for key in ("collateral_factor", "liquidation_threshold"):
        if getattr(common, key) < getattr(own, key):
            yield Problem(
                ("parameters", "categories", name, key),
                f"`{key}` of a category must be at least that of its currencies, but got {getattr(common, key):g} and "
                f"{getattr(own, key):g} of {currency}; nobody would enter it",
            )


def _lent(parameters: RiskParameters, lending: Lending) -> Iterator[Problem]:
    for key in ("borrowable_in_isolation", "siloed"):
        for i, name in enumerate(getattr(lending, key)):
            if name not in parameters.borrowing:
                yield Problem(
                    ("protocol", "lending", key, i),
                    f"{quoted(name)} is not in [parameters.borrowing]; {did_you_mean(name, parameters.borrowing)}",
                )


NAMES = {"absorb-and-resale": "Comet", "bands": "crvUSD"}  # shapes that know one currency of debt, and no cash
UNREAD = ("collateral_factor", "liquidation_threshold", "liquidation_bonus", "liquidation_factor", "supply_cap", "debt_ceiling")


def _one_base(parameters: RiskParameters) -> Iterator[Problem]:
    loans = parameters.liquidation.loans
    if loans is None or loans.kind not in NAMES:
        return
    place, owner = ("parameters", "liquidation", "loans", "kind"), NAMES[loans.kind]
    if len(parameters.borrowing) != 1:
        yield Problem(
            place,
            f"{quoted(loans.kind)} needs one currency in [parameters.borrowing], the base, but there are "
            f"{len(parameters.borrowing)}; a scenario is one market of {owner}",
        )
    if parameters.perpetuals:
        yield Problem(place, f"{quoted(loans.kind)} allows no [parameters.perpetuals]; {owner} has no cash to settle them in")


def _bands_of_cohorts(draft: Draft, parameters: RiskParameters) -> Iterator[Problem]:
    loans = parameters.liquidation.loans
    for i, cohort in draft.cohorts.items():
        if not isinstance(cohort, Borrowers) or cohort.bands is None:
            continue
        place = ("cohorts", i, "bands")
        if not isinstance(loans, Bands):
            yield Problem(place, "must be absent where [parameters.liquidation.loans] is not of kind bands")
        elif cohort.bands > (most := SPAN * loans.amplification):
            yield Problem(
                place, f"{cohort.bands} bands are more than there are below the price; at most {SPAN} x amplification = {most}"
            )


def _unread_under_bands(parameters: RiskParameters) -> Iterator[Problem]:
    loans = parameters.liquidation.loans
    if loans is None or loans.kind != "bands":
        return
    for section in ("options", "categories"):
        if getattr(parameters, section):
            yield Problem(("parameters", section), "must be absent where loans lie in bands")
    for name, part in parameters.collateral.items():
        for key in UNREAD if name not in parameters.borrowing else ():
            if getattr(part, key) != type(part).model_fields[key].default:
                yield Problem(
                    ("parameters", "collateral", name, key),
                    "is not read where loans lie in bands; take it out, and set the discounts of [parameters.liquidation.loans]",
                )
