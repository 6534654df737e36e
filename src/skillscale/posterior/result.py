"""A posterior, with everything needed to use it again: the result of `fit`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Array, Float, Int

from skillscale.data.table import Table
from skillscale.law.design import Design, Observations, make_design
from skillscale.law.equation import expected_score
from skillscale.law.scores import Scatter, given_siblings, scatter
from skillscale.law.sites import SITES, Draws, Site, build, sites_of
from skillscale.law.spec import Spec
from skillscale.posterior import storage


@dataclass(frozen=True, eq=False, repr=False)
class Fit:
    """A posterior, with everything needed to use it again.

    Attributes:
        tree: ArviZ tree with the groups ``posterior`` (dims ``chain, draw`` and the names of
            families, models, benchmarks and skills) and ``sample_stats``.
        table: the data it was fitted to.
        spec: the specification.
        provenance: seed, method and its options, package versions, hash of the data.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> fit
        Fit(23 models of 4 families, 2 benchmarks, 2 skills, 200 draws by svi)
        >>> fit.tree.posterior["slope"].dims
        ('chain', 'draw', 'input', 'skill')
    """

    tree: xr.DataTree
    table: Table
    spec: Spec
    provenance: Mapping[str, object]

    def __repr__(self) -> str:
        sizes = self.tree.posterior.sizes
        return (
            f"Fit({sizes['model']} models of {sizes['family']} families, "
            f"{sizes['benchmark']} benchmarks, {sizes['skill']} skills, "
            f"{sizes['chain'] * sizes['draw']} draws by {self.provenance['method']})"
        )

    @cached_property
    def design(self) -> Design:
        """Arrays and names of the data fitted."""
        return make_design(self.table, self.spec)

    @cached_property
    def models(self) -> pd.DataFrame:
        """What is known of the fitted models, in the order of the dimension ``model``."""
        return self.table.models.loc[self.design.coords["model"]]

    def draws(self, n: int | None = None) -> Draws:
        """Posterior draws of every parameter, chains joined.

        Args:
            n: at most so many draws, evenly spaced; all of them by default.

        Returns:
            Parameters of the law and of the fitted models, with the draws as first axis of each.

        Example:
            >>> import skillscale as sk
            >>> table = sk.load_table("classic").select(
            ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
            ... )
            >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
            >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
            >>> fit.draws(50).law.growth.slope.shape, fit.draws().fitted.skill.shape
            ((50, 3, 2), (200, 23, 2))
        """
        values = {name: self._drawn(site, n) for name, site in sites_of(Draws).items()}
        return build(Draws, values)

    def thin(self, n: int) -> Fit:
        """Keep some draws of every chain, evenly spaced.

        Args:
            n: draws to keep per chain; all of them where there are fewer.

        Returns:
            A smaller fit of the same data; ``thinned_from`` in its provenance is the number before.

        Example:
            >>> import skillscale as sk
            >>> table = sk.load_table("classic").select(
            ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
            ... )
            >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
            >>> sk.fit(table, spec, method=sk.Svi(draws=200)).thin(50)
            Fit(23 models of 4 families, 2 benchmarks, 2 skills, 50 draws by svi)
        """
        n_draws = self.tree["posterior"].sizes["draw"]
        if n >= n_draws:
            return self
        kept = np.linspace(0, n_draws - 1, n).round().astype(int)
        tree = self.tree.copy()  # with all that the sampler did: energies are judged by steps
        tree["posterior"] = xr.DataTree(tree["posterior"].to_dataset().isel(draw=kept))
        return replace(self, tree=tree, provenance={"thinned_from": n_draws, **self.provenance})

    def units(self, n: int | None = None) -> Float[Array, "draw skill"]:
        """Units of the skills in every draw: ones where skills are named (see `exploratory`).

        Args:
            n: at most so many draws, evenly spaced; all of them by default.

        Returns:
            Positive factors, one for the first skill.

        Example:
            >>> import skillscale as sk
            >>> table = sk.load_table("classic").select(
            ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
            ... )
            >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
            >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
            >>> fit.units(50).shape, bool((fit.units() == 1).all())
            ((50, 2), True)
        """
        unit = SITES["unit"]
        if unit.stored in self.tree.posterior:
            return self._drawn(unit, n)
        return jax.device_put(np.ones((len(self._kept(n)), len(self.spec.skills)), np.float32))

    def _kept(self, n: int | None) -> Int[np.ndarray, " draw"]:
        """Positions of at most so many draws, evenly spaced."""
        sizes = self.tree.posterior.sizes
        total = sizes["chain"] * sizes["draw"]
        return np.unique(np.linspace(0, total - 1, min(n or total, total)).astype(int))

    def _drawn(self, site: Site, n: int | None) -> Float[Array, "draw ..."]:
        """Draws of one parameter, chains joined; nothing where the fit has no entries of it."""
        kept = self._kept(n)
        if site.stored not in self.tree.posterior:
            return jax.device_put(np.zeros((len(kept), 0), np.float32))
        values = self.tree.posterior[site.stored].to_numpy()
        return jax.device_put(np.concatenate(values)[kept])

    def likelihood(
        self, n: int | None = None
    ) -> tuple[
        Float[Array, "draw benchmark model"],
        Float[Array, "draw benchmark model"],
        Float[Array, " draw"],
    ]:
        """How scores of fitted models scatter, per draw (see `scores`).

        Args:
            n: at most so many draws, evenly spaced; all of them by default.

        Returns:
            Expected score of every model on every benchmark, observed or not, a fraction; the scale
            of the score about it, the family's affinity for the benchmark included; and the tail,
            the degrees of freedom of the Student-t.

        Example:
            >>> import skillscale as sk
            >>> table = sk.load_table("classic").select(
            ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
            ... )
            >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
            >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
            >>> [values.shape for values in fit.likelihood(50)]
            [(50, 2, 23), (50, 2, 23), (50,)]
        """
        draws = self.draws(n)
        expected = _scatter(draws, self.design.observations)
        return expected.mean, jnp.sqrt(expected.own + expected.affinity**2), draws.law.noise.tail

    def expected_scores(self, n: int | None = None) -> Float[Array, "draw benchmark model"]:
        """Expected score of every fitted model on every benchmark, observed or not.

        Args:
            n: at most so many draws, evenly spaced; all of them by default.

        Returns:
            Fractions, by the equation of the law (see `equation`).

        Example:
            >>> import skillscale as sk
            >>> table = sk.load_table("classic").select(
            ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
            ... )
            >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
            >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
            >>> fit.expected_scores(50).shape
            (50, 2, 23)
        """
        return _expected_scores(self.draws(n), self.design.observations.chance)

    def given_siblings(
        self, n: int | None = None
    ) -> tuple[
        Float[Array, "draw benchmark model"],
        Float[Array, "draw benchmark model"],
        Float[Array, "draw benchmark model"],
    ]:
        """Student-t distribution of every score given the others of its family (see `scores`).

        Args:
            n: at most so many draws, evenly spaced; all of them by default.

        Returns:
            Locations and scales (fractions) and degrees of freedom, also for scores not observed.

        Example:
            >>> import skillscale as sk
            >>> table = sk.load_table("classic").select(
            ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
            ... )
            >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
            >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
            >>> location, scale, degrees = fit.given_siblings(50)
            >>> location.shape, bool((scale > 0).all())
            ((50, 2, 23), True)
        """
        return _given_siblings(self.draws(n), self.design.observations)

    @property
    def observed_index(self) -> tuple[np.ndarray, np.ndarray]:
        """Positions (benchmark, model) of every observed score."""
        benchmark, model = np.nonzero(np.asarray(self.design.observations.is_observed))
        return benchmark, model

    def save(self, path: str | Path) -> None:
        """Write the fit to one netCDF file, all of it or nothing.

        Args:
            path: the file; one that is there is replaced.

        Raises:
            FitFileError: the file can't be written.

        Example:
            >>> import tempfile
            >>> import skillscale as sk
            >>> table = sk.load_table("classic").select(
            ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
            ... )
            >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
            >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
            >>> path = Path(tempfile.mkdtemp()) / "small.nc"
            >>> fit.save(path)
            >>> path.exists()
            True
        """
        storage.write(Path(path), self.tree, self.table, self.spec, self.provenance)

    @classmethod
    def load(cls, path: str | Path) -> Fit:
        """Read a fit that `save` has written.

        Args:
            path: the file.

        Returns:
            The fit, with the table, specification and provenance it was saved with.

        Raises:
            FitFileError: the file is missing, truncated, no fit, or of another schema.

        Example:
            >>> import tempfile
            >>> import skillscale as sk
            >>> table = sk.load_table("classic").select(
            ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
            ... )
            >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
            >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
            >>> path = Path(tempfile.mkdtemp()) / "small.nc"
            >>> fit.save(path)
            >>> sk.Fit.load(path)
            Fit(23 models of 4 families, 2 benchmarks, 2 skills, 200 draws by svi)
        """
        fit = cls(*storage.read(Path(path)))
        storage.require_draws(Path(path), fit.tree, fit.design)
        return fit


def _scatter_of_fitted(draw: Draws, observations: Observations) -> Scatter:
    law, skill = draw.law, draw.fitted.skill
    return scatter(law.benchmarks, law.noise, skill, observations.chance, observations.n_items)


@jax.jit
def _expected_scores(
    draws: Draws, chance: Float[Array, " benchmark"]
) -> Float[Array, "draw benchmark model"]:
    def one(draw: Draws) -> Float[Array, "benchmark model"]:
        return expected_score(draw.fitted.skill, draw.law.benchmarks.link(chance))

    return jax.vmap(one)(draws)


@jax.jit
def _scatter(draws: Draws, observations: Observations) -> Scatter:
    """Scatter of every fitted model, arrays of (draw, benchmark, model)."""
    return jax.vmap(_scatter_of_fitted, in_axes=(0, None))(draws, observations)


@jax.jit
def _given_siblings(
    draws: Draws, observations: Observations
) -> tuple[Float[Array, "draw benchmark model"], ...]:
    def one(draw: Draws) -> tuple[Array, ...]:
        return given_siblings(
            _scatter_of_fitted(draw, observations),
            observations.score,
            observations.is_observed,
            observations.in_family,
            draw.law.noise.tail,
        )

    return jax.vmap(one)(draws)
