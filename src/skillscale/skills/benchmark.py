"""How one benchmark of a fit reads the skills."""

from __future__ import annotations

import jax
import numpy as np

from skillscale.errors import known_names
from skillscale.posterior.result import Fit


def benchmark_rows(fit: Fit, name: str) -> list[dict[str, str | float]]:
    """How a benchmark of a fit reads the skills, one row per parameter.

    Args:
        fit: the fit.
        name: one of its benchmarks.

    Returns:
        Rows of ``benchmark, n_models`` (with a score), ``parameter, median, lower_80, upper_80``.
        Parameters are the loading of every skill, ``intercept``, ``asymmetry``, and ``noise``: the
        root mean square, over these models, of the scatter of scores about what the skills say, a
        fraction.

    Raises:
        UnknownNameError: no benchmark of this name.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> [row["parameter"] for row in benchmark_rows(fit, "gsm8k")]
        ['loading[knowledge]', 'loading[reasoning]', 'intercept', 'asymmetry', 'noise']
    """
    benchmarks = fit.design.coords["benchmark"]
    known_names("benchmark", name, benchmarks)
    row = benchmarks.index(name)
    benchmark = jax.tree.map(lambda values: np.asarray(values)[:, row], fit.draws().law.benchmarks)
    is_shown = np.asarray(fit.design.observations.is_observed)[row]
    scale = np.asarray(fit.likelihood()[1])[:, row, is_shown]
    quantities = {
        **{f"loading[{k}]": benchmark.loading[:, i] for i, k in enumerate(fit.spec.skills)},
        "intercept": benchmark.intercept,
        "asymmetry": benchmark.asymmetry,
        "noise": np.sqrt((scale**2).mean(axis=1)),
    }
    rows: list[dict[str, str | float]] = []
    for parameter, values in quantities.items():
        lower, median, upper = (float(q) for q in np.quantile(values, [0.1, 0.5, 0.9]))
        rows.append(
            {
                "benchmark": name,
                "n_models": int(is_shown.sum()),
                "parameter": parameter,
                "median": median,
                "lower_80": lower,
                "upper_80": upper,
            }
        )
    return rows
