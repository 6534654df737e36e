r"""The cost of a wrong validation set: the optimum of one mix of skills, judged by another.

A validation set mixes skills with weights $v$ on the simplex. The size that is best for it,

$$N_v = \arg\min_N \sum_k v_k L_k(N, C/6N),$$

is off by $N_v / N_w - 1$ when the mix that matters is $w$, and costs
$\sum_k w_k \left[L_k(N_v) - L_k(N_w)\right]$ (Roberts et al. 2025, arXiv:2503.10061, who find up to
nearly half of the parameters).
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import jax
import numpy as np
import pandas as pd
from jaxtyping import Float

from skillscale.errors import RunsError, SpecError
from skillscale.intervals import medians_and_ends
from skillscale.runs.along_size import budget_tokens
from skillscale.runs.estimators import INTERVAL, IsoFlop
from skillscale.runs.surface import expected_loss

PARTS = 4
"""Steps in which the simplex of mixes is walked, from none to all of a skill."""
GRID = 401
"""Sizes searched, 1.7 % apart over three decades."""
DECADES = 1.5
MOST_DRAWS = 400


def misspecification(
    found: IsoFlop,
    flops: Sequence[float],
    *,
    skills: Sequence[str] | None = None,
    truths: Sequence[Sequence[float]] | None = None,
    parts: int = PARTS,
    interval: float = INTERVAL,
) -> pd.DataFrame:
    """What assuming any mix of skills costs when any other is the one that matters.

    The question of Roberts et al. 2025 (arXiv:2503.10061), answered by the surfaces without their
    discrepancy.

    Args:
        found: result of `isoflop` on runs with one loss per skill.
        flops: budgets in FLOP.
        skills: losses to mix; all by default.
        truths: mixes that matter, weights in the order of the skills; the whole simplex by default.
        parts: steps in which the simplex is walked.
        interval: probability inside the intervals.

    Returns:
        One row per group, budget, true and assumed mix: ``true_<skill>`` and ``assumed_<skill>``
        weights; ``error``, the relative error in parameters, and ``loss_paid``, as a fraction of
        the least loss, with ``_lower`` and ``_upper``.

    Raises:
        SpecError: fewer than two skills, or weights that are no mix of them.
        UnknownNameError: a skill is not among the losses of every group.
        RunsError: there are no surfaces, or parabolas contradict those of some skill everywhere.

    Example:
        >>> from skillscale.runs.estimation import isoflop
        >>> from skillscale.runs.sampling import ManyNuts
        >>> from skillscale.runs.table import load_runs
        >>> losses = ["val_c4", "val_starcoder"]
        >>> runs = load_runs("isoflop").select(losses=losses, groups=["starcoder"])
        >>> found = isoflop(runs, method=ManyNuts(warmup=50, draws=50))
        >>> table = misspecification(found, [1e19], parts=1)
        >>> table[["true_val_c4", "assumed_val_c4"]]
           true_val_c4  assumed_val_c4
        0          0.0             0.0
        1          0.0             1.0
        2          1.0             0.0
        3          1.0             1.0
        >>> table["error"].iloc[[0, 3]].tolist()
        [0.0, 0.0]
    """
    fitted = list(dict.fromkeys(loss for _, loss in found.require_surfaces().keys))
    skills = fitted if skills is None else list(skills)
    if len(skills) < 2:
        raise SpecError(f"a mix needs two skills at least, found {', '.join(skills) or 'none'}.")
    assumed = simplex(len(skills), parts)
    true = assumed if truths is None else _mixes(truths, len(skills))
    frames = []
    for group in found.runs.groups:
        positions = [found.index(group, skill) for skill in skills]
        if not {(group, skill) for skill in skills} <= set(found.trusted):
            continue
        for budget in flops:
            losses, sizes = _along_budget(found, positions, budget)
            of_true = true.astype(np.float32) @ losses
            best_assumed = (assumed.astype(np.float32) @ losses).argmin(axis=-1)
            best_true = of_true.argmin(axis=-1)
            everyone = np.arange(len(losses))[:, None]
            for t, weights in enumerate(true):
                least = of_true[everyone, t, best_true[:, [t]]]
                paid = of_true[everyone, t, best_assumed] / least - 1
                error = sizes[best_assumed] / sizes[best_true[:, [t]]] - 1
                columns = {
                    "group": group,
                    "flops": float(budget),
                    **{f"true_{s}": w for s, w in zip(skills, weights, strict=True)},
                    **{f"assumed_{s}": w for s, w in zip(skills, assumed.T, strict=True)},
                    **medians_and_ends("error", error, interval),
                    **medians_and_ends("loss_paid", paid, interval),
                }
                frames.append(pd.DataFrame(columns))
    if not frames:
        raise RunsError(
            f"no group has surfaces of {', '.join(skills)} that agree with its parabolas: see "
            "--show optima."
        )
    return pd.concat(frames, ignore_index=True)


def simplex(n: int, parts: int) -> Float[np.ndarray, "mix skill"]:
    """All mixes of some skills in whole parts.

    Args:
        n: number of skills.
        parts: how many parts a mix has.

    Returns:
        Weights, which sum to one in every mix.

    Example:
        >>> simplex(2, 2).tolist()
        [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]
    """
    counts = [c for c in product(range(parts + 1), repeat=n) if sum(c) == parts]
    return np.array(counts) / parts


def worst_cases(table: pd.DataFrame) -> pd.DataFrame:
    """The mixes that are off the most, up and down, by group and budget.

    Args:
        table: result of `misspecification`.

    Returns:
        The two rows of every group and budget with the largest and the smallest ``error``.

    Example:
        >>> rows = [("web", 1e19, 0.0), ("web", 1e19, 0.3), ("web", 1e19, -0.1)]
        >>> worst_cases(pd.DataFrame(rows, columns=["group", "flops", "error"]))["error"].tolist()
        [0.3, -0.1]
    """
    grouped = table.groupby(["group", "flops"], sort=False)["error"]
    rows = pd.concat([grouped.idxmax(), grouped.idxmin()])
    return table.loc[rows.to_numpy()].sort_values(["group", "flops"], kind="stable")


def _along_budget(
    found: IsoFlop, positions: list[int], budget: float
) -> tuple[Float[np.ndarray, "draw skill size"], Float[np.ndarray, " size"]]:
    """Losses of skills at the sizes a budget allows, about the middle of their optima."""
    surfaces = found.require_surfaces()
    sizes = np.median(surfaces.optimum(budget)[positions]) * np.geomspace(
        10**-DECADES, 10**DECADES, GRID
    )
    ratio = surfaces.compute_ratio[surfaces.keys[positions[0]][0]]
    log_params, log_tokens = surfaces.centred(sizes, budget_tokens(ratio, sizes, budget))
    kept = np.linspace(0, surfaces.n_draws - 1, MOST_DRAWS).astype(int)
    of_draws = jax.tree.map(lambda part: part[positions][:, kept, None], surfaces.surface)
    losses = np.asarray(expected_loss(of_draws, log_params, log_tokens), np.float32)
    return losses.swapaxes(0, 1), sizes


def _mixes(weights: Sequence[Sequence[float]], n: int) -> Float[np.ndarray, "mix skill"]:
    mixes = np.atleast_2d(np.asarray(weights, float))
    if mixes.shape[1] != n or (mixes < 0).any() or not np.allclose(mixes.sum(axis=1), 1):
        raise SpecError(
            f"a mix has one weight per skill ({n}), none negative, with sum one; found {weights}."
        )
    return mixes
