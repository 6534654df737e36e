"""Fit the law to a table, and name its draws."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import jax
import numpy as np
import xarray as xr
from jax.stages import Wrapped
from jaxtyping import Array, Float

from skillscale.data.table import Table, load_table
from skillscale.errors import SkillscaleError
from skillscale.files import versions
from skillscale.law.design import COVARIATES, Design, Observations, make_design
from skillscale.law.sites import SITES
from skillscale.law.spec import Spec
from skillscale.posterior.chains import Chains
from skillscale.posterior.checkpoint import opened
from skillscale.posterior.hmc import DEFAULT
from skillscale.posterior.method import Method, name_and_options
from skillscale.posterior.potential import Energy, Flat, Potential, make_potential
from skillscale.posterior.programs import compile_ahead, over_draws
from skillscale.posterior.result import Fit

NAMED_AT_ONCE = 64
"""Draws named in one pass: with thousands of models all of them would not fit into memory."""
NAMED = 4 * NAMED_AT_ONCE
"""Draws named by a thread: one program, however many draws there are."""


def fit(
    table: Table | None = None,
    spec: Spec | None = None,
    *,
    method: Method | None = None,
    seed: int = 0,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    checkpoint: str | Path | None = None,
) -> Fit:
    """Fit the law to a table of scores (its equations stand in `model`).

    Args:
        table: models, scores and benchmarks; all that ships by default.
        spec: skills, benchmarks and priors; the declared configuration by default.
        method: ``Hmc(...)``, or ``Svi(...)`` for a quick approximation; by default HMC until every
            parameter has 450 effective draws.
        seed: the only source of randomness; the same seed gives the same draws.
        on_progress: called with the steps done and all steps, for a progress bar.
        checkpoint: a directory for steps as they are done, made if need be. A fit that was stopped
            goes on from what is there, to the same draws; delete it once the fit is saved.

    Returns:
        The posterior, as a frozen `Fit`.

    Raises:
        SpecError: the specification does not fit the table.
        UnknownNameError: a benchmark of the specification is not in the table.
        FitFileError: the checkpoint is of another fit, in use, or can't be written.
        SkillscaleError: draws are not finite.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> fit.expected_scores().shape
        (200, 2, 23)
    """
    table = load_table() if table is None else table
    spec = Spec() if spec is None else spec
    method = DEFAULT if method is None else method
    design = make_design(table, spec)
    potential = make_potential(design, spec)
    provenance = provenance_of(method, seed, table)
    identity = {"spec": spec.to_dict(), **provenance}
    del identity["date"]
    folder = None if checkpoint is None else Path(checkpoint)
    with opened(folder, identity) as journal:
        key = jax.random.key(seed)
        method.prepare(potential, design.observations)
        _prepare(potential, design.observations)
        chains = method.run(potential, design.observations, key, on_progress, journal=journal)
    return Fit(name_draws(chains, potential, design, seed), table, spec, provenance)


def provenance_of(method: Method, seed: int, table: Table) -> dict[str, object]:
    """Where a fit is from: method and options, seed, hash of the data, package versions.

    Args:
        method: how the posterior was found.
        seed: its source of randomness.
        table: the data fitted.

    Returns:
        Plain values: ``method, options, seed, data_hash, versions`` and the ``date``.

    Example:
        >>> from skillscale.posterior.svi import Svi
        >>> provenance = provenance_of(Svi(draws=200), 0, load_table("classic"))
        >>> provenance["method"], provenance["options"]["draws"]
        ('svi', 200)
    """
    name, options = name_and_options(method)
    return {
        "method": name,
        "options": options,
        "seed": seed,
        "date": datetime.now(UTC).date().isoformat(),
        "data_hash": table.hash,
        "versions": versions(),
    }


def name_draws(chains: Chains, potential: Potential, design: Design, seed: int = 0) -> xr.DataTree:
    """Name the draws of all chains.

    Args:
        chains: draws of flat parameters, and the sampler's statistics.
        potential: the posterior they are of.
        design: arrays and names of the table fitted.
        seed: source of randomness of what is drawn given the other parameters.

    Returns:
        ArviZ tree with the group ``posterior``, of dims ``chain, draw`` and those that `Draws`
        declares, and, where there are statistics, ``sample_stats``.

    Raises:
        SkillscaleError: a draw is not finite.

    Example:
        >>> spec = Spec(("knowledge",), ("mmlu",), benchmarks=("mmlu",))
        >>> design = make_design(load_table("classic").select(families=["llama", "llama-2"]), spec)
        >>> potential = make_potential(design, spec)
        >>> start = Chains(np.asarray(potential.start)[None, None], {})
        >>> name_draws(start, potential, design).posterior["efficiency"].dims
        ('chain', 'draw', 'family', 'skill')
    """
    if not np.isfinite(chains.flat).all():
        raise SkillscaleError(
            "the posterior could not be sampled: draws are not finite. "
            "Check the table for extreme values, or try another seed."
        )
    n_chain, n_draw, size = chains.flat.shape
    keys = jax.random.split(jax.random.key(seed), n_chain * n_draw)
    draws = chains.flat.reshape(-1, size), keys
    sites = over_draws(_naming(potential), draws, design.observations, together=NAMED)
    posterior = {
        SITES[name].stored: value.reshape(n_chain, n_draw, *value.shape[1:])
        for name, value in sites.items()
    }
    unpublished = [design.coords["model"][i] for i in design.unpublished]
    coords = design.coords | {
        "covariate": list(COVARIATES),
        "unpublished": unpublished,
    }
    dims = {site.stored: list(site.dims) for site in SITES.values()}
    groups = {"posterior": posterior}
    if chains.stats:
        groups["sample_stats"] = dict(chains.stats)
    import arviz_base as az  # half a second

    return az.from_dict(groups, coords=coords, dims=dims)


def _naming(potential: Potential) -> Wrapped:
    return potential.program(_named, constrain=potential.constrain)


def _prepare(potential: Potential, observations: Observations) -> None:
    """Compile what names draws while they are sampled."""
    flat = np.zeros((NAMED, potential.start.size), np.float32)
    keys = jax.eval_shape(partial(jax.random.split, num=NAMED), jax.random.key(0))
    compile_ahead(_naming(potential), (flat, keys), observations)


def _named(
    energy: Energy,
    draws: tuple[Float[Array, "draw parameter"], Array],
    observations: Observations,
    *,
    constrain: Callable[[Flat, Observations, Array], dict[str, Array]],
) -> dict[str, Array]:
    """The sites of every draw, some draws at once."""
    return jax.lax.map(
        lambda draw: constrain(draw[0], observations, draw[1]),
        draws,
        batch_size=NAMED_AT_ONCE,
    )
