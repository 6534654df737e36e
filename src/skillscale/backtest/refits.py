"""Posteriors of one table with models or a benchmark held out, all from one compiled program.

A fold is a mask over observations. The sampler starts each time from a Gaussian near the posterior
of what is left, found without the models held out. One near that of the whole table would serve
all folds, but it has seen the scores to be forecast, and a short run may remember where it began.
It was also a worse start: what only held-out models tell, such as progress after a cut, is far
wider without them (worst effective sizes of 1,000 draws before May 2024: 24, of the trend's steps,
and 55 from a start of its own, which takes three times as long as the run).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection
from functools import cached_property

import jax
import jax.numpy as jnp
import pandas as pd
import xarray as xr

from skillscale.data.table import Table
from skillscale.law.design import Design, Observations, make_design
from skillscale.law.spec import Spec
from skillscale.posterior.fit import name_draws, provenance_of
from skillscale.posterior.gaussian import Gaussian
from skillscale.posterior.hmc import Hmc
from skillscale.posterior.method import Method
from skillscale.posterior.potential import Potential, make_potential
from skillscale.posterior.result import Fit

METHOD = Hmc(chains=4, warmup=100, draws=250)
"""Method of back-tests: HMC as in a fit, with fewer draws."""


@dataclasses.dataclass(frozen=True, eq=False)
class Refits:
    """Fits of a table without some of its models, or one of its benchmarks.

    Attributes:
        table: all models.
        spec: the specification.
        method: how every posterior is found.
        seed: the only source of randomness.

    Example:
        >>> from skillscale import load_table
        >>> table = load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> from skillscale import Svi
        >>> refits = Refits(table, spec, Svi(draws=200))
        >>> refits.without(["llama-2-70b"])
        Fit(22 models of 4 families, 2 benchmarks, 2 skills, 200 draws by svi)
    """

    table: Table
    spec: Spec = dataclasses.field(default_factory=Spec)
    method: Method = METHOD
    seed: int = 0
    _last: dict[frozenset[str], Fit] = dataclasses.field(default_factory=dict, repr=False)
    _start: dict[frozenset[str], Gaussian] = dataclasses.field(default_factory=dict, repr=False)

    @cached_property
    def design(self) -> Design:
        """Arrays of the whole table."""
        return make_design(self.table, self.spec)

    @cached_property
    def potential(self) -> Potential:
        """The posterior as a function of which scores are observed."""
        return make_potential(self.design, self.spec)

    @property
    def _identity(self) -> tuple[str, Spec, Method, int]:
        return self.table.hash, self.spec, self.method, self.seed

    def __hash__(self) -> int:
        return hash(self._identity)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Refits) and self._identity == other._identity

    def __getstate__(self) -> dict[str, object]:
        """All but fits and compiled programs, which stay in their process."""
        kept = {k: v for k, v in self.__dict__.items() if k not in ("design", "potential")}
        return kept | {"_last": {}, "_start": {}}

    def without(self, held_out: Collection[str], seen: pd.DataFrame | None = None) -> Fit:
        """Fit the table without some models.

        Args:
            held_out: names of models; a family of which none is left is absent from the result.
            seen: scores of held-out models that count all the same, fractions, NaN where they
                don't, as a frame (model, benchmark).

        Returns:
            The posterior of what is left.

        Raises:
            SpecError: the specification does not fit the table, or an anchor is left without
                scores.
            UnknownNameError: a benchmark of the specification is not in the table.

        Example:
            See `Refits`.
        """
        models = self.table.models
        rest = self.table.without_models(models.index[models.index.isin(list(held_out))])
        start = self._start_without(frozenset(held_out), rest)
        if seen is not None:
            rest = rest.with_models(models.loc[seen.index], seen)
            start = self._approximate(rest, start)
        return self._fit(rest, self.spec, start)

    def without_again(self, held_out: frozenset[str]) -> Fit:
        """The same as `without`; the last one asked for is kept, since folds share it.

        Args:
            held_out: names of models.

        Returns:
            The posterior of what is left.

        Raises:
            SpecError: as in `without`.
            UnknownNameError: as in `without`.
        """
        if held_out not in self._last:
            self._last.clear()
            self._last[held_out] = self.without(held_out)
        return self._last[held_out]

    def without_benchmark(self, name: str) -> Fit:
        """Fit the table without the scores of one benchmark, which is absent from the result.

        Args:
            name: a benchmark that is no anchor.

        Returns:
            The posterior of the others.

        Raises:
            SpecError: the benchmark is an anchor, or the specification does not fit the table.
            UnknownNameError: a benchmark of the specification is not in the table.
        """
        others = tuple(other for other in self.design.coords["benchmark"] if other != name)
        spec = dataclasses.replace(self.spec, benchmarks=others)
        rest = self.table.select(benchmarks=others)
        # Still listed, for what it is may be asked when it is added again.
        rest = dataclasses.replace(rest, benchmarks=self.table.benchmarks)
        return self._fit(rest, spec)

    def _start_without(self, held_out: frozenset[str], rest: Table) -> Gaussian:
        """Where to start without some models; the last start is kept, for what is seen of them."""
        if held_out not in self._start:
            self._start.clear()
            self._start[held_out] = self._approximate(rest)
        return self._start[held_out]

    def _approximate(self, rest: Table, near: Gaussian | None = None) -> Gaussian:
        """Where to start with a part of the table."""
        masked = self._masked(rest, make_design(rest, self.spec))
        return self.method.approximate(self.potential, masked, jax.random.key(self.seed), near)

    def _masked(self, rest: Table, kept: Design) -> Observations:
        """Observations of which only those of a part of the table are seen."""
        observations, names = self.design.observations, self.design.coords
        scores = rest.wide()[kept.coords["benchmark"]]
        is_kept = scores.reindex(index=names["model"], columns=names["benchmark"]).notna()
        return observations._replace(
            is_observed=observations.is_observed & jnp.asarray(is_kept.to_numpy().T)
        )

    def _fit(self, rest: Table, spec: Spec, start: Gaussian | None = None) -> Fit:
        """Posterior of a part of the table: other scores are masked, and their names left out."""
        kept = make_design(rest, spec)
        # Skills are measured from what the law expects of models with scores: those of the fold.
        of_fold = dataclasses.replace(self.design, observations=self._masked(rest, kept))
        key = jax.random.key(self.seed + 1)
        chains = self.method.run(self.potential, of_fold.observations, key, lambda *_: None, start)
        tree = name_draws(chains, self.potential, of_fold, self.seed)
        unpublished = [kept.coords["model"][i] for i in kept.unpublished]
        posterior = tree.posterior.to_dataset().sel(
            {name: kept.coords[name] for name in ("model", "family", "benchmark")}
        )
        if "unpublished" in posterior.dims:
            posterior = posterior.sel(unpublished=unpublished)
        groups = {name: node.to_dataset() for name, node in tree.children.items()}
        provenance = provenance_of(self.method, self.seed, rest)
        tree = xr.DataTree.from_dict(groups | {"posterior": posterior})
        return Fit(tree, rest, spec, provenance)
