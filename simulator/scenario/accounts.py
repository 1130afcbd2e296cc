"""How many accounts a scenario has: those of its distributions and those of its files of accounts."""

from __future__ import annotations

from simulator.agents import Borrowers, PerpTraders
from simulator.agents.accounts_file import AccountsFileError, read_accounts
from simulator.scenario.draft import Draft
from simulator.scenario.files import reachable
from simulator.scenario.problems import Problem

COLUMNS = {PerpTraders: ("wealth", "leverage", "side"), Borrowers: ("wealth", "use")}


def count_accounts(draft: Draft) -> tuple[int, list[Problem]]:
    """Accounts of all cohorts that could be read, and what is wrong with their files."""
    total, problems = 0, []
    for i, cohort in draft.cohorts.items():
        file = getattr(cohort, "file", None)
        if file is None:
            total += getattr(cohort, "accounts", 0)
            continue
        try:
            total += len(read_accounts(reachable(draft.folder, file), COLUMNS[type(cohort)]))
        except AccountsFileError as error:
            problems += [Problem(("cohorts", i, "file"), f"{file}: {line}") for line in error.problems]
        except ValueError as problem:
            problems.append(Problem(("cohorts", i, "file"), str(problem)))
    return total, problems
