"""Scores that fall as models improve: losses, perplexities and error rates taken for scores."""

from __future__ import annotations

import numpy as np
import pandas as pd

FEWEST = 8
"""Models that it takes to tell."""
FALLS = -0.5
"""Rank correlation with size, and with other benchmarks, below which a score falls."""
SURE = 0.01
"""Probability of such a correlation by chance."""


def falling(scores: pd.DataFrame, n_params: pd.Series) -> dict[str, float]:
    """Find benchmarks whose scores fall as models grow, and as their other scores rise.

    Args:
        scores: fractions, of shape (model, benchmark), NaN where not evaluated.
        n_params: active parameters, by model.

    Returns:
        Rank correlation with size of every benchmark that falls.

    Example:
        >>> import numpy as np
        >>> size = pd.Series(np.geomspace(1e8, 1e11, 10))
        >>> rising = np.log10(size) / 12
        >>> falling(pd.DataFrame({"accuracy": rising, "error": 1 - rising}), size)
        {'error': -1.0}
    """
    ranks = scores.rank()
    size = np.log(n_params.reindex(scores.index))
    by_size = {name: _correlation(scores[name], size) for name in scores}
    found = {}
    for name, (correlation, p_value) in by_size.items():
        if not (correlation < FALLS and p_value < SURE):
            continue
        others = [other for other, (own, _) in by_size.items() if other != name and own > 0]
        if others and not _correlation(scores[name], ranks[others].mean(axis=1))[0] < FALLS:
            continue
        found[str(name)] = round(float(correlation), 2)
    return found


def told(name: str, correlation: float) -> str:
    """What is wrong with a benchmark that falls, and what to do about it."""
    return (
        f"{name} falls as models grow (rank correlation {correlation:g} with their size), as "
        "losses and error rates do. Scores must rise: write 1 minus an error rate, and leave "
        "perplexities and bits per byte out."
    )


def _correlation(one: pd.Series, other: pd.Series) -> tuple[float, float]:
    both = pd.DataFrame({"one": one, "other": other}).dropna()
    if len(both) < FEWEST or both.nunique().min() < 2:
        return float("nan"), 1.0
    from scipy import stats  # half a second

    result = stats.spearmanr(both["one"], both["other"])
    return float(result.statistic), float(result.pvalue)
