"""What the draws of an optimum say together."""

from __future__ import annotations

import numpy as np
import pytest

from skillscale.optima.deployment import Limit
from skillscale.optima.identification import Choice, Identification, describe_choice

PRIOR = np.geomspace(1e8, 1e12, 1000)


def described(sizes: np.ndarray, limits: dict[Limit, float] | None = None, interval: float = 0.8):
    """A choice of these sizes, of which shares are at limits."""
    limit = np.full(len(sizes), Limit.NONE, dtype=object)
    begin = 0
    for name, share in (limits or {}).items():
        end = begin + round(share * len(sizes))
        limit[begin:end] = name
        begin = end
    prior = Choice(PRIOR, 1e22 / PRIOR, np.full(len(PRIOR), Limit.NONE, dtype=object))
    return describe_choice(Choice(sizes, 1e22 / sizes, limit), prior, interval)


def spread(factor: float) -> np.ndarray:
    """Sizes whose 80 % interval ends this factor from 1e10 on either side."""
    return 1e10 * factor ** np.linspace(-1.25, 1.25, 1001)


@pytest.mark.parametrize(
    ("sizes", "limits", "verdict"),
    [
        (spread(3), {}, Identification.IDENTIFIED),
        (spread(3), {Limit.LOWER: 0.09}, Identification.IDENTIFIED),
        (spread(5), {}, Identification.WEAK),
        (spread(3), {Limit.UPPER: 0.3}, Identification.WEAK),
        (spread(3), {Limit.HARM: 0.3}, Identification.WEAK),
        (spread(90), {Limit.UPPER: 0.3}, Identification.NOT),
        (spread(3), {Limit.UPPER: 0.6}, Identification.NOT),
        (spread(3), {Limit.UNREACHED: 0.6}, Identification.NOT),
        (spread(3), {Limit.TOKENS: 0.6}, Identification.IDENTIFIED),
    ],
)
def test_every_verdict_has_its_reason(sizes, limits, verdict):
    found = described(sizes, limits)
    assert found["verdict"] == verdict.value
    is_shown = sum(limits.get(edge, 0) for edge in Limit if edge is not Limit.TOKENS) <= 0.1
    assert np.isfinite(found["n_params"]) == is_shown


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, ""),
        ({Limit.UPPER: 0.4}, ""),
        ({Limit.UPPER: 0.6, Limit.LOWER: 0.3}, "probably larger than searched"),
        ({Limit.LOWER: 0.95}, "smaller than searched"),
        ({Limit.TOKENS: 0.55}, "probably limited by tokens"),
        ({Limit.HARM: 0.99}, "where more compute does harm"),
    ],
)
def test_a_limit_is_named_where_most_draws_are_at_it(limits, words):
    assert described(spread(3), limits)["limit"] == words


def test_medians_are_over_draws_with_an_optimum_and_intervals_over_all():
    sizes = np.append(np.full(5, 1e12), np.full(95, 1e10))
    found = described(sizes, {Limit.UPPER: 0.05}, interval=0.98)
    assert found["n_params"] == 1e10
    assert found["n_params_upper"] == 1e12
    assert found["n_tokens_lower"] == 1e10
    assert found["tokens_per_param"] == pytest.approx(100)


def test_narrowing_compares_logs_with_the_prior():
    assert described(PRIOR)["narrowing"] == pytest.approx(0)
    assert described(PRIOR**0.5)["narrowing"] == pytest.approx(0.5, abs=1e-3)
    assert described(np.full(100, 1e10))["narrowing"] == 1


def test_without_any_draw_there_is_no_size():
    found = described(np.full(10, np.nan), {Limit.UNREACHED: 1})
    assert np.isnan([found["n_params_lower"], found["n_tokens_upper"], found["narrowing"]]).all()
    assert found["limit"] == "out of reach"
