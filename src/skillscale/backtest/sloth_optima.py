r"""The optima of the published law: its skills rotated and named, and the best size of a budget.

A fit leaves the skills free to be mixed, $\theta \to T^\top\theta$ for any invertible $T$: the
published skills are those of an oblique geomin rotation (arXiv:2412.06540, section A.1).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import linear_sum_assignment

from skillscale.backtest.sloth import UNIT_PARAMS, UNIT_TOKENS, Evaluated, PublishedLaw
from skillscale.errors import SkillscaleError
from skillscale.law.compute import TRAINING_FLOPS
from skillscale.optima.deployment import Limit
from skillscale.skills.rotation import Rotation, random_rotations, rotate

ROTATION_STARTS = 30


class Bounds(NamedTuple):
    """Sizes and tokens within which an optimum is looked for; the published ones by default."""

    least_params: float = 0.16e9
    most_params: float = 72e9
    least_tokens: float = 0.18e12
    most_tokens: float = 15e12


def whitened(law: PublishedLaw, data: Evaluated) -> PublishedLaw:
    """The same law with skills of unit variance, uncorrelated over the models.

    Args:
        law: a point estimate.
        data: the models that it was fitted to.

    Returns:
        The law in these coordinates.

    Raises:
        SkillscaleError: the families of the data are others than those of the law.

    Example:
        >>> from skillscale import load_table
        >>> from skillscale.backtest.sloth import evaluated, fit_published
        >>> data = evaluated(load_table("classic"), ["mmlu", "gsm8k", "hellaswag"])
        >>> law = fit_published(data, 2, steps=50)
        >>> white = whitened(law, data)
        >>> _, family = data.families()
        >>> skill = data.inputs() @ white.slope + white.efficiency[family]
        >>> np.allclose(np.cov(skill, rowvar=False), np.eye(2))
        True
    """
    families, family = data.families()
    if families != law.families:
        raise SkillscaleError("the law was fitted to other families than those of the data.")
    skill = data.inputs() @ law.slope + law.efficiency[family]
    scale = np.linalg.cholesky(np.cov(skill, rowvar=False, ddof=1))
    return mixed(law, np.linalg.inv(scale).T)


def mixed(law: PublishedLaw, matrix: Float[np.ndarray, "skill new"]) -> PublishedLaw:
    r"""The same law of other skills, $\theta \to T^\top\theta$: every score is as it was.

    Args:
        law: a point estimate.
        matrix: $T$, invertible.

    Returns:
        The law with slopes and efficiencies times $T$, and loadings times $T^{-\top}$.

    Example:
        >>> from skillscale import load_table
        >>> from skillscale.backtest.sloth import evaluated, fit_published
        >>> data = evaluated(load_table("classic"), ["mmlu", "gsm8k", "hellaswag"])
        >>> law = fit_published(data, 2, steps=50)
        >>> new = mixed(law, np.array([[1.0, 0.5], [0.0, 1.0]]))
        >>> np.allclose(new.efficiency @ new.loading.T, law.efficiency @ law.loading.T)
        True
    """
    return law._replace(
        slope=law.slope @ matrix,
        efficiency=law.efficiency @ matrix,
        loading=law.loading @ np.linalg.inv(matrix).T,
    )


def rotations(
    law: PublishedLaw, data: Evaluated, *, starts: int = ROTATION_STARTS, seed: int = 0
) -> list[tuple[PublishedLaw, float]]:
    """The law after geomin rotations from random starts, by criterion: the published one first.

    Args:
        law: a point estimate.
        data: the models that it was fitted to.
        starts: random starts.
        seed: the only source of randomness.

    Returns:
        A law per start, with its criterion, the smallest first.

    Raises:
        SkillscaleError: the families of the data are others than those of the law.

    Example:
        >>> from skillscale import load_table
        >>> from skillscale.backtest.sloth import evaluated, fit_published
        >>> data = evaluated(load_table("classic"), ["mmlu", "gsm8k", "hellaswag"])
        >>> law = fit_published(data, 2, steps=50)
        >>> criteria = [criterion for _, criterion in rotations(law, data, starts=3)]
        >>> len(criteria), criteria == sorted(criteria)
        (3, True)
    """
    white = whitened(law, data)
    first = random_rotations(starts, law.loading.shape[1], np.random.default_rng(seed))
    loading = np.broadcast_to(white.loading, (starts, *white.loading.shape))
    matrices, criterion = rotate(loading, Rotation.GEOMIN, first)
    return [(mixed(white, matrices[i]), float(criterion[i])) for i in np.argsort(criterion)]


def ordered(law: PublishedLaw, data: Evaluated, anchors: tuple[str, ...]) -> PublishedLaw:
    """The same skills, in the order and with the sign of the benchmarks that name them.

    Skills are assigned to anchors by the share of an anchor's loadings that each skill has.

    Args:
        law: a point estimate.
        data: the models that it was fitted to.
        anchors: a benchmark per skill, in the order wanted.

    Returns:
        The law with its skills permuted and perhaps turned around.

    Raises:
        ValueError: an anchor is not among the benchmarks of the data.

    Example:
        >>> from skillscale import load_table
        >>> from skillscale.backtest.sloth import evaluated, fit_published
        >>> data = evaluated(load_table("classic"), ["mmlu", "gsm8k", "hellaswag"])
        >>> law = fit_published(data, 2, steps=50)
        >>> bool((np.diag(ordered(law, data, ("mmlu", "gsm8k")).loading) > 0).all())
        True
    """
    rows = law.loading[[data.benchmarks.index(anchor) for anchor in anchors]]
    share = np.abs(rows) / np.abs(rows).sum(axis=1, keepdims=True)
    which, column = linear_sum_assignment(share, maximize=True)
    sign = np.sign(rows[which, column])
    return mixed(law, np.eye(law.loading.shape[1])[:, column] * sign)


def best_allocation(
    slope: Float[np.ndarray, " input"], flops: float, bounds: Bounds | None = None
) -> tuple[float, float, Limit]:
    r"""Size and tokens that maximise a skill at a budget, and the bound they are at.

    Along a budget the skill is a parabola in log size, $-\beta_3$ its curvature: an interior
    maximum needs a positive interaction, and a vertex within the bounds.

    Args:
        slope: of the skill in the logs of size (billions) and tokens (trillions), and in their
            product.
        flops: training budget in FLOP.
        bounds: sizes and tokens to look within; the published ones by default.

    Returns:
        Active parameters and training tokens (counts), and the `Limit` that they are at.

    Raises:
        SkillscaleError: no size and tokens within the bounds cost this.

    Example:
        >>> n_params, n_tokens, limit = best_allocation(np.array([0.1, 0.1, 0.05]), 6e21)
        >>> f"{n_params:.3g} {n_tokens:.3g}", limit.value
        ('1e+09 1e+12', '')
    """
    bounds = bounds or Bounds()
    product = flops / TRAINING_FLOPS
    smallest = max(bounds.least_params, product / bounds.most_tokens)
    largest = min(bounds.most_params, product / bounds.least_tokens)
    # The published budgets end where both bounds meet.
    if smallest > largest * (1 + 1e-9):
        raise SkillscaleError(f"no size and tokens within the bounds cost {flops:g} FLOP.")
    by_size, by_tokens, interaction = slope
    budget = np.log(product / UNIT_PARAMS / UNIT_TOKENS)

    def skill(n_params: float) -> float:
        size = np.log(n_params / UNIT_PARAMS)
        tokens = budget - size
        return by_size * size + by_tokens * tokens + interaction * size * tokens

    if interaction > 0:
        vertex = (by_size - by_tokens + interaction * budget) / (2 * interaction)
        n_params = float(UNIT_PARAMS * np.exp(np.clip(vertex, -50, 50)))
        if smallest < n_params < largest:
            return n_params, product / n_params, Limit.NONE
    if skill(smallest) >= skill(largest):
        limit = Limit.TOKENS if smallest > bounds.least_params else Limit.LOWER
        return smallest, product / smallest, limit
    limit = Limit.SIZE if largest == bounds.most_params else Limit.UPPER
    return largest, product / largest, limit
