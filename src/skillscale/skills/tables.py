r"""What a reading says, as tables: loadings, correlations, models, families, tuning and slopes.

Every number is a posterior median with central intervals and with the R-hat and effective sample
sizes of its own draws. Loadings are in units of the linear predictor per unit of the skill; to
compare them, $\tilde\lambda_{jk} = \lambda_{jk} \operatorname{sd}_i(\theta_{ik})$ over the fitted
models. Correlations of skills are over the fitted models, per draw, of

$$\theta_{ik}, \qquad \theta_{ik} - \beta_k^\top x_i, \qquad
(1 - C C^+)(\theta_{ik} - \beta_k^\top x_i),$$

with $C$ the covariates of tuning and date and a constant: all of the skills, what size and tokens
leave of them, and what tuning and date leave of that. The law holds what is left to be independent
between skills, so scores that say little of it draw the last two correlations to zero.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr
from arviz_stats import ess, rhat
from jaxtyping import Float

from skillscale.intervals import INTERVALS, central
from skillscale.law import equation
from skillscale.posterior.fit import Fit
from skillscale.posterior.one_family import production
from skillscale.skills.reading import Reading

GIVEN = ("nothing", "size_tokens", "all_covariates")
"""What is taken out of skills before they are correlated; all covariates are size, tokens, date and
tuning."""
INDISTINCT = 0.9
"""Correlation beyond which two skills rank models nearly alike."""

_SAMPLES = ("chain", "draw")


def loadings(fit: Fit, reading: Reading) -> pd.DataFrame:
    """How much every benchmark reads every skill.

    Returns:
        One row per benchmark and skill: the summary of the loading, and of the standardised loading
        (``standardised_median`` and so on). ``is_fixed`` where the loading is no parameter.

    Example:
        >>> import skillscale as sk
        >>> from skillscale.skills.reading import read_skills
        >>> table = sk.load_table().select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> found = loadings(fit, read_skills(fit))
        >>> found[["benchmark", "skill", "median", "is_fixed"]].head(2)
          benchmark      skill  median  is_fixed
        0      mmlu  knowledge     1.0      True
        1      mmlu  reasoning     0.0      True
    """
    loading = reading.draws["loading"]
    standardised = loading * reading.draws["model_skill"].std("model")
    frame = _summary(fit, loading)
    numbers = frame.columns.drop(["benchmark", "skill"])
    beside = _summary(fit, standardised)[numbers].add_prefix("standardised_")
    is_fixed = (loading.std(_SAMPLES) == 0).to_numpy().ravel()
    return pd.concat([frame, beside], axis=1).assign(is_fixed=is_fixed)


def correlations(fit: Fit, reading: Reading) -> pd.DataFrame:
    """Correlations of skills over the fitted models, and what is left given size, tokens and more.

    Returns:
        One row per pair of skills (``skill``, ``other``) and ``given`` (see `GIVEN`): the summary,
        and ``prob_indistinct``, the probability of a correlation beyond 0.9 (or under -0.9).

    Example:
        See `loadings`.
    """
    skill, slope = (_array(reading, name) for name in ("model_skill", "slope"))
    fitted = fit.draws().fitted
    log_params = np.broadcast_to(fit.design.observations.log_params, fitted.skill.shape[:2])
    x = np.asarray(equation.inputs(jnp.asarray(log_params), fit.design.log_tokens(fitted)), float)
    efficient = skill - x.reshape(*skill.shape[:3], -1) @ slope
    names = reading.draws["skill"].to_numpy().tolist()
    first, second = np.triu_indices(len(names), k=1)
    pairs = pd.DataFrame({"skill": np.take(names, first), "other": np.take(names, second)})
    frames = []
    for given, values in zip(GIVEN, (skill, efficient, _unexplained(fit) @ efficient), strict=True):
        correlation = xr.DataArray(
            _correlation(values)[..., first, second], dims=(*_SAMPLES, "pair")
        )
        frame = _summary(fit, correlation).drop(columns="pair")
        beyond = (abs(correlation) > INDISTINCT).mean(_SAMPLES).to_numpy()
        frame = pd.concat([pairs.assign(given=given), frame], axis=1)
        frames.append(frame.assign(prob_indistinct=beyond))
    return pd.concat(frames, ignore_index=True)


def model_skills(fit: Fit, reading: Reading) -> pd.DataFrame:
    """Skills of every fitted model.

    Returns:
        One row per model and skill: ``family``, ``tuning``, counts ``n_params`` and ``n_tokens``,
        and the summary.

    Example:
        See `loadings`.
    """
    known = fit.table.models[["family", "tuning", "n_params", "n_tokens"]]
    frame = _summary(fit, reading.draws["model_skill"])
    described = known.loc[frame["model"]].reset_index()
    return pd.concat([described, frame.drop(columns="model")], axis=1)


def efficiencies(fit: Fit, reading: Reading) -> pd.DataFrame:
    """Efficiencies of every family: its skills at the reference size and token count.

    Date and tuning are part of an efficiency: later families are ahead.

    Returns:
        One row per skill and family, the highest median of each skill first: ``lineage``,
        ``tuning``, ``base_family`` (the one that an instruct family was tuned from, if it is in the
        fit), ``n_models``, ``rank``, and the summary.

    Example:
        See `loadings`.
    """
    models = fit.models
    families = models.groupby("family")[["lineage", "tuning"]].first()
    families["base_family"] = pd.Series(base_families(models), dtype=object)
    families["n_models"] = models["family"].value_counts()
    frame = _summary(fit, reading.draws["efficiency"])
    described = families.loc[frame["family"]].reset_index().assign(skill=frame["skill"])
    described["rank"] = frame.groupby("skill")["median"].rank(ascending=False, method="first")
    described["rank"] = described["rank"].astype(int)
    whole = pd.concat([described, frame.drop(columns=["family", "skill"])], axis=1)
    by_rank = [own.sort_values("rank") for _, own in whole.groupby("skill", sort=False)]
    return pd.concat(by_rank, ignore_index=True)


def instruct_effects(fit: Fit, reading: Reading) -> pd.DataFrame:
    """What instruction tuning does to every skill, on average over families.

    Returns:
        One row per skill: the summary in units of the skill, ``prob_positive``, and for orientation
        the same in scores (``score_median`` and so on, fractions): what this change of the one
        skill does to the expected score of ``benchmark``, for a model of the reference size and
        token count and a typical base family. It is the benchmark that a standard deviation of the
        skill moves most.

    Example:
        See `loadings`.
    """
    effect = reading.draws["effect"].sel(covariate="instruct", drop=True)
    frame = _summary(fit, effect)
    frame["prob_positive"] = (effect > 0).mean(_SAMPLES).to_numpy()
    spread = reading.draws["model_skill"].std("model")
    markers = abs(_score_change(fit, reading, spread).median(_SAMPLES)).idxmax("benchmark")
    change = _score_change(fit, reading, effect).sel(benchmark=markers).drop_vars("benchmark")
    score = _summary(fit, change).drop(columns="skill").add_prefix("score_")
    return pd.concat([frame.assign(benchmark=markers.to_numpy()), score], axis=1)


def instruct_pairs(fit: Fit, reading: Reading) -> pd.DataFrame:
    """Efficiency of every instruct family less that of the base family it was tuned from.

    Returns:
        One row per instruct family with its base in the fit, and skill: ``lineage``,
        ``base_family``, the summary, and ``prob_positive``.

    Example:
        See `loadings`.
    """
    models = fit.models
    base = base_families(models)
    efficiency = reading.draws["efficiency"]
    tuned, untuned = (
        efficiency.sel(family=list(names)).assign_coords(family=list(base))
        for names in (base.keys(), base.values())
    )
    gain = tuned - untuned
    frame = _summary(fit, gain)
    lineage = models.groupby("family")["lineage"].first()
    frame.insert(1, "base_family", frame["family"].map(base))
    frame.insert(1, "lineage", frame["family"].map(lineage))
    return frame.assign(prob_positive=(gain > 0).mean(_SAMPLES).to_numpy().ravel())


def slopes(fit: Fit, reading: Reading) -> pd.DataFrame:
    """How skills grow: per e-fold of size, of tokens, and of both together (the interaction).

    Returns:
        One row per input and skill: the summary. At the reference size and token count the slopes
        of size and tokens are those of the law there; elsewhere the interaction adds to them.

    Example:
        See `loadings`.
    """
    return _summary(fit, reading.draws["slope"])


def base_families(models: pd.DataFrame) -> dict[str, str]:
    """The base family that every instruct family was tuned from: of its lineage, nearest in size.

    Args:
        models: ``family, lineage, tuning, n_params`` of every model.

    Example:
        >>> rows = [("a", "a", "base", 7e9), ("a-tiny", "a", "base", 1e9)]
        >>> rows += [("a-chat", "a", "instruct", 7e9), ("b-chat", "b", "instruct", 7e9)]
        >>> columns = ["family", "lineage", "tuning", "n_params"]
        >>> base_families(pd.DataFrame(rows, columns=columns))
        {'a-chat': 'a'}
    """
    sizes = models.groupby(["lineage", "tuning", "family"])["n_params"]
    by_family = {key: np.log(own.to_numpy(dtype=float)) for key, own in sizes}

    def distance(own: np.ndarray, other: np.ndarray) -> float:
        return float(np.abs(own[:, None] - other).min(axis=1).mean())

    found = {}
    for (lineage, tuning, family), own in by_family.items():
        bases = {
            name: distance(own, other)
            for (of, kind, name), other in by_family.items()
            if of == lineage and kind == "base"
        }
        if tuning == "instruct" and bases:
            found[str(family)] = str(min(bases, key=lambda name: bases[name]))
    return found


def _summary(fit: Fit, draws: xr.DataArray) -> pd.DataFrame:
    """One row per entry: its names, median, intervals, R-hat and effective sample sizes.

    What does not vary has no R-hat, and neither has a fit without chains.
    """
    names = [str(dim) for dim in draws.dims if dim not in _SAMPLES]
    entries = draws.astype(float).transpose(*_SAMPLES, *names).stack(entry=names)
    frame = entries["entry"].to_index().to_frame(index=False)
    n_draws = draws.sizes["chain"] * draws.sizes["draw"]
    flat = entries.to_numpy().reshape(n_draws, len(frame))
    frame["median"] = np.median(flat, axis=0)
    for interval in INTERVALS:
        ends = central(flat, interval / 100)
        frame[f"lower_{interval}"], frame[f"upper_{interval}"] = ends
    frame[["rhat", "ess_bulk", "ess_tail"]] = np.nan
    varies = flat.std(axis=0) > 0
    if "sample_stats" in fit.tree.children and varies.any():
        moving = entries.reset_index("entry", drop=True)[..., varies]
        frame.loc[varies, "rhat"] = rhat(moving).to_numpy()
        frame.loc[varies, "ess_bulk"] = ess(moving, method="bulk").to_numpy()
        frame.loc[varies, "ess_tail"] = ess(moving, method="tail").to_numpy()
    return frame


def _unexplained(fit: Fit) -> Float[np.ndarray, "model model"]:
    """The projection that takes out what a constant, tuning and date explain, by least squares."""
    covariates = np.asarray(fit.design.observations.covariates, float)
    explaining = np.column_stack([np.ones(len(covariates)), covariates])
    return np.eye(len(covariates)) - explaining @ np.linalg.pinv(explaining)


def _correlation(
    values: Float[np.ndarray, "*draw model skill"],
) -> Float[np.ndarray, "*draw skill skill"]:
    """Correlation of skills over models, of every draw.

    >>> _correlation(np.array([[0.0, 1.0], [1.0, 0.0], [2.0, -1.0]])).round(6).tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """
    centred = values - values.mean(axis=-2, keepdims=True)
    unit = centred / np.sqrt((centred**2).sum(axis=-2, keepdims=True))
    return unit.swapaxes(-1, -2) @ unit


def _score_change(fit: Fit, reading: Reading, change: xr.DataArray) -> xr.DataArray:
    """What a change of one skill does to expected scores of a typical model at the reference.

    Args:
        fit: a fitted law.
        reading: its skills as they are read.
        change: of every skill, in its units, with dims ``chain, draw, skill``.

    Returns:
        Differences of scores, fractions, with dims ``chain, draw, benchmark, skill``.
    """
    sizes = reading.draws.sizes
    typical = production(fit, n_draws=sizes["chain"] * sizes["draw"])
    # The predictor is the same in every reading, so the coordinates of the fit will do.
    start = np.einsum("dbk,dk->db", typical.link.loading, typical.efficiency)
    start += typical.link.intercept
    shift = (reading.draws["loading"] * change).transpose(*_SAMPLES, "benchmark", "skill")
    moved = start[..., None] + shift.to_numpy().reshape(*start.shape, -1)
    at = np.concatenate([start[..., None], moved], axis=-1)
    score = np.asarray(equation.scores_of_predictors(jnp.asarray(at), typical.link), float)
    return shift.copy(data=(score[..., 1:] - score[..., :1]).reshape(shift.shape))


def _array(reading: Reading, name: str) -> Float[np.ndarray, "chain draw *entry skill"]:
    """Draws of one part of a reading, in double precision."""
    return reading.draws[name].transpose(*_SAMPLES, ..., "skill").to_numpy().astype(float)
