"""Scores drawn from the model."""

from __future__ import annotations

import jax
import numpy as np
import pandas as pd
from jaxtyping import Array
from numpyro.handlers import seed as seeded
from numpyro.handlers import substitute, trace

from skillscale import Spec, Table
from skillscale.law.design import make_design
from skillscale.law.model import make_model

LAW = {
    "slope": np.array([[0.45, 0.6], [0.35, 0.4], [0.03, -0.02]], np.float32),
    "effect": np.array([[0.1, 0.3], [0.1, 0.25], [0.1, -0.2]], np.float32),
    "free_loading": np.array([0.5, 0.3, 0.2, 0.9], np.float32),
    "intercept": np.array([0.3, -0.4, 0.2, -1.5], np.float32),
    "asymmetry": np.array([0.6, 0.4, 0.3, 1.2], np.float32),
    "trend_scale": np.array([0.2, 0.3], np.float32),
    "tuning_trend_scale": np.array([0.1, 0.2], np.float32),
    "lineage_scale": np.array([0.4, 0.5], np.float32),
    "branch_scale": np.array([0.2, 0.1], np.float32),
    "family_scale": np.array([0.2, 0.3], np.float32),
    "slope_scale": np.array([0.1, 0.05], np.float32),
    "model_scale": np.array([0.15, 0.2], np.float32),
    "overdispersion": np.full(4, 0.02, np.float32),
    "discrepancy_spread": np.full(4, 0.1, np.float32),
    "affinity_overdispersion": np.full(4, 0.01, np.float32),
    "affinity_spread": np.full(4, 0.1, np.float32),
    "tail": np.float32(10.0),
}
"""A law of two skills and the benchmarks of `invented`; its slopes are those of the translog."""


def simulate(design, spec, key, **known):
    """Scores and true parameters drawn from the model, some of them held at known values."""
    model = substitute(make_model(design, spec), data=known)

    def draw(key, observations):
        sites = trace(seeded(model, key)).get_trace(observations)
        score = sites["score"]["fn"]
        values = {name: site["value"] for name, site in sites.items() if site["type"] != "plate"}
        return values | {
            "score": score.sample(jax.random.fold_in(key, 1)),
            "expected_score": score.expected.mean,
        }

    return jax.jit(jax.vmap(draw, in_axes=(0, None)))(key, design.observations)


def invented(n_families: int, seed: int) -> Table:
    """A table of invented families, each with three sizes, some fine-tuned; scores to be drawn."""
    rng = np.random.default_rng(seed)
    rows = []
    for f in range(n_families):
        is_tuned = f % 4 == 3
        lineage = f"l{f - 1 if is_tuned else f}"
        tokens = 10 ** rng.uniform(11.3, 13.0)
        year, month = rng.integers(2021, 2025), rng.integers(1, 13)
        rows += [
            {
                "model": f"f{f:02d}-{i}",
                "family": f"f{f:02d}",
                "lineage": lineage,
                "tuning": "instruct" if is_tuned else "base",
                "n_params": size,
                "n_active_params": size,
                "n_tokens": tokens,
                "release": f"{year}-{month:02d}",
                "release_year": year + (month - 0.5) / 12,
            }
            for i, size in enumerate(10 ** np.sort(rng.uniform(8.5, 11.0, size=3)))
        ]
    models = pd.DataFrame(rows).set_index("model")
    benchmarks = pd.DataFrame(
        {
            "benchmark": ["know", "reason", "both", "hard"],
            "title": ["k", "r", "b", "h"],
            "leaderboard": "v1",
            "n_items": [5000, 1300, 1000, 2000],
            "chance": [0.25, 0.0, 0.25, 0.0],
            "metric": "accuracy",
        }
    ).set_index("benchmark")
    scores = pd.DataFrame(
        [(m, b, 0.5) for m in models.index for b in benchmarks.index],
        columns=["model", "benchmark", "score"],
    )
    kept = rng.random(len(scores)) > 0.15
    return Table(models, scores[kept].reset_index(drop=True), benchmarks)


def leaderboard(
    table: Table, spec: Spec, key: Array, **known: np.ndarray
) -> tuple[Table, dict[str, np.ndarray]]:
    """The table with scores drawn from `LAW`, or from what is known otherwise; and the truth."""
    design = make_design(table, spec)
    truths = simulate(design, spec, jax.random.split(key, 1), **(LAW | known))
    truth = {name: np.asarray(values[0]) for name, values in truths.items()}
    grid = pd.DataFrame(
        truth["score"].T, index=design.coords["model"], columns=design.coords["benchmark"]
    )
    scores = table.scores.assign(
        score=[grid.loc[r.model, r.benchmark] for r in table.scores.itertuples()]
    )
    return Table(table.models, scores, table.benchmarks), truth
