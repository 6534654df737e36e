"""Forecast scores of models: of a family in the fit, of a new one, or of one never observed."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
import xarray as xr

from skillscale.forecasts.changes import changes, medians
from skillscale.forecasts.examination import Examined, examine, silent
from skillscale.forecasts.prediction import Prediction, predict
from skillscale.intervals import INTERVALS, summarise
from skillscale.posterior.method import Method
from skillscale.posterior.result import Fit

SOURCES = ("item_noise", "discrepancy", "family", "parameters")
REFIT_DRAWS = 500
"""By chain, of the fit that takes in observed scores which the law did not expect."""


def forecast(
    fit: Fit,
    plan: pd.DataFrame,
    observed: pd.DataFrame | None = None,
    *,
    n_draws: int = 1000,
    seed: int = 0,
    refit: Method | bool = True,
    keep_doubted: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_note: Callable[[str], None] = silent,
) -> xr.Dataset:
    """Forecast the scores of planned models, by conditioning (see `conditioning`).

    Args:
        fit: a fitted law.
        plan: one row per model to forecast: ``model, n_params, n_tokens`` (counts), and where
            known ``family, lineage, tuning, release, n_active_params``. A family or lineage that
            is in the fit lends its efficiency; rows without a family belong to one new family.
        observed: models of new (or fitted) families with scores: the columns of ``plan`` and one
            per benchmark, fractions, NaN where not evaluated. A model that is also in ``plan``
            is forecast on the benchmarks it was not evaluated on.
        n_draws: draws of the law to use.
        seed: source of randomness.
        refit: whether to fit again, with the observed models, where the draws of the law don't
            stretch to their scores (minutes, where a forecast takes a fraction of a second), or
            by which method. False leaves the intervals approximate then.
        keep_doubted: let scores count that contradict the rest (see `doubts`); they are left out
            by default.
        on_progress: told the steps done and all steps of that fit.
        on_note: told what is assumed, doubted, and beyond the data, a sentence each.

    Returns:
        Dataset with dims ``model, benchmark``: ``mean, median, lower_50, upper_50, lower_80,
        upper_80, lower_95, upper_95`` (fractions), ``variance_share`` (dim ``source``: item
        noise, model discrepancy, family, shared parameters) and ``draws`` (dim ``draw``).
        Attribute ``pareto_k`` tells how well the draws of the law stretch to the observed scores
        (above 0.7 they don't), ``is_refit`` whether it was fitted again; ``assumed``, ``outside``
        and ``doubts`` are lists of sentences: what was not said, which planned models lie outside
        the models of the fit, and what contradicts the rest; ``changes``, how much doubted scores
        matter, and a release that was assumed; ``n_draws, seed, keep_doubted`` as they were given.

    Raises:
        TableError: a frame breaks its schema, which the error says for every row; an observed model
            is in the fit already; or a plan is so far outside the fit that it means nothing.
        ValueError: there are fewer than 25 draws to weigh by observed scores.
        SkillscaleError: it was fitted again, and draws are not finite.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> plan = pd.DataFrame({"model": ["a-70b"], "n_params": [70e9], "n_tokens": [15e12]})
        >>> result = sk.forecast(fit, plan, n_draws=200)
        >>> bool(result["lower_95"].sel(model="a-70b", benchmark="mmlu") < result["mean"][0, 0])
        True
    """
    examined = examine(fit, plan, observed, keep_doubted=keep_doubted, seed=seed, on_note=on_note)
    result = forecast_examined(
        fit,
        plan,
        examined,
        n_draws=n_draws,
        seed=seed,
        refit=refit,
        on_progress=on_progress,
        on_note=on_note,
    )
    return result.assign_attrs(keep_doubted=int(keep_doubted))


def forecast_examined(
    fit: Fit,
    plan: pd.DataFrame,
    examined: Examined,
    *,
    n_draws: int = 1000,
    seed: int = 0,
    refit: Method | bool = True,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_note: Callable[[str], None] = silent,
) -> xr.Dataset:
    """Forecast what was examined already: arguments and errors as in `forecast`.

    So is the result, but for whether doubted scores were kept.
    """
    result = answer(fit, examined, n_draws=n_draws, seed=seed, refit=refit, on_progress=on_progress)
    before = result["median"].to_numpy().T
    if result.attrs["is_refit"]:  # which what it is compared with is not
        before = medians(fit, examined.question, n_draws, seed)
    said = changes(fit, plan, examined, before, n_draws=n_draws, seed=seed)
    for sentence in said:
        on_note(sentence)
    return result.assign_attrs(changes=said, n_draws=n_draws, seed=seed)


def answer(
    fit: Fit,
    examined: Examined,
    *,
    n_draws: int,
    seed: int,
    refit: Method | bool,
    on_progress: Callable[[int, int], None],
) -> xr.Dataset:
    """Forecast what was examined: arguments, result and errors as in `forecast`."""
    again, observed = None, examined.observed
    if observed is not None and refit is not False:
        method = None if refit is True else refit
        again = partial(_fit_again, fit, observed, method, seed=seed, on_progress=on_progress)
    result = _summarise(predict(fit, examined.question, n_draws=n_draws, seed=seed, refit=again))
    return result.assign_attrs(examined.attrs)


def forecast_rows(result: xr.Dataset) -> list[dict[str, str | float | None]]:
    """A forecast in long format: one row per model and benchmark, as the command line prints it.

    Args:
        result: as `forecast` gives it.

    Returns:
        Rows of ``model, family, benchmark, mean, median, lower_50, ..., upper_95`` (fractions) and
        ``share_item_noise, share_discrepancy, share_family, share_parameters`` (of the variance);
        ``outside``, in which respects the model lies outside the fit, ``assumed`` and ``doubts``,
        sentences about all that was asked; None where there is nothing to say.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> plan = pd.DataFrame({"model": ["a-70b"], "n_params": [70e9], "n_tokens": [15e12]})
        >>> rows = forecast_rows(sk.forecast(fit, plan, n_draws=200))
        >>> [(row["model"], row["benchmark"]) for row in rows]
        [('a-70b', 'mmlu'), ('a-70b', 'gsm8k')]
    """
    columns = ["mean", "median"]
    columns += [f"{end}_{interval}" for interval in INTERVALS for end in ("lower", "upper")]
    said = {name: " ".join(result.attrs[name]) or None for name in ("assumed", "doubts")}
    rows = []
    for model in result["model"].to_numpy():
        own = [s for s in result.attrs["outside"] if s.startswith(f"{model}: ")]
        for benchmark in result["benchmark"].to_numpy():
            cell = result.sel(model=model, benchmark=benchmark)
            row: dict[str, str | float | None] = {
                "model": str(model),
                "family": str(cell["family"].item()),
                "benchmark": str(benchmark),
            }
            row |= {name: float(cell[name]) for name in columns}
            row |= {
                f"share_{source}": float(cell["variance_share"].sel(source=source))
                for source in SOURCES
            }
            rows.append(row | {"outside": " ".join(own) or None, **said})
    return rows


def _fit_again(
    fit: Fit,
    observed: pd.DataFrame,
    method: Method | None,
    described: pd.DataFrame,
    *,
    seed: int,
    on_progress: Callable[[int, int], None],
) -> Fit:
    """Fit the table of a fit and the observed models, which are described as the table's are."""
    from skillscale.posterior.fit import fit as fit_table  # a second
    from skillscale.posterior.hmc import Hmc

    method = method or Hmc(draws=REFIT_DRAWS)
    benchmarks = [name for name in fit.design.coords["benchmark"] if name in observed]
    table = fit.table.with_models(described, observed.set_index("model")[benchmarks])
    return fit_table(table, fit.spec, method=method, seed=seed, on_progress=on_progress)


def _summarise(prediction: Prediction) -> xr.Dataset:
    values = prediction.score.swapaxes(1, 2)
    cell = ("model", "benchmark")
    data: dict[str, tuple[tuple[str, ...], np.ndarray]]
    data = {name: (cell, found) for name, found in summarise(values).items()}
    variance = np.stack([prediction.variance[source].T for source in SOURCES])
    data["variance_share"] = (("source", *cell), variance / variance.sum(axis=0))
    data["draws"] = (("draw", *cell), values)
    return xr.Dataset(
        data,
        coords={
            "model": list(prediction.models.index),
            "benchmark": prediction.benchmarks,
            "family": ("model", list(prediction.models["family"])),
            "source": list(SOURCES),
        },
        attrs={
            "pareto_k": prediction.pareto_k,
            "n_observed": prediction.n_observed,
            "is_refit": int(prediction.is_refit),
        },
    )
