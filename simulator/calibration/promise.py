"""What parameters promise that a unit of collateral may carry: *available* capital efficiency (DESIGN 3.9).

A perpetual promises 1 / initial margin of the positions that its traders want, together, at the open interest of those there at
load: upper tiers and bounds of open interest count as far as the book reaches them. A collateral promises its borrowing power, as
far as what is deposited has room: the share of deposits within the supply cap, no more debt than its ceiling in isolation, and of
every debt no more than the borrow cap. Without a book (and where nobody trades or borrows) a small position in an empty market.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from simulator.calibration.world import Votable
from simulator.protocol.margin_ratio.requirement import requirements

if TYPE_CHECKING:
    from simulator.scenario.book import Book

SAME_FOR_ALL = ("flat", "volatility-scaled")  # rules that ask the same of every position


def available_change(candidate: Votable, current: Votable, book: Book | None = None) -> float:
    """The mean relative change [log] of what one unit of collateral may carry, over all perpetuals and collaterals."""
    changes = [
        math.log(promised_ratio(name, now, book) / promised_ratio(name, candidate.perpetuals[name], book))
        for name, now in current.perpetuals.items()
    ]
    changes += changes_of_collateral(candidate, current, book)
    return math.fsum(changes) / len(changes) if changes else 0.0


def promised_ratio(market: str, part: Any, book: Book | None) -> float:
    """The initial requirement of all wanted positions over their worth; of a small one where nobody wants any."""
    if book is None or market not in book.positions or part.kind in SAME_FOR_ALL:
        return part.least_initial_ratio
    worths, price = book.positions[market], book.prices[market]
    needed, _ = requirements(part, worths / price, price, book.open_interest[market])
    return float(needed.sum() / worths.sum())


def changes_of_collateral(candidate: Votable, current: Votable, book: Book | None) -> list[float]:
    """The relative change [log] of what every collateral carries, where it carries anything."""
    before, after = carried(current, book), carried(candidate, book)
    return [math.log(after[name] / before[name]) for name in before if before[name] > 0 and after[name] > 0]


def carried(vote: Votable, book: Book | None) -> dict[str, float]:
    """[1] debt that a dollar of every currency deposited may carry, within caps and ceilings."""
    room = {name: vote.borrowing_power(name) * _admitted(vote, name, book) for name in vote.collateral}
    if book is None:
        return room
    lent = {name: _lent(vote, name, room, book) for name in vote.borrowing}
    for name in room:
        own = [loans for loans in book.loans if loans.collateral == name and loans.deposited > 0]
        total = math.fsum(loans.deposited for loans in own)
        if total > 0:
            parts = (loans.deposited * math.fsum(lent[debt] for debt in loans.debts) / len(loans.debts) for loans in own)
            room[name] *= math.fsum(parts) / total
    return room


def _admitted(vote: Votable, name: str, book: Book | None) -> float:
    """The share of deposits that the supply cap admits and the debt ceiling lets carry debt."""
    part = vote.collateral[name]
    if book is None or not (there := book.deposits.get(name, 0.0)):
        return 1.0
    share = min(1.0, part.supply_cap * book.prices[name] / there)
    borrowed = vote.borrowing_power(name) * share * math.fsum(x.deposited for x in book.loans if x.collateral == name)
    if 0 < part.debt_ceiling < borrowed:
        share *= part.debt_ceiling / borrowed
    return share


def _lent(vote: Votable, name: str, room: dict[str, float], book: Book) -> float:
    """The share of what borrowers could owe of a currency that its borrow cap allows."""
    wanted = math.fsum(room[x.collateral] * x.deposited / len(x.debts) for x in book.loans if name in x.debts)
    return min(1.0, vote.borrowing[name].borrow_cap * book.prices[name] / wanted) if wanted > 0 else 1.0
