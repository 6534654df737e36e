"""Exploratory skills: one prior for all directions, sampled in one rotation of many."""

from dataclasses import replace

import arviz_stats as azs
import jax
import numpy as np
import pytest
import xarray as xr
from numpyro.infer import Predictive
from scipy import stats

from skillscale import Fit, Spec, Svi, fit, load_table
from skillscale.checks.fit import diagnostics
from skillscale.errors import SpecError
from skillscale.law.design import make_design
from skillscale.law.model import make_model
from skillscale.law.priors import describe_priors, squared_units
from skillscale.law.slope_evidence import SlopeEvidence
from skillscale.optima.objectives import make_objectives
from skillscale.posterior.add_benchmark import add_benchmark
from skillscale.posterior.one_family import production, with_prior_slopes
from skillscale.posterior.storage import rounded
from skillscale.skills.reading import read_skills

BENCHMARKS = ["mmlu", "gsm8k", "bbh"]
SAME = 1e-3
"""Least p-value at which two samples pass for one distribution."""


@pytest.fixture(scope="module")
def exploratory(spec: Spec) -> Spec:
    return spec.explore(2, BENCHMARKS)


@pytest.fixture(scope="module")
def prior(table, exploratory) -> dict[str, np.ndarray]:
    """Draws from the prior, in the sampler's units."""
    design = make_design(table, exploratory)
    names = ["squared_unit", "free_loading", "slope", "effect", "lineage_scale", "loading"]
    predictive = Predictive(make_model(design, exploratory), num_samples=2000, return_sites=names)
    hidden = design.observations._replace(
        is_observed=np.zeros_like(design.observations.is_observed)
    )
    draws = predictive(jax.random.key(0), hidden)
    return {name: np.asarray(values, float) for name, values in draws.items()}


def same(a: np.ndarray, b: np.ndarray) -> bool:
    return stats.ks_2samp(a, b).pvalue > SAME


def test_the_triangle_is_a_rotation_of_independent_normals(exploratory):
    rng = np.random.default_rng(0)
    sd = exploratory.priors.exploratory_loading_sd
    spec = Spec().explore(4, list("abcde"))
    rows = rng.normal(0, sd, (4000, 4, 4))
    # A matrix is a lower triangle times a rotation: the transpose of QR.
    triangle = np.linalg.qr(rows.swapaxes(1, 2))[1].swapaxes(1, 2)
    squares = np.asarray(squared_units(spec).sample(jax.random.key(1), (4000,)))
    for k in range(1, 4):
        assert same(triangle[:, k, k] ** 2, squares[:, k - 1]), k
        assert same(np.abs(triangle[:, k, 0]), np.abs(rng.normal(0, sd, 4000))), k


def test_in_units_of_one_no_skill_differs_from_another(prior, exploratory):
    unit = np.column_stack([np.ones(2000), np.sqrt(prior["squared_unit"][:, 0] + 0.1**2)])
    slope = prior["slope"] / unit[:, None]
    loading = prior["loading"] * unit[:, None]
    assert same(slope[:, 0, 0], slope[:, 0, 1])
    assert same(prior["effect"][:, 1, 0], (prior["effect"] / unit[:, None])[:, 1, 1])
    assert same(loading[:, 2, 0], loading[:, 2, 1])
    # Units scale what is drawn, they don't inform it.
    for scaled in (slope[:, 1, 1], loading[:, 2, 1]):
        assert stats.spearmanr(np.abs(scaled), unit[:, 1]).pvalue > SAME
    assert stats.spearmanr(np.abs(prior["slope"][:, 1, 1]), unit[:, 1]).pvalue < SAME
    # Anchors: the first reads one skill, the second both.
    assert (prior["loading"][:, 0] == [1, 0]).all()
    assert np.allclose(loading[:, 1, 1] ** 2, prior["squared_unit"][:, 0], rtol=1e-4)
    assert (prior["loading"][:, 1, 0] < 0).mean() == pytest.approx(0.5, abs=0.05)


@pytest.fixture(scope="module")
def explored(table, exploratory) -> Fit:
    return fit(table, exploratory, method=Svi(draws=400), seed=3)


@pytest.mark.slow
def test_scales_are_one_number_in_every_skills_unit(explored, exploratory):
    posterior = explored.tree.posterior
    for site in ("lineage_scale", "family_scale", "model_scale"):
        in_ones = (posterior[site] / posterior["unit"]).to_numpy()
        assert np.allclose(in_ones[..., 0], in_ones[..., 1], rtol=1e-5), site
    assert explored.spec == exploratory


@pytest.mark.slow
def test_an_exploratory_fit_survives_its_file_and_answers(explored, tmp_path):
    explored.save(tmp_path / "fit.nc")
    again = Fit.load(tmp_path / "fit.nc")
    assert again.spec == explored.spec
    kept = xr.DataTree.from_dict({"posterior": rounded(explored.tree["posterior"].to_dataset())})
    as_kept = replace(explored, tree=kept)
    assert np.array_equal(again.expected_scores(), as_kept.expected_scores())
    slope = with_prior_slopes(production(again), again).slope
    unit = again.tree.posterior["unit"].to_numpy().reshape(-1, 2)
    in_ones = slope / unit[:, None]
    assert in_ones[:, 0].std(axis=0) == pytest.approx(np.full(2, np.hypot(0.6, 0.6)), rel=0.15)


@pytest.mark.slow
def test_scores_are_expected_as_named_skills_expect_them(explored, approximate):
    by_named = np.asarray(approximate.expected_scores()).mean(axis=0)
    by_exploratory = np.asarray(explored.expected_scores()).mean(axis=0)
    observed = np.asarray(explored.design.observations.is_observed)
    assert np.abs(by_named - by_exploratory)[observed].mean() < 0.01


@pytest.mark.slow
def test_no_exploratory_skill_can_be_maximised(explored):
    with pytest.raises(SpecError, match="name benchmarks"):
        make_objectives(explored)
    assert [o.name for o in make_objectives(explored, benchmarks=["bbh"])] == ["bbh"]


def test_priors_are_described(table, exploratory):
    described = describe_priors(make_design(table, exploratory), exploratory).set_index("site")
    assert described.loc["slope[log_params]", "median"] == pytest.approx(0, abs=0.05)
    assert described.loc["lineage_scale", "size"] == 1
    assert "squared_unit" in described.index


@pytest.mark.parametrize("n", [0, 4])
def test_skills_need_a_benchmark_each(spec, n):
    with pytest.raises(SpecError, match=f"between 1 and that of benchmarks, 3; found {n}"):
        spec.explore(n, BENCHMARKS)


def test_evidence_is_of_named_skills():
    known = SlopeEvidence("skill_1", 1.0, 0.5, 1.0, 0.3)
    with pytest.raises(SpecError, match="no names that evidence could be about"):
        Spec(("skill_1",), ("mmlu",), evidence=(known,), exploratory=True)
    with pytest.raises(SpecError, match="true or false, found 'yes'"):
        Spec.from_dict({"exploratory": "yes"})


def test_skills_are_checked_as_they_are_read(sampled):
    turned = replace(sampled, spec=replace(sampled.spec, exploratory=True))
    table = diagnostics(turned)
    assert "skill_" in table.loc["model_skill", "worst"]
    rotated = read_skills(turned).draws["loading"]
    assert table.loc["loading", "rhat"] == pytest.approx(float(azs.rhat(rotated).max()))


@pytest.mark.slow
def test_a_new_benchmark_may_read_exploratory_skills_with_a_minus(explored, approximate, table):
    humaneval = load_table("classic").wide()["humaneval"].reindex(table.models.index).dropna()
    scores = humaneval.reset_index()
    found = [add_benchmark(f, scores, n_items=164, seed=1) for f in (explored, approximate)]
    loading = [f.tree.posterior["loading"].sel(benchmark="humaneval") for f in found]
    assert float((loading[0] < 0).mean()) > 0.05
    assert float(loading[1].min()) > 0
    # Two ways to read the same scores.
    row = found[0].design.coords["benchmark"].index("humaneval")
    by_exploratory, by_named = (np.asarray(f.expected_scores())[:, row].mean(axis=0) for f in found)
    assert np.abs(by_exploratory - by_named).mean() < 0.03
