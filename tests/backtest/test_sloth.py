"""The published law: its fit, rotation and optima, against simulations and the published table."""

import dataclasses

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import expit

from skillscale.backtest import published
from skillscale.backtest.folds import setting_benchmarks
from skillscale.backtest.sloth import Evaluated, PublishedLaw, evaluated, fit_published
from skillscale.backtest.sloth_optima import (
    Bounds,
    best_allocation,
    mixed,
    ordered,
    rotations,
    whitened,
)
from skillscale.data.table import Table, load_table
from skillscale.errors import SkillscaleError
from skillscale.optima.deployment import Limit

ANCHORS = ("gsm8k", "hellaswag", "ifeval")


@pytest.fixture(scope="module")
def table() -> Table:
    return published.as_published(load_table("classic"))


@pytest.fixture(scope="module")
def data(table: Table) -> Evaluated:
    return evaluated(table, setting_benchmarks(table, "v1+v2"))


@pytest.fixture(scope="module")
def law(data: Evaluated) -> PublishedLaw:
    return fit_published(data)


def predictor(law: PublishedLaw, data: Evaluated) -> np.ndarray:
    skill = data.inputs() @ law.slope + law.efficiency[data.families()[1]]
    return skill @ law.loading.T + law.intercept


def simulated(data: Evaluated, n_skills: int, seed: int) -> tuple[PublishedLaw, Evaluated]:
    """A law in which benchmarks read one skill each, and scores that it gives, with a little noise.

    The law is read from the models of the data, so that it has their confounding of inputs.
    """
    rng = np.random.default_rng(seed)
    families, _ = data.families()
    n_benchmarks = len(data.benchmarks)
    loading = np.eye(n_skills)[np.arange(n_benchmarks) % n_skills] * rng.uniform(
        0.6, 1.2, (n_benchmarks, 1)
    )
    slope = np.array([[0.4, 0.5, 0.1], [0.2, 0.1, -0.05], [0.3, 0.6, 0.0]]).T[:, :n_skills]
    efficiency = 0.7 * rng.standard_normal((len(families), n_skills))
    intercept = rng.uniform(-1, 0.5, n_benchmarks)
    truth = PublishedLaw(slope, efficiency, loading, intercept, families, 0.0)
    mean = data.chance + (1 - data.chance) * expit(predictor(truth, data))
    score = mean + 0.001 * rng.standard_normal(mean.shape)
    return truth, data._replace(score=score)


def test_a_simulated_law_is_recovered(data: Evaluated) -> None:
    truth, scores = simulated(data, 2, seed=1)
    found = min((fit_published(scores, 2, seed=seed) for seed in (0, 1)), key=lambda fit: fit.loss)
    # What every benchmark's predictor owes to the inputs does not depend on the rotation.
    assert_allclose(found.slope @ found.loading.T, truth.slope @ truth.loading.T, atol=0.05)


def test_geomin_recovers_skills_that_benchmarks_read_one_at_a_time(data: Evaluated) -> None:
    truth, scores = simulated(data, 3, seed=2)
    white = whitened(truth, scores)
    names = scores.benchmarks[:3]
    found = ordered(rotations(white, scores)[0][0], scores, names)
    skill = scores.inputs() @ truth.slope + truth.efficiency[scores.families()[1]]
    # A rotation scales skills to unit variance, and may lean a little to even out small loadings.
    assert_allclose(found.loading, truth.loading * skill.std(axis=0, ddof=1), atol=0.05)
    assert_allclose(predictor(found, scores), predictor(truth, scores), atol=1e-9)


def test_mixing_skills_changes_no_score(law: PublishedLaw, data: Evaluated) -> None:
    matrix = np.random.default_rng(0).standard_normal((3, 3))
    assert_allclose(predictor(mixed(law, matrix), data), predictor(law, data), atol=1e-9)


def test_whitened_skills_are_uncorrelated_with_unit_variance(
    law: PublishedLaw, data: Evaluated
) -> None:
    white = whitened(law, data)
    skill = data.inputs() @ white.slope + white.efficiency[data.families()[1]]
    assert_allclose(np.cov(skill, rowvar=False), np.eye(3), atol=1e-8)


def test_rotated_skills_keep_unit_variance_and_geomin_improves(
    law: PublishedLaw, data: Evaluated
) -> None:
    found = rotations(law, data)
    criteria = [criterion for _, criterion in found]
    assert criteria == sorted(criteria)
    best = found[0][0]
    skill = data.inputs() @ best.slope + best.efficiency[data.families()[1]]
    assert_allclose(skill.std(axis=0, ddof=1), 1, atol=1e-8)


def test_the_published_table_is_reproduced(law: PublishedLaw, data: Evaluated) -> None:
    skills = ordered(rotations(law, data)[0][0], data, ANCHORS)
    column = {"reasoning": 0, "knowledge": 1, "instruction_following": 2}
    interior = 0
    for row in published.optima().itertuples():
        n_params, n_tokens, limit = best_allocation(skills.slope[:, column[row.skill]], row.flops)
        interior += limit is Limit.NONE
        # To the digits printed at a bound; the other two are a matter of convergence.
        rtol = 0.05 if limit is Limit.NONE else 0.035
        assert n_params == pytest.approx(row.n_params, rel=rtol)
        assert n_tokens == pytest.approx(row.n_tokens, rel=rtol)
    assert interior == 2


def test_a_fit_to_fewer_families_can_start_from_one_to_all(
    law: PublishedLaw, data: Evaluated
) -> None:
    fewer = data.without("bloom")
    assert "bloom" not in fewer.families()[0]
    found = fit_published(fewer, start=law)
    assert found.families == fewer.families()[0]
    assert found.loss < law.loss


@pytest.mark.parametrize("seed", range(20))
def test_the_best_allocation_is_that_of_a_grid(seed: int) -> None:
    rng = np.random.default_rng(seed)
    slope, flops = rng.normal(size=3) * (1, 1, 0.2), 10 ** rng.uniform(21, 24.8)
    bounds = Bounds()
    sizes = np.geomspace(bounds.least_params, bounds.most_params, 20_001)
    tokens = flops / 6 / sizes
    inside = (tokens >= bounds.least_tokens) & (tokens <= bounds.most_tokens)
    size, token = np.log(sizes[inside] / 1e9), np.log(tokens[inside] / 1e12)
    best = sizes[inside][np.argmax(np.stack([size, token, size * token], axis=1) @ slope)]
    n_params, n_tokens, _ = best_allocation(slope, flops)
    assert n_params == pytest.approx(best, rel=1e-3)
    assert 6 * n_params * n_tokens == pytest.approx(flops)


@pytest.mark.parametrize(
    ("slope", "flops", "limit"),
    [
        ((1, 0, 0), 1e21, Limit.UPPER),
        ((1, 0, 0), 1e24, Limit.SIZE),
        ((0, 1, 0), 1e21, Limit.LOWER),
        ((0, 1, 0), 1e24, Limit.TOKENS),
    ],
)
def test_the_bound_of_an_optimum_is_named(slope: tuple, flops: float, limit: Limit) -> None:
    assert best_allocation(np.array(slope, float), flops)[2] is limit


def test_published_optima_cost_their_budget() -> None:
    optima = published.optima()
    assert len(optima) == 18
    cost = 6 * optima["n_params"] * optima["n_tokens"]
    # Printed with two decimals.
    assert_allclose(cost, optima["flops"], rtol=0.04)


def test_impossible_questions_are_refused(table: Table, law: PublishedLaw, data: Evaluated) -> None:
    with pytest.raises(SkillscaleError, match="cost 1e\\+26 FLOP"):
        best_allocation(np.ones(3), 1e26)
    with pytest.raises(SkillscaleError, match="other families"):
        whitened(law, data.without("bloom"))
    with pytest.raises(SkillscaleError, match="no model"):
        evaluated(_without_tokens(table), ["mmlu"])


def _without_tokens(table: Table) -> Table:
    return dataclasses.replace(table, models=table.models.assign(n_tokens=np.nan))
