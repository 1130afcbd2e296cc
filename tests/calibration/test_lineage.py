"""Looks at one question are counted, wherever they are taken."""

import pytest

from simulator.calibration.lineage import FILE, Lineage, LookTaken


def lineage(folder, scenario="s", name="q", version="1"):
    return Lineage(folder, name, scenario, version)


def test_every_new_scenario_of_a_lineage_takes_the_next_look(tmp_path):
    for number, scenario in enumerate("abc", start=1):
        one = lineage(tmp_path, scenario)
        assert one.next_look() == number
        one.spend(number)
    assert lineage(tmp_path, "d", name="another question").next_look() == 1


def test_repeating_a_recorded_look_is_no_new_look(tmp_path):
    lineage(tmp_path, "a").spend(1)
    lineage(tmp_path, "b").spend(2)
    assert lineage(tmp_path, "a").next_look() == 1
    lineage(tmp_path, "a").spend(1)
    assert len((tmp_path / FILE).read_bytes().splitlines()) == 2
    assert lineage(tmp_path, "a", version="2").next_look() == 3


def test_a_look_that_another_scenario_spent_cannot_be_spent_again(tmp_path):
    lineage(tmp_path, "a").spend(1)
    with pytest.raises(LookTaken, match="look 1"):
        lineage(tmp_path, "b").spend(1)


def test_a_damaged_count_errs_to_the_safe_side(tmp_path):
    for number, scenario in enumerate("ab", start=1):
        lineage(tmp_path, scenario).spend(number)
    content = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(content[:20] + b"?" + content[21:-5])
    assert lineage(tmp_path, "c").next_look() == 3
    lineage(tmp_path, "c").spend(3)
    assert lineage(tmp_path, "d").next_look() == 4
