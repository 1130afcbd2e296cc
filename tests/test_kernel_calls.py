"""A rule that compiled code calls is laid into its caller; one that Python calls is compiled by itself, to the same numbers."""

import numba
import numpy as np
import pytest

from simulator.kernel import kernel, rule, small_rule

pytestmark = pytest.mark.skipif(bool(numba.config.DISABLE_JIT), reason="kernels run as plain Python")


@small_rule
def doubled(x):
    return 2 * x


@rule
def shifted(x, by):
    return doubled(x) + by


@rule
def never_called(x):
    return shifted(x, x)


@kernel
def total(values, by):
    found = by - by
    for value in values:
        found += shifted(value, by)
    return found


def test_callees_have_no_machine_code_until_python_calls_them():
    assert total(np.array([1.0, 2.5]), 0.5) == 8.0
    assert [len(one.overloads) for one in (shifted, doubled)] == [0, 0]
    assert shifted(2.5, 0.5) == 5.5
    assert [len(one.overloads) for one in (shifted, doubled, never_called)] == [1, 0, 0]


def test_each_type_has_its_own_callee():
    assert total(np.array([1, 2]), 3) == 12
    assert total(np.array([1.25], np.float32), np.float32(0.25)) == 2.75


def test_what_cannot_be_compiled_is_said_where_the_callee_fails():
    @kernel
    def wrong(x):
        return shifted(x, "text")

    with pytest.raises(numba.core.errors.TypingError, match="shifted"):
        wrong(1.0)
