"""Finding the posterior: against closed forms, and the same draws from the same seed."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from functools import partial

import arviz_stats as azs
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose
from numpyro.handlers import block, seed
from numpyro.infer import MCMC
from numpyro.infer import NUTS as STOCK_NUTS

from skillscale import Hmc, Svi, fit
from skillscale.law.design import Observations
from skillscale.law.model import make_model
from skillscale.posterior.convergence import convergence
from skillscale.posterior.gaussian import fit_gaussian
from skillscale.posterior.hmc import BLOCK, FIRST_LOOK
from skillscale.posterior.potential import Potential
from skillscale.posterior.sparsity import Sparsity
from small import HMC, SVI, by_name

N, P = 30, 4
FEATURES = np.random.default_rng(0).normal(size=(N, P)) * [1.0, 0.1, 2.0, 1.0]
FEATURES[:, 3] = 0.9 * FEATURES[:, 0] + 0.2 * FEATURES[:, 3]  # a narrow ridge
NOISE = 0.5


def silent(done: int, total: int) -> None:
    pass


CALLS: list[int] = []
METHOD = Hmc(chains=4, warmup=100, draws=1000)
GAUSSIAN = Svi(draws=4000)


def regression() -> Potential:
    """Bayesian linear regression as a potential: the posterior is known in closed form."""

    def energy(flat, observations: Observations):
        CALLS.append(1)
        residual = (observations.score[0] - jnp.asarray(FEATURES, jnp.float32) @ flat) / NOISE
        fit = jnp.sum(jnp.where(observations.is_observed[0], residual**2, 0))
        return 0.5 * fit + 0.5 * jnp.sum(flat**2)

    none = Sparsity(np.full(P, Sparsity.SHARED))
    return Potential(jnp.zeros(P), energy, lambda flat, *_: {"weight": flat}, none)


REGRESSION = regression()


def observations(is_observed: np.ndarray) -> Observations:
    score = FEATURES @ [1.0, -1.0, 0.5, 0.0] + NOISE * np.random.default_rng(1).normal(size=N)
    empty = jnp.zeros(1)
    return Observations(
        score=jnp.asarray(score, jnp.float32)[None],
        is_observed=jnp.asarray(is_observed)[None],
        **{n: empty for n in Observations._fields if n not in ("score", "is_observed")},
    )


def closed_form(is_observed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    rows = FEATURES[is_observed]
    covariance = np.linalg.inv(rows.T @ rows / NOISE**2 + np.eye(P))
    score = np.asarray(observations(is_observed).score[0], float)[is_observed]
    return covariance @ rows.T @ score / NOISE**2, covariance


ALL = np.ones(N, dtype=bool)
HALF = np.arange(N) % 2 == 0


@pytest.mark.long
@pytest.mark.parametrize("is_observed", [ALL, HALF], ids=["all scores", "half of them"])
def test_hmc_finds_a_posterior_known_in_closed_form(is_observed):
    chains = METHOD.run(REGRESSION, observations(is_observed), jax.random.key(0), silent)
    mean, covariance = closed_form(is_observed)
    flat = chains.flat.astype(float)
    for p in range(P):
        mcse_mean = azs.mcse(flat[..., p], method="mean")
        # By the effective size of squares: ArviZ's error of a deviation is by that of the values,
        # which in chains that alternate about the mean is larger than the number of draws.
        squares = (flat[..., p] - flat[..., p].mean()) ** 2
        mcse_sd = azs.mcse(squares, method="mean") / (2 * flat[..., p].std())
        assert abs(flat[..., p].mean() - mean[p]) < 5 * mcse_mean
        assert abs(flat[..., p].std() - np.sqrt(covariance[p, p])) < 5 * mcse_sd
        assert azs.rhat(flat[..., p]) < 1.02
    correlation = np.corrcoef(flat.reshape(-1, P).T)
    sd = np.sqrt(np.diag(covariance))
    assert_allclose(correlation, covariance / np.outer(sd, sd), atol=0.07)
    assert not chains.stats["diverging"].any()


def test_the_gaussian_is_exact_where_the_posterior_is_gaussian():
    mean, covariance = closed_form(ALL)
    found = fit_gaussian(
        REGRESSION, observations(ALL), jax.random.key(0), gradient_steps=1500, newton_steps=10
    )
    sd = np.sqrt(np.diag(covariance))
    assert (np.abs(np.asarray(found.mean) - mean) < 0.05 * sd).all()
    precision = found.root.precision().corner
    assert_allclose(np.linalg.inv(precision), covariance, rtol=0.02, atol=1e-4)


def test_svi_draws_have_the_moments_of_a_gaussian_posterior():
    mean, covariance = closed_form(ALL)
    chains = GAUSSIAN.run(REGRESSION, observations(ALL), jax.random.key(2), silent)
    draws = chains.flat[0].astype(float)
    sd = np.sqrt(np.diag(covariance))
    assert (np.abs(draws.mean(axis=0) - mean) < 5 * sd / np.sqrt(4000) + 0.05 * sd).all()
    assert_allclose(draws.std(axis=0), sd, rtol=0.06)
    assert chains.stats == {}


@pytest.mark.parametrize("method", [METHOD, GAUSSIAN], ids=["hmc", "svi"])
def test_the_density_is_traced_once_for_all_masks_of_one_shape(method):
    first = method.run(REGRESSION, observations(ALL), jax.random.key(0), silent)
    traced = len(CALLS)
    assert traced > 0
    second = method.run(REGRESSION, observations(HALF), jax.random.key(0), silent)
    assert len(CALLS) == traced, "another mask traced the log density again"
    assert not np.array_equal(first.flat, second.flat)


def test_all_blocks_of_steps_share_one_compiled_program():
    n_traces = []
    for method in (Hmc(chains=4, stages=1, warmup=BLOCK, draws=BLOCK), METHOD):
        before = len(CALLS)
        method.run(regression(), observations(ALL), jax.random.key(0), silent)
        n_traces.append(len(CALLS) - before)
    assert n_traces[0] == n_traces[1], "a later block traced the log density again"


def test_compiled_programs_go_with_their_posterior():
    potential = regression()
    METHOD.run(potential, observations(ALL), jax.random.key(0), silent)
    energy = weakref.ref(potential.energy)
    del potential
    gc.collect()
    assert energy() is None


def test_progress_is_told_from_the_first_step_to_the_last():
    told: list[tuple[int, int]] = []
    METHOD.run(REGRESSION, observations(ALL), jax.random.key(0), lambda *n: told.append(n))
    done, totals = zip(*told, strict=True)
    assert done[0] == 0
    assert done[-1] == totals[-1] == METHOD.stages * METHOD.warmup + METHOD.draws
    assert list(done) == sorted(done)


def test_chains_stop_when_every_parameter_has_enough_effective_draws():
    all_draws = METHOD.run(REGRESSION, observations(ALL), jax.random.key(0), silent).flat
    for ess, expected in ((1, FIRST_LOOK), (10**9, METHOD.draws)):
        method = dataclasses.replace(METHOD, ess=ess)
        told: list[int] = []
        report = partial(lambda told, *n: told.append(n[1] - n[0]), told)
        found = method.run(REGRESSION, observations(ALL), jax.random.key(0), report)
        assert np.array_equal(found.flat, all_draws[:, :expected])
        assert all(len(values[0]) == expected for values in found.stats.values())
        assert told[-1] == 0, "progress ends at its end"
    sizes = [convergence(np.moveaxis(all_draws[:, :n], 2, 0)).ess_bulk.min() for n in (625, 750)]
    some = dataclasses.replace(METHOD, ess=int(np.mean(sizes)))
    found = some.run(REGRESSION, observations(ALL), jax.random.key(0), silent)
    assert sizes[0] < sizes[1]
    assert found.flat.shape[1] == 750


def test_chains_share_one_step_size_once_adapted():
    chains = METHOD.run(REGRESSION, observations(ALL), jax.random.key(0), silent)
    assert len(np.unique(chains.stats["step_size"])) == 1
    assert 0.6 < chains.stats["acceptance_rate"].mean() < 0.99


@pytest.mark.parametrize("draws", [25, 30])
def test_the_shape_of_the_draws_is_that_of_the_options(draws):
    method = Hmc(chains=4, warmup=100, draws=draws)
    chains = method.run(REGRESSION, observations(ALL), jax.random.key(0), silent)
    assert chains.flat.shape == (4, draws, P)
    assert all(values.shape == (4, draws) for values in chains.stats.values())


@pytest.mark.parametrize(
    ("before", "method"),
    [
        pytest.param("approximate", SVI, marks=pytest.mark.long),
        pytest.param("sampled", HMC, marks=pytest.mark.slow),
    ],
)
def test_the_same_seed_gives_the_same_draws_bit_for_bit(request, table, spec, before, method):
    first, again = request.getfixturevalue(before), fit(table, spec, method=method, seed=3)
    assert again.tree.posterior.to_dataset().equals(first.tree.posterior.to_dataset())
    assert again.provenance == first.provenance | {"date": again.provenance["date"]}


@pytest.mark.slow
def test_other_seeds_give_other_draws_of_the_same_posterior(approximate, table, spec):
    first = by_name(approximate)["slope"]
    others = [by_name(fit(table, spec, method=SVI, seed=seed))["slope"] for seed in range(4, 10)]
    assert not any(np.array_equal(first, other) for other in others)
    # Each mean has the noise of the few points behind its last steps.
    means = np.stack([draws.mean(axis=0) for draws in (first, *others)])
    assert (means.std(axis=0, ddof=1) < 0.4 * first.std(axis=0)).all()


def test_svi_and_hmc_agree_on_means_and_spreads(sampled, approximate):
    exact, near = (np.asarray(f.expected_scores(), float) for f in (sampled, approximate))
    sd = exact.std(axis=0)
    # The last Newton-like step leaves noise: 0.11 to 0.16 standard deviations were seen.
    assert np.median(np.abs(exact.mean(0) - near.mean(0)) / sd) < 0.3
    # Expected scores at chance are skewed, which no Gaussian is.
    assert np.quantile(np.abs(exact.mean(0) - near.mean(0)) / sd, 0.95) < 1.0
    assert 0.8 < np.median(near.std(0) / sd) < 1.15
    slopes, near_slopes = (by_name(f)["slope"] for f in (sampled, approximate))
    # Of few families slopes are hardly known: 0.8 to 1.2 were seen.
    assert (np.abs(slopes.mean(0) - near_slopes.mean(0)) < 1.5 * slopes.std(0)).all()


def test_a_fit_names_every_draw(sampled, table, spec):
    posterior = sampled.tree.posterior
    assert posterior["model_skill"].dims == ("chain", "draw", "model", "skill")
    assert list(posterior["family"].to_numpy()) == sorted(table.models["family"].unique())
    assert list(posterior["unpublished"].to_numpy()) == list(
        table.models.index[table.models["n_tokens"].isna()]
    )
    assert posterior.sizes["chain"] == HMC.chains
    assert posterior.sizes["draw"] == HMC.draws
    assert sampled.provenance["method"] == "hmc"
    assert sampled.provenance["seed"] == 3
    assert sampled.provenance["data_hash"] == table.hash


def test_thinned_draws_are_some_of_all_draws(sampled):
    whole, thinned = by_name(sampled), by_name(sampled, 100)
    assert len(thinned["slope"]) == 100
    rows = {row.tobytes() for row in whole["slope"]}
    assert all(row.tobytes() in rows for row in thinned["slope"])
    joined = sampled.tree.posterior["slope"].to_numpy().reshape(-1, 3, 2)
    np.testing.assert_array_equal(whole["slope"], joined)


@pytest.mark.slow
def test_hmc_agrees_with_a_long_run_of_stock_numpyro(sampled, design, spec):
    sampled_sites = block(seed(make_model(design, spec), jax.random.key(1)), hide=["efficiency"])
    stock = MCMC(
        STOCK_NUTS(sampled_sites, target_accept_prob=0.9, max_tree_depth=8),
        num_warmup=1000,
        num_samples=2000,
        num_chains=2,
        chain_method="vectorized",
        progress_bar=False,
    )
    stock.run(jax.random.key(0), design.observations)
    oracle = stock.get_samples(group_by_chain=True)
    posterior = sampled.tree.posterior
    for site, name in (("slope", "slope"), ("skill", "model_skill")):
        theirs = np.asarray(oracle[site], float).reshape(2, 2000, -1)
        ours = posterior[name].to_numpy().astype(float).reshape(HMC.chains, HMC.draws, -1)
        difference = theirs.mean((0, 1)) - ours.mean((0, 1))
        error = np.array(
            [
                np.hypot(azs.mcse(theirs[..., i]), azs.mcse(ours[..., i]))
                for i in range(theirs.shape[-1])
            ]
        )
        assert (np.abs(difference) < 5 * error).all(), (site, np.abs(difference / error).max())
