"""Scores drawn from the model."""

from __future__ import annotations

import jax
from numpyro.handlers import seed as seeded
from numpyro.handlers import substitute, trace

from skillscale.law.model import make_model


def simulate(design, spec, key, **known):
    """Scores and true parameters drawn from the model, some of them held at known values."""
    model = substitute(make_model(design, spec), data=known)

    def draw(key, observations):
        sites = trace(seeded(model, key)).get_trace(observations)
        score = sites["score"]["fn"]
        values = {name: site["value"] for name, site in sites.items() if site["type"] != "plate"}
        return values | {
            "score": score.sample(jax.random.fold_in(key, 1)),
            "expected_score": score.expected.mean,
        }

    return jax.jit(jax.vmap(draw, in_axes=(0, None)))(key, design.observations)
