"""What training and serving cost, against the closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from skillscale import Deployment
from skillscale.errors import SpecError
from skillscale.optima.deployment import GRID, Limit


@pytest.mark.parametrize("served", [0.0, 1e12, 1e14])
def test_tokens_are_what_a_budget_leaves_after_serving(served):
    deployment, size, budget = Deployment(serve_tokens=served), 1e9, 1e24
    tokens = deployment.tokens(size, budget)
    assert tokens == pytest.approx((budget / size - 2 * served) / 6)
    assert deployment.flops(size, tokens) == pytest.approx(budget)
    assert deployment.params(tokens, budget) == pytest.approx(size)


def test_all_of_a_path_spends_the_budget_within_the_search():
    path = Deployment(serve_tokens=1e13).path(1e24)
    np.testing.assert_allclose(path.n_params * (6 * path.n_tokens + 2e13), 1e24)
    assert len(path.n_params) == GRID
    assert path.n_tokens.min() == pytest.approx(1e10)
    assert [path.limit[0], path.limit[-1]] == [Limit.LOWER, Limit.UPPER]
    assert set(path.limit[1:-1]) == {Limit.NONE}


def test_capped_tokens_are_used_up_at_one_size_and_all_smaller_ones():
    cap = 1e12
    path = Deployment(max_tokens=cap).path(1e24)
    assert len(path.n_params) == GRID
    (kink,) = np.flatnonzero(path.limit == Limit.TOKENS)
    assert path.n_params[kink] == pytest.approx(1e24 / 6 / cap)
    np.testing.assert_allclose(path.n_tokens[: kink + 1], cap)
    assert (path.n_tokens[kink + 1 :] < cap).all()
    assert path.n_params[0] == pytest.approx(1e8)


def test_a_cap_that_does_not_bind_changes_nothing_but_the_smallest_size():
    path = Deployment(max_tokens=1e15).path(1e22)
    assert not np.isin(path.limit, [Limit.TOKENS, Limit.BOTH]).any()
    np.testing.assert_allclose(6 * path.n_params * path.n_tokens, 1e22)


@pytest.mark.parametrize(
    ("caps", "end"),
    [
        ({"max_params": 1e10}, Limit.SIZE),
        ({"max_params": 1e10, "max_tokens": 1e12}, Limit.BOTH),
        ({"max_tokens": 1e11}, Limit.UPPER),
    ],
)
def test_the_end_of_a_path_is_a_cap_or_an_edge(caps, end):
    assert Deployment(**caps).path(1e24).limit[-1] is end


def test_of_listed_sizes_those_that_leave_too_few_tokens_are_out():
    path = Deployment(sizes=(7e10, 7e9, 1e13)).path(1e24)
    assert list(path.n_params) == [7e9, 7e10]
    assert set(path.limit) == {Limit.NONE}
    capped = Deployment(sizes=(7e9, 7e10), max_tokens=5e12).path(1e24)
    assert list(capped.limit) == [Limit.TOKENS, Limit.NONE]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"serve_tokens": -1.0}, "serve_tokens can't be negative, found -1"),
        ({"max_tokens": 0.0}, "max_tokens must be positive, found 0"),
        ({"max_params": float("nan")}, "max_params must be positive, found nan"),
        ({"sizes": (7e9, -1.0)}, "sizes must be positive, found -1"),
        ({"max_params": 1e7}, "nothing lies between the least, 1e.08, and the most, 1e.07"),
        ({"max_tokens": 1e9}, "nothing lies between the least, 1e.10, and the most, 1e.09"),
        ({"total_per_active": 0.5}, "one or more, found 0.5"),
        ({"sizes": (7e10,), "max_params": 1e10}, "no size allowed is at most max_params, 1e.10"),
    ],
)
def test_what_can_not_be_is_refused(wrong, words):
    with pytest.raises(SpecError, match=words):
        Deployment(**wrong)


def test_a_budget_that_serving_uses_up_is_refused():
    with pytest.raises(SpecError, match=r"at 1e\+18 FLOP no size between 1e\+08 and 1e\+12 leaves"):
        Deployment(serve_tokens=1e13).path(1e18)
