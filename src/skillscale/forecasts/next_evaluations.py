r"""Which evaluation narrows a forecast most, from joint draws of scores.

Once a score $y$ is known, the forecast of a score $T$ varies around $\operatorname E[T \mid y]$ as
the residual $T - \operatorname E[T \mid y]$ does. So how much $y$, not yet seen, would narrow the
forecast is expected to be

$$1 - \frac{\operatorname{width}(T - \operatorname E[T \mid y])}{\operatorname{width}(T)},$$

width being that of the 80 % interval. Both are in the joint draws of a forecast, and
$\operatorname E[T \mid y]$ is a regression of one on the other (Strong, Oakley and Brennan 2014,
doi:10.1177/0272989X13505910): nothing is sampled anew. The regression, a sum of splines, is fitted
to nine tenths of the draws and judged on the tenth left out, or else many scores at once would seem
to say more than they do.

Where scores of a 1B were really observed, drawn from their forecast, the intervals of two larger
models narrowed by 34.2, 6.9, 10.0 and 11.5 %; 31.2, 4.5, 9.2 and 10.4 % were expected. Standard
deviations instead of widths gave 28.2, 4.2, 8.9 and 9.3, being swayed by the tails; linear
regressions with them 25.3, 4.2, 8.7 and 8.6.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from skillscale.errors import SpecError, TableError, known_names
from skillscale.forecasts.examination import SAID, Examined, examine, silent
from skillscale.forecasts.forecast import answer
from skillscale.forecasts.question import ask
from skillscale.formatting import format_count
from skillscale.intervals import central
from skillscale.posterior.method import Method
from skillscale.posterior.result import Fit

INTERVAL = 80
"""Percent of the interval whose width is reported."""
FOLDS = 10
KNOTS = 5
PENALTY = 1e-3
ALL = "all"
"""What stands for a benchmark where a size is trained and evaluated on all of them."""


@dataclass(frozen=True)
class Candidate:
    """Something that may be evaluated next.

    Attributes:
        kind: ``benchmark`` (of a model that exists) or ``size`` (a model to train).
        model: its name.
        benchmark: its name, or ``all``.
        score: draws of the scores that it would give.
    """

    kind: str
    model: str
    benchmark: str
    score: Float[np.ndarray, "draw score"]


def next_evaluations(
    fit: Fit,
    plan: pd.DataFrame,
    observed: pd.DataFrame | None = None,
    *,
    benchmarks: Sequence[str] | None = None,
    sizes: Sequence[float] = (),
    n_tokens: float | None = None,
    evaluate: Sequence[str] | None = None,
    steps: int = 1,
    n_draws: int = 1000,
    seed: int = 0,
    refit: Method | bool = True,
    keep_doubted: bool = False,
    examined: Examined | None = None,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    on_note: Callable[[str], None] = silent,
) -> pd.DataFrame:
    """Rank what could be evaluated next by how much it is expected to narrow a forecast.

    Candidates are the benchmarks that an observed model was not evaluated on, and sizes to train
    next, evaluated on every benchmark.

    Args:
        fit: a fitted law.
        plan: the models whose forecast matters, as in `forecast`.
        observed: models with scores, as in `forecast`.
        benchmarks: whose forecast matters; all by default.
        sizes: parameter counts of models that could be trained next, of the recipe of the largest
            observed model (of the first planned one where none is observed).
        n_tokens: their training tokens; those of that model by default.
        evaluate: benchmarks that can be evaluated; all by default.
        steps: how many evaluations to choose, one after another: every step ranks what is left,
            given the best of the steps before.
        n_draws: draws of the law to use.
        seed: source of randomness.
        refit: whether, or how, to fit again where observed scores surprise the fit, as in
            `forecast`.
        keep_doubted: let scores count that contradict the rest, as in `forecast`.
        examined: plan and observed models, where they were examined before.
        on_progress: told the steps done and all steps of that fit.
        on_note: told what is assumed, doubted, and beyond the data, a sentence each.

    Returns:
        One row per step and candidate, the best first: ``step, rank, kind`` (``benchmark`` or
        ``size``), ``model, benchmark`` (``all`` for a size), ``n_params``, ``width_now`` and
        ``width_next`` (mean width of the 80 % intervals of the forecast as it is, and as expected
        after this and the steps before; fractions), ``narrowed`` (share of the width now) and
        ``narrowed_se`` (its standard error: candidates closer than two of these are ties).
        Attributes ``pareto_k, is_refit, assumed, outside, doubts`` as in `forecast`.

    Raises:
        UnknownNameError: a benchmark is not in the fit.
        SpecError: there is nothing to evaluate, or fewer than ``steps``; a size is not positive.
        TableError: everything that matters is observed already, or as in `forecast`; likewise
            ValueError and SkillscaleError.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> model = {"n_params": [1e9], "n_tokens": [2e12]}
        >>> observed = pd.DataFrame({"model": ["a-1b"], **model, "mmlu": [0.4]})
        >>> plan = pd.DataFrame({"model": ["a-8b"], "n_params": [8e9], "n_tokens": [2e12]})
        >>> ranked = next_evaluations(
        ...     fit, plan, observed, benchmarks=["gsm8k"], sizes=[3e9], n_draws=200
        ... )
        >>> ranked[["rank", "kind", "model", "benchmark"]]
           rank       kind     model benchmark
        0     1       size  new (3B)       all
        1     2  benchmark      a-1b     gsm8k
    """
    named = fit.design.coords["benchmark"]
    benchmarks, evaluate = (known_names("benchmark", n, named) for n in (benchmarks, evaluate))
    trained = _trained(plan, observed, sizes, n_tokens)
    everything = _lineup(plan, observed, trained)
    if examined is None:
        examined = examine(
            fit, plan, observed, keep_doubted=keep_doubted, seed=seed, on_note=on_note
        )
    result = answer(
        fit,
        dataclasses.replace(examined, question=ask(fit, everything, examined.observed)),
        n_draws=n_draws,
        seed=seed,
        refit=refit,
        on_progress=on_progress,
    )
    observed = examined.observed
    seen = _is_seen(result, observed)
    wanted = ~seen.sel(model=list(plan["model"]), benchmark=benchmarks).stack(cell=seen.dims)
    if not wanted.any():
        raise TableError(["plan: every score that matters is observed already."])
    targets = result.stack(cell=seen.dims).sel(cell=wanted["cell"][wanted])
    target = targets["draws"].to_numpy()
    width = _width(target)
    left = _candidates(result["draws"], seen, observed, trained, evaluate)
    if not 1 <= steps <= len(left):
        raise SpecError(
            f"{steps} steps were asked for, and there are {len(left)} evaluations to choose from: "
            "benchmarks that an observed model was not evaluated on, and sizes to train."
        )
    size = everything.set_index("model")["n_params"]
    known = np.empty((len(target), 0))
    rows = []
    for step in range(1, steps + 1):
        found = [_narrowed(target, np.hstack([known, c.score])) for c in left]
        order = np.argsort([-narrowed for narrowed, _ in found], kind="stable")
        for rank, i in enumerate(order, start=1):
            narrowed, error = found[i]
            rows.append(
                {
                    "step": step,
                    "rank": rank,
                    "kind": left[i].kind,
                    "model": left[i].model,
                    "benchmark": left[i].benchmark,
                    "n_params": float(size[left[i].model]),
                    "width_now": width,
                    "width_next": width * (1 - narrowed),
                    "narrowed": narrowed,
                    "narrowed_se": error,
                }
            )
        known = np.hstack([known, left.pop(order[0]).score])
    ranked = pd.DataFrame(rows)
    ranked.attrs |= {name: result.attrs[name] for name in ("pareto_k", "is_refit", *SAID)}
    return ranked


def residuals(
    target: Float[np.ndarray, "draw target"], score: Float[np.ndarray, "draw score"]
) -> Float[np.ndarray, "draw target"]:
    """What scores leave unexplained of targets, by regressions that did not see the draw.

    Draws are left out in runs: neighbours may be of one draw of the law. The regression is that at
    the top of this module (Strong, Oakley and Brennan 2014).

    Args:
        target: draws of what matters.
        score: the same draws of what would be observed.

    Returns:
        Targets minus their expectation given the scores, in the unit of the targets.

    Raises:
        ValueError: there are fewer than ten draws.

    Example:
        >>> x = np.random.default_rng(0).random((200, 1))
        >>> bool(np.allclose(residuals(2 * x + 1, x), 0, atol=0.01))
        True
    """
    # Slow to import, and needed here only.
    from sklearn.linear_model import Ridge
    from sklearn.model_selection import KFold, cross_val_predict
    from sklearn.preprocessing import SplineTransformer

    varying = score[:, np.ptp(score, axis=0) > 0]
    if not varying.size:
        return target - target.mean(axis=0)
    # Of different values: many draws may be exactly zero.
    levels = np.linspace(0, 1, KNOTS)
    knots = np.stack([np.quantile(np.unique(column), levels) for column in varying.T], axis=1)
    basis = SplineTransformer(knots=knots).fit_transform(varying)
    expected = cross_val_predict(Ridge(PENALTY), basis, target, cv=KFold(FOLDS))
    return target - expected.reshape(target.shape)  # of one target it is flat


def _narrowed(
    target: Float[np.ndarray, "draw target"], score: Float[np.ndarray, "draw score"]
) -> tuple[float, float]:
    """Share of the width that scores are expected to take away, and its standard error."""
    rest = residuals(target, score)

    def share(rows: slice | np.ndarray) -> float:
        return 1 - _width(rest[rows]) / _width(target[rows])

    # A score can't widen a forecast in expectation; the estimate can, by its noise.
    parts = [share(rows) for rows in np.array_split(np.arange(len(target)), FOLDS)]
    return max(share(slice(None)), 0.0), float(np.std(parts, ddof=1) / np.sqrt(FOLDS))


def _width(draws: Float[np.ndarray, "draw target"]) -> float:
    """Mean width of the intervals."""
    lower, upper = central(draws, INTERVAL / 100)
    return float((upper - lower).mean())


def _trained(
    plan: pd.DataFrame,
    observed: pd.DataFrame | None,
    sizes: Sequence[float],
    n_tokens: float | None,
) -> pd.DataFrame:
    """Models that could be trained, described as a plan is."""
    for name, value in (*(("sizes", size) for size in sizes), ("n_tokens", n_tokens)):
        if value is not None and not 0 < value < np.inf:
            raise SpecError(f"{name} must be positive, found {value}.")
    if observed is not None and len(observed):
        recipe = observed.sort_values("n_params", kind="stable").iloc[-1]
    else:
        recipe = plan.iloc[0]
    described = recipe.reindex(["family", "lineage", "tuning", "release"])
    family = described["family"] if isinstance(described["family"], str) else "new"
    return pd.DataFrame(
        {
            "model": f"{family} ({format_count(size)})",
            "n_params": size,
            "n_tokens": recipe["n_tokens"] if n_tokens is None else n_tokens,
            **described,
        }
        for size in sizes
    )


def _lineup(
    plan: pd.DataFrame, observed: pd.DataFrame | None, trained: pd.DataFrame
) -> pd.DataFrame:
    """All models whose scores are to be drawn together, each once."""
    columns = ["model", "n_params", "n_tokens", "n_active_params"]
    columns += ["family", "lineage", "tuning", "release"]
    parts = [part for part in (plan, observed, trained) if part is not None and len(part)]
    described = [part.reindex(columns=columns).astype(object) for part in parts]
    return pd.concat(described).drop_duplicates("model", ignore_index=True)


def _is_seen(result: xr.Dataset, observed: pd.DataFrame | None) -> xr.DataArray:
    """Which scores of a forecast were observed."""
    models, benchmarks = (result[name].to_numpy() for name in ("model", "benchmark"))
    known = pd.DataFrame() if observed is None else observed.set_index("model")
    is_seen = known.reindex(index=models, columns=benchmarks).notna().to_numpy()
    return xr.DataArray(is_seen, {"model": models, "benchmark": benchmarks})


def _candidates(
    draws: xr.DataArray,
    seen: xr.DataArray,
    observed: pd.DataFrame | None,
    trained: pd.DataFrame,
    evaluate: Sequence[str],
) -> list[Candidate]:
    found = [
        Candidate("benchmark", model, name, draws.sel(model=model, benchmark=[name]).to_numpy())
        for model in ([] if observed is None else observed["model"])
        for name in evaluate
        if not seen.sel(model=model, benchmark=name)
    ]
    for model in [] if trained.empty else trained["model"]:
        score = draws.sel(model=model, benchmark=list(evaluate)).to_numpy()
        found.append(Candidate("size", model, ALL, score))
    return found
