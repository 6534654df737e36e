r"""What controlled runs say of size against tokens, as data on the slopes of a skill.

On a leaderboard size, tokens, family and date go together; controlled runs vary size and tokens
alone. A skill that is an increasing function $h$ of minus their loss,
$\theta = h(-E - A e^{-\alpha n} - B e^{-\beta d})$ with $n, d$ the centred logs of size and tokens,
has the loss's level curves. Two facts of these are the same whatever $h$ is. At the optimum of a
budget, on which $n + d = c$, both terms fall at the same rate
$r = \alpha A e^{-\alpha n} = \beta B e^{-\beta d}$, and

$$-\frac{\partial^2\theta}{\partial n^2}\bigg|_c = (\alpha + \beta)\, h' r, \qquad
\frac{d\theta^*}{dc} = h' r.$$

One fact is *where* the optimum is, $n^*$; the other *how sharp* it is: the first over the second,
which is $\alpha + \beta$ at every budget. The translog
$\theta = \beta_1 n + \beta_2 d + \beta_3 n d$ with $\beta_3 > 0$ has

$$n^* = \frac c2 + \frac{\beta_1 - \beta_2}{2\beta_3}, \qquad
-\frac{\partial^2\theta}{\partial n^2}\bigg|_c = 2\beta_3, \qquad
\frac{d\theta^*}{dc} = \frac{\beta_1 + \beta_2 + \beta_3 c}{2},$$

and so, at the reference budget $c = 0$, a sharpness of $4\beta_3/(\beta_1 + \beta_2)$. What
controlled runs estimate of either is Student-t about these, with a scale that is given.

This assumes that benchmarks reward what lowers the loss, and that the loss surface holds far beyond
its runs: the largest shipped took 4.84e19 FLOP, and the reference budget is 5.46e22. There the two
laws agree, and there only: elsewhere the best size of a translog grows as $C^{1/2}$, that of the
surface as $C^{\beta/(\alpha+\beta)}$, and the translog's optimum is flatter the larger the budget.
Errors of several skills count as independent, though one extrapolation moves them all: the scales
ought to cover it.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpyro.distributions as dist
from jaxtyping import Array, Float

from skillscale.law.evidence import SlopeEvidence

TAIL = 4.0
"""Degrees of freedom: so few that evidence far from what the scores say gives way to them."""
SMALLEST_GROWTH = 0.02
"""Growth of a skill per e-fold of compute below which sharpness is held finite. The prior's mean
is 0.6, and at 0.1 sharpness comes out 2 % smaller."""
SMALLEST_SHARPNESS = 0.05
"""Sharpness below which the optimum is held finite; at 0.35 it comes out 1 % nearer."""


def at_reference_budget(
    slope: Float[Array, "*s input"],
) -> tuple[Float[Array, "*s"], Float[Array, "*s"]]:
    """Log of a translog's best size over the reference size, and how sharp that optimum is.

    Both are finite and have finite gradients for all slopes, so that a sampler can pass where there
    is no optimum: a skill that does not grow is taken to grow a little, and an optimum that is not
    sharp to be far away.

    >>> log_params, sharpness = at_reference_budget(jnp.array([1.0, 0.6, 0.2]))
    >>> round(float(log_params), 2), round(float(sharpness), 2)
    (1.0, 0.5)
    """
    size, tokens, interaction = jnp.moveaxis(slope, -1, 0)
    growth = _held_above(SMALLEST_GROWTH, (size + tokens) / 2)
    sharpness = 2 * interaction / growth
    return (size - tokens) / growth / _held_above(SMALLEST_SHARPNESS, sharpness), sharpness


def log_likelihood(evidence: SlopeEvidence, slope: Float[Array, "*s input"]) -> Float[Array, "*s"]:
    """Log density of what controlled runs say of a skill, were these its slopes.

    >>> evidence = SlopeEvidence("knowledge", 1.0, 0.5, 0.5, 0.1)
    >>> slopes = jnp.array([[1.0, 0.6, 0.2], [1.0, 0.6, 0.0]])
    >>> [round(value, 1) for value in log_likelihood(evidence, slopes).tolist()]
    [1.0, -14.9]
    """
    log_params, sharpness = at_reference_budget(slope)
    of_log_params = dist.StudentT(TAIL, evidence.log_params, evidence.log_params_sd)
    of_sharpness = dist.StudentT(TAIL, evidence.sharpness, evidence.sharpness_sd)
    return of_log_params.log_prob(log_params) + of_sharpness.log_prob(sharpness)


def _held_above(smallest: float, values: Float[Array, "*s"]) -> Float[Array, "*s"]:
    """Positive values nearly as they are, all others at the smallest, without a kink."""
    return jnp.sqrt(jnp.maximum(values, 0) ** 2 + smallest**2)
