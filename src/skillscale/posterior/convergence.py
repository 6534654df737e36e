"""R-hat and effective sample sizes of many quantities at once.

Rank-normalised, of split chains (Vehtari et al. 2021, arXiv:1903.08008), equal to ArviZ's, which
goes through quantities one by one: a check has thousands of them.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.special import ndtri

TOGETHER = 32
"""Quantities that are transformed at once by a core: of all together, a gibibyte and more."""
TAILS = (0.05, 0.95)

Chains = Float[np.ndarray, "entry chain draw"]
Entries = Float[np.ndarray, " entry"]


class Convergence(NamedTuple):
    """Diagnostics by quantity."""

    rhat: Entries
    ess_bulk: Entries
    ess_tail: Entries


def convergence(values: Chains) -> Convergence:
    """Compare chains.

    Args:
        values: draws of quantities that vary, of two chains or more and eight draws each or more.

    Returns:
        R-hat, the larger of that of values and that of their distances from the median; effective
        sample sizes of the bulk, and of the worse of both 5 % tails.

    Example:
        >>> normal = np.random.default_rng(0).normal(size=(2, 4, 500))
        >>> rhat, bulk, tail = convergence(normal + [[[0]] * 4, [[0], [0], [0], [2]]])
        >>> rhat.round(1).tolist(), (bulk > 1500).tolist()
        ([1.0, 1.3], [True, False])
    """
    blocks = (values[i : i + TOGETHER] for i in range(0, len(values), TOGETHER))
    with ThreadPoolExecutor() as pool:  # NumPy lets threads run while it sorts and transforms
        parts = list(pool.map(lambda block: _convergence(block.astype(np.float64)), blocks))
    return Convergence(*map(np.concatenate, zip(*parts, strict=True)))


def _convergence(values: Chains) -> Convergence:
    halves = _halves(values)
    normal = _rank_normalised(halves)
    folded = _rank_normalised(np.abs(halves - np.median(halves, axis=(1, 2), keepdims=True)))
    ends = np.quantile(values, TAILS, axis=(1, 2))[..., None, None]
    tails = [_effective(_halves((values <= end).astype(float))) for end in ends]
    return Convergence(
        np.maximum(_rhat(normal), _rhat(folded)), _effective(normal), np.minimum(*tails)
    )


def _halves(values: Chains) -> Chains:
    """Chains split in two; a draw in the middle is left out."""
    half = values.shape[2] // 2
    return np.concatenate([values[..., :half], values[..., -half:]], axis=1)


def _rank_normalised(values: Chains) -> Chains:
    """Normal scores of ranks; the equal values of rejected moves share the mean of theirs."""
    flat = values.reshape(len(values), -1)
    n = flat.shape[1]
    order = np.argsort(flat, axis=1)
    ordered = np.take_along_axis(flat, order, axis=1)
    is_first = np.ones(flat.shape, bool)
    is_first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    is_last = np.roll(is_first, -1, axis=1)
    place = np.arange(n)
    first = np.maximum.accumulate(np.where(is_first, place, 0), axis=1)
    last = np.minimum.accumulate(np.where(is_last, place, n)[:, ::-1], axis=1)[:, ::-1]
    twice_rank = np.empty_like(order)
    np.put_along_axis(twice_rank, order, first + last + 2, axis=1)
    normal_score = np.asarray(ndtri((np.arange(2 * n + 1) / 2 - 3 / 8) / (n + 1 / 4)))
    return normal_score[twice_rank].reshape(values.shape)


def _rhat(values: Chains) -> Entries:
    n = values.shape[2]
    between = values.mean(axis=2).var(axis=1, ddof=1)
    within = values.var(axis=2, ddof=1).mean(axis=1)
    return np.sqrt(between / within + (n - 1) / n)


def _effective(values: Chains) -> Entries:
    """Effective sample size of the mean, by Geyer's initial monotone sequence."""
    n_chain, n = values.shape[1:]
    length = 2 ** int(np.ceil(np.log2(2 * n)))
    spectrum = np.fft.rfft(values - values.mean(axis=2, keepdims=True), length, axis=2)
    power = (np.abs(spectrum) ** 2).mean(axis=1)
    covariance = np.fft.irfft(power, length, axis=1)[:, :n] / n
    within = covariance[:, :1] * n / (n - 1)
    total = covariance[:, :1] + values.mean(axis=2).var(axis=1, ddof=1)[:, None]
    varies = np.ptp(values, axis=(1, 2)) > 0
    correlation = 1 - (within - covariance) / np.where(varies[:, None], total, 1)
    correlation[:, 0] = 1

    n_pairs = (n - 2) // 2
    even, odd = correlation[:, : 2 * n_pairs : 2], correlation[:, 1 : 2 * n_pairs : 2]
    is_out = even + odd <= 0
    last = np.where(is_out.any(axis=1), is_out.argmax(axis=1), n_pairs - 1)
    falling = np.minimum.accumulate(even + odd, axis=1)
    kept = np.where(np.arange(n_pairs) < last[:, None], falling, 0).sum(axis=1)
    after = np.maximum(even[np.arange(len(even)), last], 0)
    size = n_chain * n
    return np.where(varies, size / np.maximum(2 * kept + after - 1, 1 / np.log10(size)), size)
