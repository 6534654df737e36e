r"""Joint draws of losses that were measured on the same runs.

A run that happens to be bad is bad in many losses at once, so the errors of their optima agree, and
a ratio of two optima is known better than either. Losses are fitted one by one; afterwards the
draws of each are put in an order that gives them the rank correlation of their residuals (Iman and
Conover 1982), which is that of the errors where losses share runs and nearly share a shape.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

SHRINKAGE = 10
"""Runs that independence counts for."""


def residual_correlation(
    residuals: Float[np.ndarray, "loss run"],
) -> Float[np.ndarray, "loss loss"]:
    """Rank correlation of residuals, shrunk towards independence.

    Args:
        residuals: of every run, NaN where a loss was not measured.

    Returns:
        A correlation matrix that has a Cholesky root.
    """
    frame = pd.DataFrame(residuals.T)
    is_measured = frame.notna().astype(float)
    n_both = is_measured.T @ is_measured
    share = n_both / (n_both + SHRINKAGE)
    raw = (frame.corr(method="spearman", min_periods=3).fillna(0.0) * share).to_numpy(copy=True)
    np.fill_diagonal(raw, 1.0)
    values, vectors = np.linalg.eigh(raw)
    valid = (vectors * np.maximum(values, 1e-6)) @ vectors.T
    scale = 1 / np.sqrt(np.diag(valid))
    return np.asarray(scale[:, None] * valid * scale)


def coupled_order(
    summaries: Float[np.ndarray, "loss draw"],
    correlation: Float[np.ndarray, "loss loss"],
    rng: np.random.Generator,
) -> Int[np.ndarray, "loss draw"]:
    """Orders of the draws of every loss after which their summaries correlate so.

    Iman and Conover 1982.

    Args:
        summaries: one number of every draw.
        correlation: of the summaries, as wanted.
        rng: source of randomness.

    Returns:
        Positions of draws, a permutation per loss.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> draws = rng.standard_normal((2, 1000))
        >>> order = coupled_order(draws, np.array([[1.0, 0.9], [0.9, 1.0]]), rng)
        >>> joint = np.take_along_axis(draws, order, axis=1)
        >>> bool(np.corrcoef(joint)[0, 1] > 0.85)
        True
    """
    normal = np.linalg.cholesky(correlation) @ rng.standard_normal(summaries.shape)
    rank = normal.argsort(axis=1).argsort(axis=1)
    return np.take_along_axis(summaries.argsort(axis=1, kind="stable"), rank, axis=1)
