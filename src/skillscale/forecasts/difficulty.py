r"""How the items of a benchmark differ in difficulty, and what that makes of several attempts.

One attempt solves item $i$ with probability $p_i$. Over the items $p$ has the model's accuracy
$\mu$ as its mean, and a spread:

$$p \sim \operatorname{Beta}(\mu s, (1-\mu) s) \quad\text{or}\quad
\operatorname{logit} p \sim \mathcal N(c, \sigma^2),\ c \text{ such that } \operatorname E p = \mu,
\qquad \text{pass@}k = 1 - \operatorname E[(1-p)^k].$$

The spread, $s$ (concentration) or $\sigma$ (standard deviation of the logits), is taken to be a
property of the benchmark: it carries over from a model whose items were sampled to larger ones.
Which distribution does so better? Published figures disagree. On HumanEval (pass@1, 10 and 100 of
15 models, arXiv:2107.03374 and later, every pass@k at its own best temperature) the concentration
is 0.26 to 0.79 whatever the accuracy and $\sigma$ falls from 14 to 4: one model's pass@100 forecast
from the others' spread is 3.6 points off with the Beta and 5.5 with the logistic-normal. On MATH
(arXiv:2407.21787, one temperature) $\sigma$ is 2.7 for a model of 0.3 % and about 2.8 for one that
solves, we take it, a quarter, but the concentration 61 and about 2: carried over, it would promise
everything. The logistic-normal is the default, being never far off, and sampling at one temperature
the usual case.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy import stats
from scipy.special import betaln, expit, gammaln, logit, logsumexp


class Difficulty(StrEnum):
    """Distributions of the probability that an attempt solves an item."""

    BETA = "beta"
    LOGISTIC_NORMAL = "logistic-normal"


class SpreadPrior(NamedTuple):
    """Log-normal prior of a spread."""

    median: float
    log_sd: float


PRIORS = {
    Difficulty.BETA: SpreadPrior(1.0, 1.5),
    Difficulty.LOGISTIC_NORMAL: SpreadPrior(5.0, 0.5),
}
"""Wide priors about published figures. Standard deviations of logits are 4.1 to 14 on HumanEval, 5
on SWE-bench Lite, about 2.7 on MATH and 4.1 on CodeContests; the prior's 95 % are 1.9 to 13.
Concentrations are 0.3 to 2 there, but above 60 for models that solve less than 0.3 %; the prior's
95 % are 0.05 to 19."""

NODES = np.arange(-8, 8.01, 0.04)
"""Standard normal deviates, evenly spaced: for smooth functions their sum is as good as exact."""
WEIGHTS = stats.norm.pdf(NODES) / stats.norm.pdf(NODES).sum()
NEWTON_STEPS = 50
TOLERANCE = 1e-9
"""Of a location, in logits."""
SMALLEST = 1e-9
"""Means nearer to zero or one are moved there before their location is sought."""
GRID = 81
"""Spreads at which a posterior is evaluated, four standard deviations of the prior to each side."""
MEANS = 21
"""Means over which the likelihood of a spread is averaged."""
STEPS = (0.01, 0.1)
"""Smallest and largest distance between logits of the quadrature."""
EXTREME = 30.0
"""Logit beyond which no number of attempts tells an item from an impossible one."""


def failure(
    mean: Float[np.ndarray, "*n"],
    spread: Float[np.ndarray, "*n"],
    k: Float[np.ndarray, " k"],
    difficulty: Difficulty,
) -> Float[np.ndarray, "*n k"]:
    r"""Probability $\operatorname E[(1-p)^k]$ that none of $k$ attempts solves an item.

    In closed form for the Beta, by quadrature for the logistic-normal; what is known of either
    stands at the top of this module.

    Args:
        mean: probability that one attempt does.
        spread: concentration, or standard deviation of logits.
        k: numbers of attempts.
        difficulty: the distribution.

    Returns:
        Probabilities, with the numbers of attempts as last axis.

    Example:
        >>> half = np.array([0.5]), np.array([2.0]), np.array([1, 2, 100])
        >>> failure(*half, Difficulty.BETA).round(4)  # uniform: 1 / (k + 1)
        array([[0.5   , 0.3333, 0.0099]])
    """
    mean, spread = (np.asarray(a, float)[..., None] for a in (mean, spread))
    k = np.asarray(k, float)
    if difficulty is Difficulty.BETA:
        rest = (1 - mean) * spread
        log = gammaln(rest + k) - gammaln(spread + k) - (gammaln(rest) - gammaln(spread))
        found = np.where(rest > 0, np.exp(log), 0.0)
    else:
        logits = location(mean, spread) + spread * NODES
        log_miss = -np.logaddexp(0, logits)
        found = np.stack([np.exp(n * log_miss) @ WEIGHTS for n in k], axis=-1)
        found = np.where((mean > 0) & (mean < 1), found, mean <= 0)
    return np.where(k == 1, 1 - mean, found)


def location(
    mean: Float[np.ndarray, "*n"], spread: Float[np.ndarray, "*n"]
) -> Float[np.ndarray, "*n"]:
    """Mean of the logits at which items are solved with this probability on average.

    >>> c = location(np.array([0.1]), np.array([3.0]))
    >>> bool(np.isclose(expit(c[:, None] + 3 * NODES) @ WEIGHTS, 0.1)[0])
    True
    """
    mean, spread = np.broadcast_arrays(np.asarray(mean, float), spread)
    # By symmetry; small probabilities keep their digits.
    wanted = logit(np.clip(np.minimum(mean, 1 - mean), SMALLEST, 0.5))
    # The normal stands in for the logistic to begin with.
    found = wanted * np.sqrt(1 + np.pi / 8 * spread**2)
    for _ in range(NEWTON_STEPS):
        p = expit(found[..., None] + spread[..., None] * NODES)
        reached, slope = p @ WEIGHTS, (p * (1 - p)) @ WEIGHTS
        step = (logit(reached) - wanted) * reached * (1 - reached) / slope
        found = np.minimum(found - step, 0)
        if np.abs(step).max(initial=0) < TOLERANCE:
            break
    return np.where(mean > 0.5, -found, found)


def pass_draws(
    mean: Float[np.ndarray, "draw model"],
    spread: Float[np.ndarray, " draw"],
    k: Int[np.ndarray, " k"],
    difficulty: Difficulty,
    n_items: int,
    rng: np.random.Generator,
) -> Float[np.ndarray, "draw model k"]:
    r"""Draws of pass@k on a benchmark of so many items, from draws of the score of one attempt.

    The items are themselves drawn: of two sets with the same mean $\bar p$ one has more items that
    are nearly hopeless. Given $\bar p$, pass@k varies around its expectation with variance
    $(\operatorname{var} f - \operatorname{cov}(f, p)^2 / \operatorname{var} p)/n$,
    $f = 1 - (1-p)^k$: none for one attempt. All models are asked the same items.

    Args:
        mean: draws of the score of one attempt.
        spread: draws of the spread.
        k: numbers of attempts, ascending.
        difficulty: the distribution.
        n_items: items of the benchmark.
        rng: source of randomness.

    Returns:
        Fractions of the items, never fewer with more attempts.

    Example:
        >>> one, spread, k = np.full((4, 1), 0.2), np.full(4, 2.0), np.array([1, 10])
        >>> draws = pass_draws(one, spread, k, Difficulty.BETA, 100, np.random.default_rng(0))
        >>> draws.shape, bool((draws[..., 1] > draws[..., 0]).all())
        ((4, 1, 2), True)
    """
    n_k = len(k)
    powers = np.concatenate([k, k + 1, 2 * k, [2]])
    moments = np.stack([failure(column, spread, powers, difficulty) for column in mean.T], axis=1)
    miss, next_miss, double = np.split(moments[..., :-1], [n_k, 2 * n_k], axis=-1)
    miss_one = 1 - mean[..., None]
    variance = moments[..., -1:] - miss_one**2
    covariance = next_miss - miss * miss_one
    share = np.divide(covariance**2, variance, out=np.zeros_like(miss), where=variance > 0)
    residual = np.sqrt(np.maximum(double - miss**2 - share, 0) / n_items)
    deviate = rng.standard_normal((len(mean), 1, 1))
    found = np.where(k == 1, mean[..., None], 1 - miss + residual * deviate)
    # More attempts never solve fewer items.
    return np.maximum.accumulate(np.clip(found, mean[..., None], 1), axis=-1)


def spread_posterior(
    items: pd.DataFrame | None, difficulty: Difficulty
) -> tuple[Float[np.ndarray, " grid"], Float[np.ndarray, " grid"]]:
    """Posterior of the spread on a grid, given how often items were solved; else its prior.

    Every model has a mean of its own, uniform beforehand, over which the likelihood is averaged.

    Args:
        items: ``model, n, correct`` (attempts, and how many solved the item), one row per model
            and item; None if there are none.
        difficulty: the distribution.

    Returns:
        Spreads (concentrations, or standard deviations of logits), ascending and evenly spaced in
        their logs, and their probabilities.

    Example:
        >>> items = pd.DataFrame({"model": "a", "n": 20, "correct": [0, 0, 19, 20]})
        >>> spread, prior = spread_posterior(None, Difficulty.LOGISTIC_NORMAL)
        >>> _, posterior = spread_posterior(items, Difficulty.LOGISTIC_NORMAL)
        >>> spread.shape, bool(posterior @ spread > prior @ spread)
        ((81,), True)
    """
    prior = PRIORS[difficulty]
    deviates = np.linspace(-4, 4, GRID)
    spread = prior.median * np.exp(prior.log_sd * deviates)
    log_prob = stats.norm.logpdf(deviates)
    for _, of_model in [] if items is None else items.groupby("model"):
        log_prob = log_prob + _log_likelihood(of_model, spread, difficulty)
    return spread, np.exp(log_prob - logsumexp(log_prob))


def spread_quantiles(
    spread: Float[np.ndarray, " grid"],
    prob: Float[np.ndarray, " grid"],
    level: Float[np.ndarray, "*n"],
) -> Float[np.ndarray, "*n"]:
    """Quantiles of a posterior on a grid, by its distribution function between grid points.

    >>> spread_quantiles(np.array([1.0, 2.0, 3.0]), np.array([0.2, 0.6, 0.2]), np.array([0.5]))
    array([2.])
    """
    cumulative = np.concatenate([[0], np.cumsum((prob[1:] + prob[:-1]) / 2)])
    return np.interp(np.asarray(level) * cumulative[-1], cumulative, spread)


def _log_likelihood(
    items: pd.DataFrame, spread: Float[np.ndarray, " grid"], difficulty: Difficulty
) -> Float[np.ndarray, " grid"]:
    """Log likelihood of every spread: items alike are counted, binomial coefficients left out."""
    alike = items.groupby(["n", "correct"]).size()
    n, correct = (alike.index.get_level_values(i).to_numpy(float) for i in range(2))
    count = alike.to_numpy(float)
    # No spread makes the mean vary more than items that are always or never solved.
    solved = float((items["correct"] / items["n"]).sum())
    lower, upper = np.asarray(
        stats.beta.ppf([1e-5, 1 - 1e-5], solved + 0.5, len(items) - solved + 0.5)
    )
    mean = np.linspace(lower, upper, MEANS)
    log_prob = _log_beta if difficulty is Difficulty.BETA else _log_logistic_normal
    means, spreads = np.broadcast_arrays(mean, spread[:, None])
    return logsumexp(log_prob(means, spreads, n, correct) @ count, axis=1)


def _log_beta(
    mean: Float[np.ndarray, "*g"],
    spread: Float[np.ndarray, "*g"],
    n: Float[np.ndarray, " item"],
    correct: Float[np.ndarray, " item"],
) -> Float[np.ndarray, "*g item"]:
    """Log probability of solving an item so often, up to a constant of the item: beta-binomial."""
    a, b = (mean * spread)[..., None], ((1 - mean) * spread)[..., None]
    return betaln(a + correct, b + n - correct) - betaln(a, b)


def _log_logistic_normal(
    mean: Float[np.ndarray, "*g"],
    spread: Float[np.ndarray, "*g"],
    n: Float[np.ndarray, " item"],
    correct: Float[np.ndarray, " item"],
) -> Float[np.ndarray, "*g item"]:
    """The same of logistic-normal items, by quadrature over logits.

    Logits are spaced by what so many attempts can tell apart. Beyond the last ones an item is
    never, or always, solved.
    """
    step = float(np.clip(1 / np.sqrt(n.max()), *STEPS))
    logits = np.arange(-EXTREME, EXTREME + step, step)
    log_hit, log_miss = -np.logaddexp(0, -logits), -np.logaddexp(0, logits)
    log_each = np.outer(log_hit, correct) + np.outer(log_miss, n - correct)
    each = np.exp(log_each - log_each.max(axis=0))
    centre, spread = location(mean, spread)[..., None], spread[..., None]
    density = stats.norm.pdf(logits, centre, spread) * step
    below = stats.norm.cdf(logits[0] - step / 2, centre, spread)
    above = stats.norm.sf(logits[-1] + step / 2, centre, spread)
    return np.log(density @ each + below * (correct == 0) + above * (correct == n))
