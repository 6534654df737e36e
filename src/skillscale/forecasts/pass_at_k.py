"""Forecast pass@k: the share of a benchmark's items that at least one of k attempts solves."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import xarray as xr

from skillscale.data.items import unbiased_pass_at_k
from skillscale.errors import SpecError, known_names
from skillscale.forecasts.difficulty import (
    Difficulty,
    pass_draws,
    spread_posterior,
    spread_quantiles,
)
from skillscale.forecasts.examination import SAID, silent
from skillscale.forecasts.forecast import forecast
from skillscale.intervals import INTERVALS, summarise
from skillscale.posterior.method import Method
from skillscale.posterior.result import Fit

ATTEMPTS = (1, 10, 100)
LEVELS = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
"""Quantiles of the spread that are kept."""


def pass_at_k(
    fit: Fit,
    plan: pd.DataFrame,
    observed: pd.DataFrame | None = None,
    *,
    benchmark: str,
    k: Sequence[int] = ATTEMPTS,
    items: pd.DataFrame | None = None,
    difficulty: Difficulty | str = Difficulty.LOGISTIC_NORMAL,
    n_draws: int = 1000,
    seed: int = 0,
    refit: Method | bool = True,
    keep_doubted: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_note: Callable[[str], None] = silent,
) -> xr.Dataset:
    """Forecast pass@k of planned models on a benchmark with free-form answers.

    Every draw of the forecast score is the accuracy of one attempt; the spread of difficulty turns
    it into pass@k (see `difficulty`). One attempt gives the plain forecast. The spread is estimated
    from the items and assumed to carry over from the models sampled to the planned ones; without
    items it is drawn from a wide prior. Where guessing scores above zero, guesses are resampled too
    and count as solved.

    Args:
        fit: a fitted law.
        plan: models to forecast, as in `forecast`.
        observed: models with scores, as in `forecast`.
        benchmark: its name in the fit.
        k: numbers of attempts.
        items: per-item results of observed models: ``model, n, correct`` (attempts, and how many
            solved the item), as `skillscale.data.items.read_items` gives them.
        difficulty: ``logistic-normal`` or ``beta``.
        n_draws: draws of the law to use.
        seed: source of randomness.
        refit: whether, or how, to fit again where observed scores surprise the fit, as in
            `forecast`.
        keep_doubted: let scores count that contradict the rest, as in `forecast`.
        on_progress: told the steps done and all steps of that fit.
        on_note: told what is assumed, doubted, and beyond the data, a sentence each.

    Returns:
        Dataset with dims ``model, k``: ``mean, median, lower_50, ..., upper_95`` (fractions) and
        ``draws`` (dim ``draw``); ``observed`` (dims ``sampled, k``), the unbiased estimates of the
        models whose items were given; ``spread`` (dim ``level``), quantiles of the spread.
        Attributes ``benchmark, chance, difficulty, spread_from`` (``items`` or ``prior``),
        ``pareto_k, is_refit, assumed, outside, doubts``, as in `forecast`.

    Raises:
        UnknownNameError: the benchmark is not in the fit.
        SpecError: a number of attempts is not a positive whole number, or repeats; or there is no
            such distribution.
        TableError: as in `forecast`; likewise ValueError and SkillscaleError.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> plan = pd.DataFrame({"model": ["a-70b"], "n_params": [70e9], "n_tokens": [15e12]})
        >>> result = pass_at_k(fit, plan, benchmark="gsm8k", k=[1, 100], n_draws=200)
        >>> result["median"].dims
        ('model', 'k')
        >>> bool(result["median"].sel(k=1) < result["median"].sel(k=100))
        True
    """
    known = fit.design.coords["benchmark"]
    known_names("benchmark", benchmark, known)
    difficulty = _difficulty(difficulty)
    attempts = _attempts(k)
    scores = forecast(
        fit,
        plan,
        observed,
        n_draws=n_draws,
        seed=seed,
        refit=refit,
        keep_doubted=keep_doubted,
        on_progress=on_progress,
        on_note=on_note,
    ).sel(benchmark=benchmark)
    described = fit.table.benchmarks.loc[benchmark].to_dict()
    grid = spread_posterior(items, difficulty)
    rng = np.random.default_rng([seed, 1])  # not the numbers of the forecast over again
    one = scores["draws"].to_numpy()
    spread = spread_quantiles(*grid, rng.random(len(one)))
    draws = pass_draws(one, spread, attempts, difficulty, int(described["n_items"]), rng)
    cell = ("model", "k")
    data = {name: (cell, found) for name, found in summarise(draws).items()}
    sampled = pd.DataFrame(columns=attempts, dtype=float)
    if items is not None:
        sampled = unbiased_pass_at_k(items, attempts)
    return xr.Dataset(
        data
        | {
            "draws": (("draw", *cell), draws),
            "spread": (("level",), spread_quantiles(*grid, np.array(LEVELS))),
            "observed": (("sampled", "k"), sampled.to_numpy()),
        },
        coords={
            "model": scores["model"].to_numpy(),
            "k": attempts,
            "level": list(LEVELS),
            "sampled": list(sampled.index),
            "family": ("model", scores["family"].to_numpy()),
        },
        attrs={
            "benchmark": benchmark,
            "chance": float(described["chance"]),
            "difficulty": str(difficulty),
            # Single attempts can't tell hard items from bad luck.
            "spread_from": "prior" if items is None or items["n"].max() == 1 else "items",
            **{name: scores.attrs[name] for name in ("pareto_k", "is_refit", *SAID)},
        },
    )


def pass_rows(result: xr.Dataset) -> list[dict[str, str | float | None]]:
    """Pass@k in long format, as the command line prints it: forecasts, then what was sampled.

    Args:
        result: as `pass_at_k` gives it.

    Returns:
        Rows of ``model, family, benchmark, k, mean, median, lower_50, ..., upper_95, observed``
        (fractions; forecasts have no ``observed``, sampled models nothing else), ``spread,
        spread_lower_80, spread_upper_80`` (concentration, or standard deviation of logits) and
        ``spread_from``.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> plan = pd.DataFrame({"model": ["a-70b"], "n_params": [70e9], "n_tokens": [15e12]})
        >>> rows = pass_rows(pass_at_k(fit, plan, benchmark="gsm8k", k=[1, 100], n_draws=200))
        >>> [(row["model"], row["k"], row["observed"]) for row in rows]
        [('a-70b', 1, None), ('a-70b', 100, None)]
    """
    lower, middle, upper = (float(result["spread"].sel(level=level)) for level in (0.1, 0.5, 0.9))
    ends = [f"{end}_{interval}" for interval in INTERVALS for end in ("lower", "upper")]

    def row(model: str, family: str | None, k: int) -> dict[str, str | float | None]:
        return {
            "model": model,
            "family": family,
            "benchmark": str(result.attrs["benchmark"]),
            "k": k,
            **dict.fromkeys(("mean", "median", *ends, "observed")),
            "spread": middle,
            "spread_lower_80": lower,
            "spread_upper_80": upper,
            "spread_from": str(result.attrs["spread_from"]),
        }

    rows = []
    for model in result["model"].to_numpy():
        for k in result["k"].to_numpy():
            cell = result.sel(model=model, k=k)
            forecast_row = row(str(model), str(cell["family"].item()), int(k))
            rows.append(forecast_row | {n: float(cell[n]) for n in ("mean", "median", *ends)})
    for model in result["sampled"].to_numpy():
        for k in result["k"].to_numpy():
            estimate = float(result["observed"].sel(sampled=model, k=k))
            rows.append(row(str(model), None, int(k)) | {"observed": estimate})
    return rows


def _difficulty(name: Difficulty | str) -> Difficulty:
    if name not in list(Difficulty):
        raise SpecError(f"there is no difficulty {name!r}: choose among {', '.join(Difficulty)}.")
    return Difficulty(name)


def _attempts(k: Sequence[int]) -> np.ndarray:
    wrong = [n for n in k if n < 1 or n % 1 != 0]
    if wrong or len(set(k)) < len(k) or not len(k):
        raise SpecError(
            f"k takes different positive whole numbers, found {', '.join(map(str, k))}."
        )
    return np.sort(np.asarray(k, int))
