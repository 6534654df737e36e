"""The whole model, against a log density written by hand from the specification's numbers."""

from __future__ import annotations

import dataclasses
from collections import defaultdict

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpyro.handlers import block, seed, trace
from numpyro.infer.util import log_density
from scipy import stats

import twin
from skillscale import Fit, Spec, Table, fit, forecast
from skillscale.checks.fit import diagnostics
from skillscale.law.design import Observations, make_design
from skillscale.law.model import make_model, split_covariates
from small import AroundThePrior


class Compiled:
    """A model's prior and density, compiled: operation by operation they take a minute."""

    def __init__(self, table: Table, spec: Spec):
        self.design = make_design(table, spec)
        model = make_model(self.design, spec)
        sampled = block(seed(model, jax.random.key(0)), hide=["efficiency"])

        @jax.jit
        def draw(key, observations):
            sites = trace(seed(model, key)).get_trace(observations)
            return {
                name: site["value"]
                for name, site in sites.items()
                if site["type"] == "sample" and not site["is_observed"] and name != "efficiency"
            }

        self._draw = draw
        self._density = jax.jit(lambda o, at: log_density(sampled, (o,), {}, at)[0])

    def prior_point(self, key: int) -> dict[str, np.ndarray]:
        """Values of all sampled sites, drawn from the prior, as doubles."""
        drawn = self._draw(jax.random.key(key), self.design.observations)
        return {name: np.asarray(value, dtype=np.float64) for name, value in drawn.items()}

    def density(self, at: dict[str, np.ndarray], observations: Observations | None = None) -> float:
        single = {name: jnp.asarray(value, jnp.float32) for name, value in at.items()}
        return float(self._density(observations or self.design.observations, single))


@pytest.fixture(scope="module")
def compiled(table, spec) -> Compiled:
    return Compiled(table, spec)


def normal(value, prior):
    return stats.norm.logpdf(value, prior.mean, prior.sd).sum()


def lognormal(value, prior):
    return stats.lognorm.logpdf(value, prior.sigma, scale=prior.median).sum()


def trend(year: float, steps: np.ndarray, spec: Spec) -> np.ndarray:
    """Sum of the steps of all half years before a date, the last one in part."""
    total, begin = np.zeros(steps.shape[1]), spec.trend_from
    for step in steps:
        total = total + step * min(max((year - begin) / 0.5, 0), 1)
        begin += 0.5
    return total


def by_hand(table: Table, spec: Spec, at: dict[str, np.ndarray]) -> tuple[float, dict]:
    """Log density of a point, family by family, and every score's residual, scale and affinity."""
    p = spec.priors
    models, benchmarks = table.models, table.benchmarks
    families = sorted(models["family"].unique())
    n_skill = len(spec.skills)
    total = lognormal(at.get("free_loading", np.ones(0)), p.loading)
    total += normal(at["intercept"], p.intercept)
    total += lognormal(at["asymmetry"], p.asymmetry)
    gap = at["ceiling_gap"]
    total += normal(np.log(gap / (1 - gap)), p.ceiling_gap_logit) - np.log(gap * (1 - gap)).sum()
    total += normal(at["slope"][:2], p.slope) + normal(at["slope"][2], p.interaction)
    for row, name in enumerate(("instruct", "date", "instruct_date")):
        total += normal(at["effect"][row], getattr(p, name))
    for name in ("innovation", "tuning_innovation"):
        total += stats.norm.logpdf(at[name]).sum()
    for name in (
        "trend_scale",
        "tuning_trend_scale",
        "lineage_scale",
        "branch_scale",
        "family_scale",
        "slope_scale",
        "model_scale",
        "overdispersion",
        "discrepancy_spread",
        "affinity_overdispersion",
        "affinity_spread",
        "tail",
    ):
        total += lognormal(at[name], getattr(p, name))

    # Tokens that are not published.
    log_tokens = np.log(models["n_tokens"] / spec.reference_tokens)
    of_family = log_tokens.groupby(models["family"]).mean()
    for position, name in enumerate(models.index[models["n_tokens"].isna()]):
        family, year = models.loc[name, ["family", "release_year"]]
        if np.isnan(of_family[family]):
            mean, sd = p.tokens_growth * (year - spec.reference_year), p.tokens_sd
        else:
            mean, sd = of_family[family], p.tokens_sd_within_family
        value = at["unpublished_log_tokens"][position]
        total += stats.norm.logpdf(value, mean, sd)
        log_tokens[name] = value

    # What the date and tuning of families and models add.
    tuned = (models["tuning"] == "instruct").to_numpy(float)
    years = (models["release_year"] - spec.reference_year).to_numpy()
    own_mean = np.column_stack([tuned, years, tuned * years]) @ at["effect"]
    for weight, walk in ((np.ones_like(tuned), ""), (tuned, "tuning_")):
        steps = at[f"{walk}trend_scale"] * at[f"{walk}innovation"]
        for i, year in enumerate(models["release_year"]):
            wandered = trend(year, steps, spec) - trend(spec.reference_year, steps, spec)
            own_mean[i] += weight[i] * wandered
    member = np.array([[f == g for g in families] for f in models["family"]])

    # Skills of models: effects of families and lineages, and families' own slopes, are shared.
    lineage, tuning = models["lineage"].to_numpy(), models["tuning"].to_numpy()
    same_lineage = lineage[:, None] == lineage
    n = np.log(models["n_active_params"].to_numpy() / spec.reference_params)
    d = log_tokens.to_numpy()
    f = member.argmax(axis=1)
    for k in range(n_skill):
        a, b, c = at["slope"][:, k]
        mean = own_mean[:, k] + a * n + b * d + c * n * d
        own_slope = at["slope_scale"][k] ** 2 * np.outer(n, n)
        covariance = at["lineage_scale"][k] ** 2 * same_lineage
        same_branch = same_lineage & (tuning[:, None] == tuning)
        covariance = covariance + at["branch_scale"][k] ** 2 * same_branch
        covariance = covariance + (own_slope + at["family_scale"][k] ** 2) * (f[:, None] == f)
        covariance = covariance + at["model_scale"][k] ** 2 * np.eye(len(n))
        total += stats.multivariate_normal(mean, covariance).logpdf(at["skill"][:, k])

    # Scores, family by family: jointly Student-t, for they share an affinity.
    loading = np.zeros((len(benchmarks), n_skill))
    free = iter(at.get("free_loading", ()))
    for j, name in enumerate(benchmarks.index):
        if name in spec.anchors:
            loading[j, spec.anchors.index(name)] = 1
        else:
            loading[j] = [next(free) for _ in range(n_skill)]
    cells = defaultdict(list)
    for row in table.scores.itertuples():
        i, j = models.index.get_loc(row.model), benchmarks.index.get_loc(row.benchmark)
        chance, n_items = benchmarks["chance"].iloc[j], benchmarks["n_items"].iloc[j]
        ceiling = 1 - gap[j] * (1 - chance)
        predictor = loading[j] @ at["skill"][i] + at["intercept"][j]
        share, steepness = twin.link(predictor, at["asymmetry"][j])
        mu = chance + (ceiling - chance) * share
        slope = (ceiling - chance) * steepness
        variance = mu * (1 - mu) / n_items + 1 / (12 * n_items**2)
        variance += at["overdispersion"][j] ** 2 * (mu * (1 - mu) + 0.01)
        variance += (at["discrepancy_spread"][j] * slope) ** 2
        affinity = at["affinity_overdispersion"][j] ** 2 * (mu * (1 - mu) + 0.01)
        affinity = np.sqrt(affinity + (at["affinity_spread"][j] * slope) ** 2)
        cells[models["family"].iloc[i], row.benchmark].append((row.score - mu, variance, affinity))
    return total + sum(joint(of_family, at["tail"]) for of_family in cells.values()), cells


def joint(cells: list[tuple[float, float, float]], tail: float) -> float:
    """Log density of the scores of one family on one benchmark."""
    residual, variance, affinity = map(np.array, zip(*cells, strict=True))
    shape = np.diag(variance) + np.outer(affinity, affinity)
    return float(stats.multivariate_t(None, shape, tail).logpdf(residual))


def assert_density_is_by_hand(compiled, table, spec, key):
    at = compiled.prior_point(key)
    expected, _ = by_hand(table, spec, at)
    assert compiled.density(at) == pytest.approx(expected, rel=1e-4, abs=0.05)
    return at


@pytest.mark.long
@pytest.mark.parametrize("key", range(4))
def test_log_density_equals_the_one_written_by_hand(compiled, table, spec, key):
    at = assert_density_is_by_hand(compiled, table, spec, key)
    assert at["unpublished_log_tokens"].size == table.models["n_tokens"].isna().sum() > 0


@pytest.mark.long
def test_priors_of_another_specification_reach_the_density(table):
    priors = Spec().priors
    moved = {
        field.name: dataclasses.replace(value, sigma=0.3)
        if hasattr(value := getattr(priors, field.name), "sigma")
        else dataclasses.replace(value, mean=0.2, sd=0.33)
        for field in dataclasses.fields(priors)
        if not isinstance(getattr(priors, field.name), float)
    }
    numbers = dataclasses.replace(
        priors, **moved, tokens_growth=0.3, tokens_sd=0.4, tokens_sd_within_family=0.1
    )
    spec = Spec(("s", "t"), ("bbh", "mmlu"), (), 3e9, 5e11, 2022.0, 2021.0, 2023.5, numbers)
    assert_density_is_by_hand(Compiled(table, spec), table, spec, 0)


def test_a_missing_score_leaves_the_density_of_the_others(compiled, table, spec, design):
    at = compiled.prior_point(7)
    row = table.scores.iloc[5]
    cell = (
        design.coords["benchmark"].index(row["benchmark"]),
        design.coords["model"].index(row["model"]),
    )
    hidden = design.observations._replace(
        is_observed=design.observations.is_observed.at[cell].set(False)
    )
    whole, less = compiled.density(at), compiled.density(at, hidden)
    rest = dataclasses.replace(table, scores=table.scores.drop(index=5))
    assert row["model"] in set(rest.scores["model"]), "its skill must stay"
    difference = by_hand(table, spec, at)[0] - by_hand(rest, spec, at)[0]
    assert whole - less == pytest.approx(difference, rel=1e-3, abs=2e-3)
    other = hidden._replace(score=hidden.score.at[cell].set(0.999))
    assert compiled.density(at, other) == less


def test_a_masked_family_leaves_finite_gradients(potential, design):
    member = np.asarray(design.observations.in_family.group) == 0
    observations = design.observations._replace(
        is_observed=design.observations.is_observed & ~member[None, :]
    )
    gradient = jax.jit(jax.grad(potential.energy))(potential.start, observations)
    assert np.isfinite(np.asarray(gradient)).all()


def test_constrained_draws_satisfy_what_the_model_declares(potential, design):
    flat = potential.start + 0.5 * jax.random.normal(jax.random.key(0), potential.start.shape)
    sites = jax.jit(potential.constrain)(flat, design.observations, jax.random.key(1))
    assert_allclose(np.asarray(sites["loading"])[:2], np.eye(2))
    assert (np.asarray(sites["loading"][2]) > 0).all()
    assert 0 < float(sites["ceiling_gap"].min()) <= float(sites["ceiling_gap"].max()) < 1
    for name in ("asymmetry", "overdispersion", "family_scale", "lineage_scale", "tail"):
        assert float(sites[name].min()) > 0, name


def test_covariates_split_into_the_family_and_the_rest(design):
    of_family, own = split_covariates(design.observations)
    rebuilt = design.observations.in_family @ of_family + own
    assert_allclose(rebuilt, design.observations.covariates, atol=1e-5)
    assert_allclose(design.observations.in_family.T @ own, np.zeros_like(of_family), atol=1e-4)


@pytest.fixture(scope="module")
def plain_fit(table) -> Fit:
    """All token counts published, all benchmarks anchors: two sites have no entry."""
    published = table.models.index[table.models["n_tokens"].notna()]
    plain = table.select(benchmarks=["mmlu", "gsm8k"], models=published)
    spec = Spec(("knowledge", "reasoning"), ("mmlu", "gsm8k"))
    return fit(plain, spec, method=AroundThePrior())


@pytest.mark.long
def test_a_table_of_anchors_with_all_tokens_published_has_no_empty_site(plain_fit):
    assert not {"unpublished_log_tokens", "free_loading"} & set(plain_fit.tree.posterior.data_vars)
    compiled = Compiled(plain_fit.table, plain_fit.spec)
    assert_density_is_by_hand(compiled, plain_fit.table, plain_fit.spec, 1)
    assert plain_fit.expected_scores().shape == (100, 2, len(plain_fit.table.models))


def test_a_fit_of_such_a_table_is_saved_and_forecasts(plain_fit, tmp_path):
    plain_fit.save(tmp_path / "plain.nc")
    loaded = Fit.load(tmp_path / "plain.nc")
    plan = plain_fit.table.models.iloc[:1].assign(model="x", family="llama", n_params=30e9)
    first, second = (forecast(f, plan, n_draws=50)["mean"] for f in (plain_fit, loaded))
    np.testing.assert_allclose(first, second, atol=1e-5)  # a file leaves digits out


def test_such_a_fit_is_diagnosed_though_its_loadings_are_constants(plain_fit):
    table = diagnostics(plain_fit)
    assert np.isfinite(table.loc[["slope", "efficiency"], "rhat"].to_numpy(dtype=float)).all()
