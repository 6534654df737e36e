r"""How much each of several production functions counts, and which ones the data reject.

What decides is how well a form predicts scores that it has not seen, $\ell_{mL}$: the expected log
predictive density of the scores of lineage $L$ under form $m$. Lineages are the points, since
scores of one share all that a family has of its own. Weights maximise

$$\sum_L \log\sum_m w_m e^{\ell_{mL}}, \qquad w_m \ge 0, \quad \sum_m w_m = 1$$

(stacking: Yao et al. 2018, arXiv:1704.02030). A form is *open*, which is to say not rejected,
where it is within two standard errors of the best: errors of paired differences over lineages.

Leaving out whole lineages would be the better question. Pareto smoothing can't answer it: with the
skills of a lineage integrated out, 23 of the 35 lineages of the classic table had a Pareto shape
above 0.7, up to 2.1, and fitting again without each takes half an hour per form. So a score is left
out given the others of its family (PSIS-LOO, see `leave_one_out`), and these are summed by lineage.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from scipy.optimize import LinearConstraint, minimize

from skillscale.checks.leave_one_out import loo
from skillscale.errors import SpecError
from skillscale.posterior.result import Fit
from skillscale.posterior.stack import Stack

ERRORS = 2.0
"""How many standard errors a form may be behind the best."""
SMALLEST = 1e-300
"""Density of a mixture that predicts a point not at all."""


def stack(fits: Sequence[Fit]) -> Stack:
    """Compare fits of several production functions: the equations stand at the top of this module.

    Args:
        fits: of one table, by specifications that differ in their form alone.

    Returns:
        The fits with their ``comparison``, indexed by form: ``elpd`` (nats), the paired
        ``difference`` from the best and its standard ``error`` over lineages, the ``weight``,
        ``is_open`` where the data can't reject the form, and ``high_k``, the share of scores whose
        Pareto shape is too high for the estimate to be trusted.

    Raises:
        SpecError: there are no fits, a form comes twice, or they differ in more than the form.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> sk.stack([fit]).comparison[["difference", "weight", "is_open"]]
                  difference  weight  is_open
        translog         0.0     1.0     True
    """
    by_form = {str(fit.spec.form): fit for fit in fits}
    if len(by_form) < len(fits):
        raise SpecError(f"a stack has a form once: {', '.join(fit.spec.form for fit in fits)}.")
    if not by_form:
        raise SpecError("a stack needs at least one fit.")
    found = [loo(fit) for fit in fits]
    by_lineage = np.array(
        [_by_lineage(fit, of.elpd_i) for fit, of in zip(fits, found, strict=True)]
    )
    high_k = [of.high_k for of in found]
    compared = compare(by_lineage).assign(high_k=high_k).set_axis(list(by_form))
    return Stack(by_form, compared)


def compare(density: Float[np.ndarray, "form lineage"]) -> pd.DataFrame:
    """Compare forms by what they predict of every lineage.

    Args:
        density: expected log predictive density of the lineage's scores, nats.

    Returns:
        One row per form: ``elpd, difference, error, weight, is_open``, as `stack` gives them.

    Example:
        >>> best, near, far = [0.0, 0.0, 0.0], [-0.3, 0.3, -0.1], [-9.0, -7.0, -7.0]
        >>> compare(np.array([best, near, far]))[["difference", "is_open"]].round(2)
           difference  is_open
        0         0.0     True
        1        -0.1     True
        2       -23.0    False
    """
    elpd = density.sum(axis=1)
    behind = density - density[int(np.argmax(elpd))]
    n_lineage = density.shape[1]
    error = np.sqrt(n_lineage * behind.var(axis=1, ddof=1)) if n_lineage > 1 else np.inf
    difference = behind.sum(axis=1)
    return pd.DataFrame(
        {
            "elpd": elpd,
            "difference": difference,
            "error": error,
            "weight": stacking_weights(density),
            "is_open": difference >= -ERRORS * error,
        }
    )


def stacking_weights(density: Float[np.ndarray, "form point"]) -> Float[np.ndarray, " form"]:
    """Weights of the mixture that predicts best.

    Args:
        density: log predictive density of every point, nats.

    Returns:
        Weights that sum to one.

    Example:
        >>> density = np.log(np.array([[0.9, 0.1], [0.1, 0.9], [0.1, 0.1]]))
        >>> stacking_weights(density).round(3).tolist()
        [0.5, 0.5, 0.0]
    """
    relative = np.exp(density - density.max(axis=0))
    n_form = len(relative)

    def mixture(weights: Float[np.ndarray, " form"]) -> Float[np.ndarray, " point"]:
        return np.maximum(weights @ relative, SMALLEST)

    def loss(weights: Float[np.ndarray, " form"]) -> float:
        return -float(np.log(mixture(weights)).sum())

    def gradient(weights: Float[np.ndarray, " form"]) -> Float[np.ndarray, " form"]:
        return -(relative / mixture(weights)).sum(axis=1)

    found = minimize(
        loss,
        np.full(n_form, 1 / n_form),
        jac=gradient,
        bounds=[(0.0, 1.0)] * n_form,
        constraints=LinearConstraint(np.ones(n_form), 1, 1),
        method="SLSQP",
    ).x
    weights = np.maximum(found, 0)
    return weights / weights.sum()


def _by_lineage(fit: Fit, of_scores: Float[np.ndarray, " score"]) -> Float[np.ndarray, " lineage"]:
    """Sums over the scores of every lineage."""
    _, model = fit.observed_index
    return np.bincount(fit.design.lineage_of_models[model], weights=of_scores)
