"""Truth that was put in comes out: at the rates the intervals promise."""

from __future__ import annotations

import dataclasses

import jax
import numpy as np
import pytest
from scipy import stats

from simulated_scores import invented, leaderboard, simulate
from skillscale import Hmc, Spec, fit
from skillscale.law.design import Design, make_design
from skillscale.law.spec import NormalPrior
from skillscale.posterior.potential import Potential, make_potential
from small import by_name

SITES = (
    "slope",
    "effect",
    "innovation",
    "loading",
    "efficiency",
    "skill",
    "intercept",
    "model_scale",
)
METHOD = Hmc(chains=4, draws=250)
LEVEL = 0.8
SURPRISING = 4.0


def covered(truth: np.ndarray, draws: np.ndarray) -> np.ndarray:
    """Which true values lie inside the central interval of their draws."""
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], axis=0)
    return (np.asarray(truth) > low) & (np.asarray(truth) < high)


@pytest.fixture(scope="module")
def world() -> tuple[Spec, Design, Potential]:
    """Eighteen models of six families."""
    spec = Spec(("knowledge", "reasoning"), ("know", "reason"))
    table = invented(6, seed=0).select(benchmarks=["know", "reason", "both"])
    design = make_design(table, spec)
    return spec, design, make_potential(design, spec)


def replicates(world, n: int, key: int, truth: Spec | None = None):
    """Ranks, per replicate, of truths drawn from a prior among draws of their posterior.

    The prior is that of the model, or of another specification. All replicates share one compiled
    program: they differ in their scores only.
    """
    spec, design, potential = world
    truths = simulate(design, truth or spec, jax.random.split(jax.random.key(key), n))
    constrain = jax.jit(jax.vmap(potential.constrain, in_axes=(0, None, 0)))
    for i in range(n):
        observations = design.observations._replace(score=truths["score"][i])
        chains = METHOD.run(potential, observations, jax.random.key(1000 + i), lambda *_: None)
        flat = chains.flat.reshape(-1, chains.flat.shape[-1])
        keys = jax.random.split(jax.random.key(2000 + i), len(flat))
        draws = {k: np.asarray(v) for k, v in constrain(flat, observations, keys).items()}
        ranks = {}
        for name in SITES:
            spread = draws[name].std(axis=0) > 0  # anchors are constants
            ranks[name] = (draws[name] < np.asarray(truths[name][i])).mean(axis=0)[spread].ravel()
        yield ranks


def surprise(ranks: list[dict[str, np.ndarray]]) -> float:
    """Largest distance, in standard errors, of posterior ranks of a site from uniform ones.

    Ranks of truths drawn from the prior are uniform, whatever the data: their mean is one half and
    the interval holds its level.
    """
    tail = (1 - LEVEL) / 2
    n = len(ranks)
    found = []
    for name in SITES:
        # Entries of a replicate share its data: a replicate is one observation, with an error at
        # least that of independent entries.
        n_entries = len(ranks[0][name])
        inside = np.array([((r[name] > tail) & (r[name] < 1 - tail)).mean() for r in ranks])
        centre = np.array([r[name].mean() for r in ranks])
        for values, mean, sd in (
            (inside, LEVEL, (LEVEL - LEVEL**2) ** 0.5),
            (centre, 0.5, 12**-0.5),
        ):
            error = max(values.std(ddof=1), sd / np.sqrt(n_entries)) / np.sqrt(n)
            found.append(abs(values.mean() - mean) / error)
    return max(found)


@pytest.mark.slow
def test_intervals_of_truths_from_the_prior_cover_them(world):
    assert surprise(list(replicates(world, 8, 0))) < SURPRISING


@pytest.mark.slow
def test_a_model_that_believes_in_slow_growth_fails_the_same_test(world):
    spec, _, _ = world
    fast = dataclasses.replace(spec.priors, slope=NormalPrior(mean=2.1, sd=0.3))
    truth = dataclasses.replace(spec, priors=fast)
    assert surprise(list(replicates(world, 8, 0, truth))) > SURPRISING


@pytest.mark.slow
def test_ranks_of_truths_from_the_prior_are_uniform(world):
    ranks = list(replicates(world, 100, 1))
    assert surprise(ranks) < SURPRISING
    for k in range(len(ranks[0]["slope"])):
        assert stats.kstest([r["slope"][k] for r in ranks], "uniform").pvalue > 1e-3, k


@pytest.mark.slow
def test_fixed_truths_are_recovered_from_forty_families():
    spec = Spec(("knowledge", "reasoning"), ("know", "reason"))
    table = invented(40, seed=0)
    scored, truth = leaderboard(table, spec, jax.random.key(3))
    found = fit(scored, spec, method=Hmc(draws=1000), seed=1)
    draws = by_name(found)
    draws["expected_score"] = np.asarray(found.expected_scores())
    # Interval ends of entries that share data move together, so bounds are wide of binomial's.
    for name, least in (("efficiency", 0.65), ("skill", 0.65), ("expected_score", 0.65)):
        rate = covered(truth[name], draws[name]).mean()
        assert least < rate < 0.93, (name, rate)
    laws = [covered(truth[name], draws[name]).ravel() for name in ("slope", "effect", "intercept")]
    laws.append(covered(truth["loading"][2:], draws["loading"][:, 2:]).ravel())
    n_covered, n = int(np.concatenate(laws).sum()), len(np.concatenate(laws))
    assert n_covered >= stats.binom.ppf(0.001, n, LEVEL), (n_covered, n)
    error = np.abs(draws["slope"].mean(axis=0) - truth["slope"])
    assert (error < 4 * draws["slope"].std(axis=0)).all()
    assert (draws["slope"].std(axis=0)[:2] < 0.2).all(), "forty families should tell the slopes"
