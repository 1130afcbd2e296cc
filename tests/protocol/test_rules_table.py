"""docs/rules.md says what the tests do, and no case of the folder of real data is left aside by accident."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent.parent))
from benchmarks import rules_table


def committed() -> list[list[str]]:
    lines = rules_table.DOCUMENT.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.endswith(".py |")]


def test_every_declared_rule_stands_in_the_table():
    declared = [[*row, test] for test, row in rules_table.rules()]
    assert [[*row[:4], row[5]] for row in committed()] == declared


@pytest.mark.shared_data
def test_the_table_promises_no_more_cases_than_there_are(shared_data):
    for row, now in zip(committed(), rules_table.rows(), strict=True):
        assert int(row[4] or 0) <= int(now[4] or 0), row


@pytest.mark.shared_data
def test_every_list_of_cases_is_named_by_some_test(shared_data):
    assert rules_table.unconsumed() == []
    assert all((shared_data / "vectors" / name).is_file() for name in rules_table.NOT_USED if "." in name)
