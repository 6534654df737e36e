"""What the priors alone predict: scores drawn before any has been seen."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array
from numpyro.handlers import seed as seeded
from numpyro.handlers import trace

from skillscale.checks.verdict import Verdict
from skillscale.data.table import Table, load_table
from skillscale.law.design import Observations, make_design
from skillscale.law.model import make_model
from skillscale.law.spec import Spec

QUANTILES = (0.05, 0.5, 0.95)
EXTREME = 0.005
"""A score is ruled out where a smaller share of the prior's draws is as high, or as low."""
EDGE = 0.02
"""How near to chance or to the ceiling counts as piled up there, as a share of the range."""
PILED = 0.5


def prior_predictive(
    table: Table | None = None,
    spec: Spec | None = None,
    *,
    draws: int = 1000,
    seed: int = 0,
) -> xr.Dataset:
    """Draw scores from the prior: of every model on every benchmark, before seeing any.

    What they look like tells what a prior means (Gabry et al. 2019, arXiv:1709.01449).

    Args:
        table: models and benchmarks; all that ships by default. Its scores are not used.
        spec: skills, benchmarks and priors; the declared configuration by default. Its evidence of
            controlled runs is data, and not used.
        draws: independent draws of everything the model does not know.
        seed: the only source of randomness.

    Returns:
        Dataset with dims ``draw, benchmark, model``: ``expected_score``, the simulated ``score``
        around it (fractions), and the ``position`` of the expected score between chance (0) and
        the benchmark's ceiling in that draw (1).

    Raises:
        SpecError: the specification does not fit the table.
        UnknownNameError: a benchmark of the specification is not in the table.

    Example:
        >>> table = load_table("classic").select(benchmarks=["mmlu", "gsm8k"])
        >>> spec = Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> drawn = prior_predictive(table, spec, draws=100)
        >>> dict(drawn.sizes)
        {'draw': 100, 'benchmark': 2, 'model': 160}
        >>> bool((drawn["expected_score"].sel(benchmark="mmlu") >= 0.25).all())
        True
    """
    table = load_table() if table is None else table
    spec = Spec() if spec is None else spec
    design = make_design(table, spec)
    model = make_model(design, spec)

    @jax.jit
    def draw_likelihoods(keys: Array, observations: Observations) -> tuple[Array, ...]:
        def one(key: Array) -> tuple[Array, ...]:
            sites = trace(seeded(model, key)).get_trace(observations)
            scores = sites["score"]["fn"]
            expected = scores.expected
            gap = sites["ceiling_gap"]["value"] * (1 - observations.chance)
            scale = jnp.sqrt(expected.own + expected.affinity**2)
            return expected.mean, scale, scores.tail, gap

        return jax.lax.map(one, keys)  # half the time of vmap to compile

    keys = jax.random.split(jax.random.key(seed), draws)
    mean, scale, tail, gap = map(np.asarray, draw_likelihoods(keys, design.observations))
    # NumPy's Student-t takes a tenth of the time of JAX's on a CPU.
    noise = np.random.default_rng(seed).standard_t(tail.reshape(-1, 1, 1), size=mean.shape)
    chance = np.asarray(design.observations.chance)
    room = (1 - chance - gap)[..., None]
    dims = ("draw", "benchmark", "model")
    return xr.Dataset(
        {
            "expected_score": (dims, mean),
            "score": (dims, np.clip(mean + scale * noise, 0, 1)),
            "position": (dims, (mean - chance[:, None]) / room),
        },
        coords={name: design.coords[name] for name in ("benchmark", "model")},
    )


def check_prior(
    table: Table | None = None,
    spec: Spec | None = None,
    *,
    draws: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Check that the prior rules out no score that was seen, and piles up at neither end.

    Args:
        table: models, benchmarks and scores; all that ships by default.
        spec: skills, benchmarks and priors; the declared configuration by default.
        draws: draws of the prior.
        seed: the only source of randomness.

    Returns:
        One row per benchmark. Expected scores that the prior gives the smallest, the middle and
        the largest of the models with a score, as quantiles ``smallest_5, smallest_50, ...,
        largest_95``; ``observed_lowest, observed_highest`` and ``n_scores``; ``n_ruled_out``, of
        the scores seen, those that fewer than one in 200 of the prior's draws for that model
        reach; ``at_floor`` and ``at_ceiling``, the share of expected scores in the lowest and the
        highest 2 % of the benchmark's range; a ``verdict`` (PASS, REVIEW or FAIL) and its
        ``reason``.

    Raises:
        SpecError: the specification does not fit the table.
        UnknownNameError: a benchmark of the specification is not in the table.

    Example:
        >>> table = load_table("classic").select(benchmarks=["mmlu", "gsm8k"])
        >>> spec = Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> check_prior(table, spec, draws=500)[["n_scores", "n_ruled_out", "verdict"]]
                   n_scores  n_ruled_out verdict
        benchmark
        mmlu            160            0    PASS
        gsm8k           160            0    PASS
    """
    table = load_table() if table is None else table
    spec = Spec() if spec is None else spec
    drawn = prior_predictive(table, spec, draws=draws, seed=seed)
    wide = table.wide()
    rows = {
        name: _check_benchmark(drawn.sel(benchmark=name), table.models, wide[name].dropna())
        for name in drawn["benchmark"].to_numpy()
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("benchmark")


def _check_benchmark(drawn: xr.Dataset, models: pd.DataFrame, seen: pd.Series) -> dict[str, object]:
    by_size = models.loc[seen.index, "n_active_params"].sort_values(kind="stable").index
    chosen = {
        "smallest": by_size[0],
        "middle": by_size[len(by_size) // 2],
        "largest": by_size[-1],
    }
    expected = drawn["expected_score"].sel(model=list(seen.index))
    row: dict[str, object] = {
        f"{label}_{100 * q:.0f}": float(np.quantile(expected.sel(model=model), q))
        for label, model in chosen.items()
        for q in QUANTILES
    }
    simulated = drawn["score"].sel(model=list(seen.index)).to_numpy()
    as_low = (simulated <= seen.to_numpy()).mean(axis=0)
    as_high = (simulated >= seen.to_numpy()).mean(axis=0)
    n_ruled_out = int((np.minimum(as_low, as_high) < EXTREME).sum())
    position = drawn["position"].sel(model=list(seen.index))
    at_floor = float((position < EDGE).mean())
    at_ceiling = float((position > 1 - EDGE).mean())
    verdict, reason = _grade(n_ruled_out / len(seen), at_floor, at_ceiling)
    return row | {
        "observed_lowest": seen.min(),
        "observed_highest": seen.max(),
        "n_scores": len(seen),
        "n_ruled_out": n_ruled_out,
        "at_floor": at_floor,
        "at_ceiling": at_ceiling,
        "verdict": verdict.value,
        "reason": reason,
    }


def _grade(ruled_out: float, at_floor: float, at_ceiling: float) -> tuple[Verdict, str]:
    """Grade a benchmark: a few outliers or some piling up want a look, many or much do not do."""
    if max(at_floor, at_ceiling) > PILED:
        where = "chance" if at_floor > at_ceiling else "the ceiling"
        return Verdict.FAIL, f"most expected scores are at {where}: check intercept and slope"
    if ruled_out > 2 * EXTREME:
        return Verdict.FAIL, "the prior rules out scores that were seen: widen it"
    if ruled_out > 0:
        return Verdict.REVIEW, "a few scores seen are at the edge of the prior"
    return Verdict.PASS, "covers every score seen"
