"""What is asked of a fit: models observed and planned, their scores, and whom they are related to.

A question is built once, from frames, and holds arrays; the answers to it (conditioning, weighing,
drawing) see nothing else of what a user gave.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import jax
import numpy as np
import pandas as pd
from jaxtyping import Array, Float, Int

from skillscale.data.plan import describe
from skillscale.errors import TableError
from skillscale.forecasts.conditioning import Inputs, Lineup, Relatives, Scores
from skillscale.law.design import ModelInputs, model_inputs, tuning_of_families
from skillscale.law.sites import Draws
from skillscale.posterior.result import Fit

DESCRIBED = ["family", "lineage", "tuning", "release"]


@dataclass(frozen=True, eq=False)
class Question:
    """A forecast that is asked for. Build it with `ask`.

    Arrays hold the observed models first, then the planned ones, each padded with unobserved
    siblings: of these nothing is known, so they change no forecast, and compiled programs are used
    again.

    Attributes:
        observed: the observed models as they are described, one row each, without their scores.
        planned: the planned models, likewise.
        benchmarks: names of benchmarks.
        scores: those of the observed models, padded; None where none is observed.
        siblings: scores of fitted models, as far as they are of the families asked about.
        belongs: one where a planned model is of a family.
        inputs: size, tokens and covariates of observed and planned models.
        same_model: for each of them the position of its name: a model that is both observed and
            planned has one token count.
        relatives: positions in the fit of the models of their lineages.
        relatives_inputs: size, tokens and covariates of these.
        among_new: who shares a lineage or family among the models asked about.
        with_fitted: the same of these, in rows, and their fitted relatives.
        among_fitted: the same among the relatives.
    """

    observed: pd.DataFrame
    planned: pd.DataFrame
    benchmarks: list[str]
    scores: Scores | None
    siblings: Scores
    belongs: Float[np.ndarray, "planned family"]
    inputs: ModelInputs
    same_model: Int[np.ndarray, " model"]
    relatives: Int[np.ndarray, " fitted"]
    relatives_inputs: ModelInputs
    among_new: Relatives
    with_fitted: Relatives
    among_fitted: Relatives

    @property
    def n_seen(self) -> int:
        """Number of observed models, padding included."""
        return len(self.same_model) - len(self.belongs)

    def lineup(self, fit: Fit, draws: Draws, rng: np.random.Generator) -> Lineup:
        """The models asked about and their relatives, for every draw of the law.

        Args:
            fit: the fit that was asked.
            draws: its draws.
            rng: source of the token counts that are not published, from their prior.

        Returns:
            What the law reads of them, with the skills of the relatives and who is related to whom.
        """
        skill = np.asarray(draws.fitted.skill)
        log_tokens = np.asarray(fit.design.log_tokens(draws.fitted))
        n_names = len(np.unique(self.same_model))
        noise = rng.standard_normal((len(skill), n_names))[:, self.same_model]
        mean, sd = (np.asarray(p) for p in (self.inputs.log_tokens, self.inputs.log_tokens_sd))
        return Lineup(
            new=Inputs(
                self.inputs.log_params,
                jax.device_put((mean + sd * noise).astype(np.float32)),
                self.inputs.covariates,
            ),
            fitted=Inputs(
                self.relatives_inputs.log_params,
                jax.device_put(log_tokens[:, self.relatives]),
                self.relatives_inputs.covariates,
            ),
            fitted_skill=skill[:, self.relatives],
            form=fit.spec.form,
            among_new=self.among_new,
            with_fitted=self.with_fitted,
            among_fitted=self.among_fitted,
        )


def ask(fit: Fit, plan: pd.DataFrame, observed: pd.DataFrame | None = None) -> Question:
    """Ask a fit for a forecast.

    Args:
        fit: a fitted law.
        plan: models to forecast, as in `forecast`.
        observed: models with scores, likewise.

    Returns:
        The question, as arrays.

    Raises:
        TableError: the plan has no rows, or an observed model is in the fit already.
        KeyError: a frame lacks the size or tokens of its models.
        ValueError: a release is not ``YYYY-MM``, or a count is no number.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> plan = {"model": ["b"], "family": "llama", "n_params": 90e9, "n_tokens": 2e12}
        >>> len(ask(fit, pd.DataFrame(plan)).relatives)
        4
    """
    if plan.empty:
        raise TableError(["plan: there are no rows. Name at least one model to forecast."])
    seen, planned = _described(plan, observed, fit)
    padded_seen, padded_planned = _padded(seen, 2), _padded(planned, 4)
    new = pd.concat([padded_seen, padded_planned]) if len(seen) else padded_planned
    families = pd.Index(new["family"].unique())
    fitted = fit.models
    relatives = np.flatnonzero(fitted["lineage"].isin(new["lineage"]))
    # Together, because a family's published token counts tell those that are not.
    columns = ["family", "n_active_params", "n_tokens", "tuning", "release_year"]
    inputs = model_inputs(pd.concat([fitted[columns], new[columns]]), fit.spec)
    of_fitted, of_new = (
        ModelInputs(*(np.asarray(part)[rows] for part in inputs))  # type: ignore[arg-type]
        for rows in (relatives, np.arange(len(fitted), len(fitted) + len(new)))
    )
    names = pd.Index(new.index.unique())
    tuning = tuning_of_families(pd.concat([fitted, new]))
    asked, known = (
        (models.assign(tuning=models["family"].map(tuning)), sizes)
        for models, sizes in (
            (new, of_new.log_params),
            (fitted.iloc[relatives], of_fitted.log_params),
        )
    )
    return Question(
        observed=seen,
        planned=planned,
        benchmarks=fit.design.coords["benchmark"],
        scores=_scores_seen(observed, padded_seen, fit, families),
        siblings=_scores_in_fit(fit, relatives, families),
        belongs=_one_hot(padded_planned, families),
        inputs=of_new,
        same_model=names.get_indexer(new.index),
        relatives=relatives,
        relatives_inputs=of_fitted,
        among_new=_relatives(*asked, *asked),
        with_fitted=_relatives(*asked, *known),
        among_fitted=_relatives(*known, *known),
    )


def _described(
    plan: pd.DataFrame, observed: pd.DataFrame | None, fit: Fit
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Observed and planned models, described alike."""
    known = fit.table.models
    if observed is None:
        return describe(plan.iloc[:0], known), describe(plan, known)
    repeated = [name for name in observed["model"] if name in fit.design.coords["model"]]
    if repeated:
        raise TableError(
            [
                f"observed: {', '.join(repeated)} is in the fit already, with its scores. "
                "Leave it out, or fit again without it."
            ]
        )
    seen = describe(observed, known)
    if seen["family"].nunique() == 1:
        plan = plan.copy()
        given = plan["family"] if "family" in plan else pd.Series(None, plan.index, dtype=object)
        plan["family"] = given.astype(object).fillna(seen["family"].iloc[0])
    return seen, describe(plan, pd.concat([known[DESCRIBED], seen[DESCRIBED]]))


def _padded(models: pd.DataFrame, base: int) -> pd.DataFrame:
    """Add unobserved siblings up to a power of the base."""
    n_missing = _next_power(len(models), base) - len(models)
    if models.empty or not n_missing:
        return models
    names = [f"{models.index[-1]} (unobserved sibling {i})" for i in range(n_missing)]
    return pd.concat([models, models.iloc[[-1] * n_missing].set_axis(names)])


def _next_power(n: int, base: int) -> int:
    return base ** math.ceil(math.log(max(n, 1), base) - 1e-9)


def _one_hot(models: pd.DataFrame, families: pd.Index) -> Float[np.ndarray, "model family"]:
    """Membership in families, with columns up to a power of four."""
    n_columns = _next_power(len(families), 4)
    position = families.get_indexer(pd.Index(models["family"]))
    return (position[:, None] == np.arange(n_columns)[None, :]).astype(np.float32)


def _relatives(
    rows: pd.DataFrame,
    row_sizes: Float[Array, " a"],
    columns: pd.DataFrame,
    column_sizes: Float[Array, " b"],
) -> Relatives:
    """Who shares a lineage, a branch and a family with whom; tuning is that of the family."""

    def same(left: pd.Series | pd.Index, right: pd.Series | pd.Index) -> Float[np.ndarray, "a b"]:
        return (left.to_numpy()[:, None] == right.to_numpy()[None, :]).astype(float)

    lineage, tuning, family = (
        same(rows[name], columns[name]) for name in ("lineage", "tuning", "family")
    )
    sizes = np.outer(np.asarray(row_sizes, float), np.asarray(column_sizes, float))
    own = same(rows.index, columns.index)
    return Relatives(lineage, lineage * tuning, family, family * sizes, own)


def _scores_in_fit(fit: Fit, fitted: Int[np.ndarray, " fitted"], families: pd.Index) -> Scores:
    """Scores of fitted models, as far as they are of the families of new models."""
    observations = fit.design.observations
    return Scores(
        jax.device_put(np.asarray(observations.score)[:, fitted]),
        jax.device_put(np.asarray(observations.is_observed)[:, fitted]),
        jax.device_put(_one_hot(fit.models.iloc[fitted], families)),
        observations.chance,
        observations.n_items,
    )


def _scores_seen(
    observed: pd.DataFrame | None, seen: pd.DataFrame, fit: Fit, families: pd.Index
) -> Scores | None:
    """Scores of observed models and of their unobserved siblings, which have none."""
    if observed is None or seen.empty:
        return None
    observations = fit.design.observations
    benchmarks = fit.design.coords["benchmark"]
    values = observed.set_index("model").reindex(index=seen.index, columns=benchmarks)
    scores = values.to_numpy(dtype=float).T
    return Scores(
        jax.device_put(np.nan_to_num(scores).astype(np.float32)),
        jax.device_put(~np.isnan(scores)),
        jax.device_put(_one_hot(seen, families)),
        observations.chance,
        observations.n_items,
    )
