"""From a table to the arrays the model is written in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
import pandas as pd
from jaxtyping import Array, Bool, Float, Int

from skillscale.data.table import Table
from skillscale.errors import SpecError
from skillscale.law.benchmarks import chosen_benchmarks
from skillscale.law.exploratory import is_below_diagonal
from skillscale.law.membership import OneHot
from skillscale.law.production import FORMS, Form
from skillscale.law.sites import Fitted
from skillscale.law.spec import Spec

COVARIATES = ("instruct", "date", "instruct:date")
PERIOD = 0.5
"""Years over which the pace of progress is taken for constant."""


class Observations(NamedTuple):
    """Arrays of a table. A fold is the same observations with another ``is_observed``."""

    score: Float[Array, "benchmark model"]
    """Observed scores, zero where there is none. Benchmarks come first because XLA's vector
    code wants the long dimension last: a gradient takes a third of the time of gathered rows."""
    is_observed: Bool[Array, "benchmark model"]
    """False where there is no score, or a fold hides it."""
    log_params: Float[Array, " model"]
    """Log of active parameters, centred at the reference size."""
    log_tokens: Float[Array, " model"]
    """Log of tokens, centred; where not published, the mean of its prior."""
    log_tokens_sd: Float[Array, " model"]
    """Prior standard deviation of unpublished log tokens, zero where published."""
    covariates: Float[Array, "model covariate"]
    """Instruct (0 or 1), release date (years from the reference) and their product; then, relative
    to the reference, the share of every period of the trend that has passed, and that share times
    instruct; per model."""
    in_family: OneHot
    """The family of every model."""
    in_branch: OneHot
    """The branch of every family: its lineage and tuning."""
    in_lineage: OneHot
    """The lineage of every branch."""
    chance: Float[Array, " benchmark"]
    n_items: Float[Array, " benchmark"]

    @property
    def is_seen(self) -> Bool[Array, " model"]:
        """Whether a model has a score: a fold may hide all that it has."""
        return self.is_observed.any(axis=0)


class ModelInputs(NamedTuple):
    """What the law reads of models."""

    log_params: Float[Array, " model"]
    """Log of active parameters, centred at the reference size."""
    log_tokens: Float[np.ndarray, " model"]
    """Log of tokens, centred; where not published, the mean of its prior."""
    log_tokens_sd: Float[np.ndarray, " model"]
    """Prior standard deviation of unpublished log tokens, zero where published."""
    covariates: Float[Array, "model covariate"]


@dataclass(frozen=True)
class Design:
    """Observations with the names of everything they index.

    Attributes:
        observations: the arrays.
        coords: names along every dimension.
    """

    observations: Observations
    coords: dict[str, list[str]]
    is_anchor: Bool[np.ndarray, "benchmark skill"]
    """Where an anchor reads its own skill: named skills with loading one."""
    is_free: Bool[np.ndarray, "benchmark skill"]
    """Where it is a parameter."""

    @property
    def unpublished(self) -> Int[np.ndarray, " unpublished"]:
        """Positions of the models whose token count is not published."""
        return np.flatnonzero(np.asarray(self.observations.log_tokens_sd) > 0)

    @property
    def lineage_of_models(self) -> Int[np.ndarray, " model"]:
        """Position of the lineage of every model."""
        at = self.observations
        of_branch, of_family, of_model = (
            np.asarray(of.group) for of in (at.in_lineage, at.in_branch, at.in_family)
        )
        return of_branch[of_family[of_model]]

    def log_tokens(self, fitted: Fitted) -> Float[Array, "draw model"]:
        """Centred log tokens of every model: those not published as every draw has them."""
        log_tokens = np.tile(self.observations.log_tokens, (len(fitted.skill), 1))
        log_tokens[:, self.unpublished] = fitted.unpublished_log_tokens
        return jax.device_put(log_tokens)


def make_design(table: Table, spec: Spec) -> Design:
    """Arrays and names of the models that have a score on the chosen benchmarks.

    Args:
        table: models, scores and benchmarks.
        spec: skills, anchors and benchmarks, and the references at which inputs are centred.

    Returns:
        Observations, with benchmarks and models in the table's order, families and lineages in that
        of their names; and where anchors and free loadings are.

    Raises:
        SpecError: an anchor is not among the benchmarks, or has no score.
        UnknownNameError: a benchmark is not in the table.

    Example:
        >>> from skillscale.data.table import load_table
        >>> table = load_table("classic").select(families=["llama", "llama-2"])
        >>> spec = Spec(("knowledge",), ("mmlu",), benchmarks=("mmlu", "gsm8k"))
        >>> design = make_design(table, spec)
        >>> design.coords["family"], design.observations.score.shape
        (['llama', 'llama-2'], (2, 7))
        >>> design.is_anchor.tolist(), design.is_free.tolist()
        ([[True], [False]], [[False], [True]])
    """
    table = table.select(benchmarks=chosen_benchmarks(table, spec))
    scored = table.scores["benchmark"].unique()
    unusable = [name for name in spec.anchors if name not in scored]
    if unusable:
        raise SpecError(
            f"anchors without scores among the fitted benchmarks: {', '.join(unusable)}. "
            f"Benchmarks with scores: {', '.join(sorted(scored))}. Name skills and anchors among "
            "them in a specification (--spec; `skillscale spec --data DIRECTORY -o spec.toml` "
            "writes one to start from), or let the data find the skills (--skills 2)."
        )
    models, benchmarks = table.models, table.benchmarks
    families = models.groupby("family")["lineage"].first()
    branch_of = list(zip(families, tuning_of_families(models), strict=True))
    branches = sorted(set(branch_of))
    lineages = sorted(families.unique())
    grid = table.wide().T.to_numpy(dtype=float)
    inputs = model_inputs(models, spec)
    observations = Observations(
        score=jax.device_put(np.nan_to_num(grid).astype(np.float32)),
        is_observed=jax.device_put(~np.isnan(grid)),
        log_params=inputs.log_params,
        log_tokens=jax.device_put(inputs.log_tokens),
        log_tokens_sd=jax.device_put(inputs.log_tokens_sd),
        covariates=inputs.covariates,
        in_family=OneHot.of(list(models["family"]), list(families.index)),
        in_branch=OneHot.of(branch_of, branches),
        in_lineage=OneHot.of([lineage for lineage, _ in branches], lineages),
        chance=_floats(benchmarks["chance"]),
        n_items=_floats(benchmarks["n_items"]),
    )
    rows = np.array([benchmarks.index.get_loc(name) for name in spec.anchors])
    n_skill = len(spec.skills)
    is_anchor = np.zeros((len(benchmarks), n_skill), dtype=bool)
    is_anchor[rows, np.arange(n_skill)] = True
    is_free = np.ones_like(is_anchor)
    is_free[rows] = is_below_diagonal(n_skill) if spec.exploratory else False
    return Design(
        observations=observations,
        coords={
            "model": list(models.index),
            "family": list(families.index),
            "lineage": lineages,
            "benchmark": list(benchmarks.index),
            "skill": list(spec.skills),
            "input": list(FORMS[Form(spec.form)].inputs),
            "period": [f"{begin:g}" for begin in periods(spec)],
        },
        is_anchor=is_anchor,
        is_free=is_free,
    )


def tuning_of_families(models: pd.DataFrame) -> pd.Series:
    """Tuning of every family, which tells its branch: of its first model, where it has both.

    Args:
        models: ``family, tuning``, one row per model.

    Returns:
        Base or instruct, by family in the order of names.

    Example:
        >>> models = {"family": ["b", "a", "a"], "tuning": ["base", "base", "instruct"]}
        >>> tuning_of_families(pd.DataFrame(models)).to_dict()
        {'a': 'base', 'b': 'base'}
    """
    tuning: pd.Series = models.groupby("family")["tuning"].first()
    return tuning


def model_inputs(models: pd.DataFrame, spec: Spec) -> ModelInputs:
    """What the law reads of models; counts of one family tell those of it that are not published.

    Args:
        models: ``family, n_active_params, n_tokens`` (counts; NaN tokens are not published),
            ``tuning, release_year`` (a decimal year), one row per model.
        spec: references, trend and priors.

    Returns:
        Log of active parameters and log of tokens, centred at the references; the prior standard
        deviation of unpublished log tokens; covariates.

    Example:
        >>> from skillscale.data.table import load_table
        >>> models = load_table("classic").models.loc[["llama-2-7b", "qwen1.5-110b"]]
        >>> inputs = model_inputs(models, Spec())
        >>> inputs.log_params.shape, (inputs.log_tokens_sd > 0).tolist()
        ((2,), [False, True])
    """
    log_params, (mean, sd) = centred_log_params(models, spec), token_prior(models, spec)
    return ModelInputs(log_params, mean, sd, covariates(models, spec))


def centred_log_params(models: pd.DataFrame, spec: Spec) -> Float[Array, " model"]:
    """Log of active parameters over the reference size."""
    return _floats(np.log(models["n_active_params"] / spec.reference_params))


def covariates(models: pd.DataFrame, spec: Spec) -> Float[Array, "model covariate"]:
    """Instruct (0 or 1), years since the reference date, and periods of the trend passed since.

    Over a period the trend leaves its mean rate by a step of its own, taken evenly; what tuning
    adds does so too.
    """
    is_instruct = (models["tuning"] == "instruct").to_numpy(dtype=float)[:, None]
    years = models["release_year"].to_numpy(dtype=float) - spec.reference_year
    begins = np.array(periods(spec)) - spec.reference_year
    passed = np.clip((years[:, None] - begins) / PERIOD, 0, 1) - np.clip(-begins / PERIOD, 0, 1)
    columns = _columns(is_instruct, years[:, None], passed)
    return jax.device_put(columns.astype(np.float32))


def with_other_tuning(
    covariates: Float[np.ndarray, "*m covariate"],
) -> Float[np.ndarray, "*m covariate"]:
    """Covariates of the same models, were they tuned if they are base models, and the reverse."""
    n_own = len(COVARIATES)
    n_period = (covariates.shape[-1] - n_own) // 2
    years, passed = covariates[..., 1:2], covariates[..., n_own : n_own + n_period]
    return _columns(1 - covariates[..., :1], years, passed)


def _columns(
    is_instruct: Float[np.ndarray, "*m one"],
    years: Float[np.ndarray, "*m one"],
    passed: Float[np.ndarray, "*m period"],
) -> Float[np.ndarray, "*m covariate"]:
    of_tuned = is_instruct * years, is_instruct * passed
    return np.concatenate([is_instruct, years, of_tuned[0], passed, of_tuned[1]], axis=-1)


def periods(spec: Spec) -> list[float]:
    """Dates at which the periods of the trend begin."""
    return np.arange(spec.trend_from, spec.trend_until, PERIOD).tolist()


def token_prior(
    models: pd.DataFrame, spec: Spec
) -> tuple[Float[np.ndarray, " model"], Float[np.ndarray, " model"]]:
    """Centred log tokens and their standard deviation: zero where published.

    An unpublished count is expected at the mean of the published ones of the same family and, for
    a family that publishes none, at the reference count grown with the release date.
    """
    log_tokens = np.log(models["n_tokens"] / spec.reference_tokens)
    in_family = log_tokens.groupby(models["family"]).transform("mean")
    trend = spec.priors.tokens_growth * (models["release_year"] - spec.reference_year)
    sd = np.where(in_family.notna(), spec.priors.tokens_sd_within_family, spec.priors.tokens_sd)
    mean = log_tokens.fillna(in_family).fillna(trend)
    return (
        mean.to_numpy(dtype=np.float32),
        np.where(log_tokens.notna(), 0.0, sd).astype(np.float32),
    )


def _floats(values: pd.Series) -> Float[Array, " n"]:
    # Where jnp.asarray compiles a program for every shape.
    return jax.device_put(values.to_numpy(dtype=np.float32))
