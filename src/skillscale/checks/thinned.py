"""Fits of fewer draws, which know what all draws said of convergence."""

from __future__ import annotations

from dataclasses import replace

from skillscale.checks.fit import diagnostics
from skillscale.posterior.result import Fit

KEPT = 880
"""Draws of all chains together in a file: a seventh of those of the default fit, about as many as
are effective of the slowest parameters. A fit of the shipped table takes less than 6 MB."""
KEPT_OF_OTHERS = 220
"""The same of every other form of a stack, which only optima are asked of."""


def thinned(fit: Fit, n: int | None = None, *, is_other_form: bool = False) -> Fit:
    """Keep some draws of every chain, evenly spaced.

    Args:
        fit: a fitted law.
        n: draws to keep per chain; by default so many that there are `KEPT` of all chains.
        is_other_form: whether only optima will be asked of it: then `KEPT_OF_OTHERS`.

    Returns:
        A smaller fit of the same data, or the same if it has no more draws. `diagnostics` tells of
        it what all draws have shown: fewer of them look less mixed by chance alone.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> thinned(sk.fit(table, spec, method=sk.Svi(draws=2000)))
        Fit(23 models of 4 families, 2 benchmarks, 2 skills, 880 draws by svi)
    """
    chains = fit.tree["posterior"].sizes["chain"]
    kept = KEPT_OF_OTHERS if is_other_form else KEPT
    fewer = fit.thin(max(kept // chains, 4) if n is None else n)
    if fewer is fit or chains < 2:
        return fewer
    found = diagnostics(fit).to_dict("index")
    return replace(fewer, provenance={**fewer.provenance, "diagnostics": found})
