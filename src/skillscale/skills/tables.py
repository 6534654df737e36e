r"""What a reading says, as tables: loadings, correlations, skills of models, and slopes.

Every number is a posterior median with central intervals and with the R-hat and effective sample
sizes of its own draws (Vehtari et al. 2021, arXiv:1903.08008): the *summary*, columns ``median,
lower_50, upper_50, lower_80, upper_80, lower_95, upper_95, rhat, ess_bulk, ess_tail``. The last
three are NaN for what does not vary, and in fits without chains.

Loadings are in units of the linear predictor per unit of the skill; to compare them,
$\tilde\lambda_{jk} = \lambda_{jk} \operatorname{sd}_i(\theta_{ik})$ over the fitted models.
Correlations of skills are over the fitted models, per draw, of

$$\theta_{ik}, \qquad \theta_{ik} - g_{ik}, \qquad (1 - C C^+)(\theta_{ik} - g_{ik}),$$

with $g$ what size and tokens add (see `production`) and $C$ the covariates of tuning and date and a
constant: all of the skills, what size and tokens leave of them, and what tuning and date leave of
that. The law holds what is left to be independent between skills, so scores that say little of it
draw the last two correlations to zero.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float

from skillscale.intervals import INTERVALS, central
from skillscale.law.production import gain
from skillscale.posterior.result import Fit
from skillscale.skills.reading import Reading

GIVEN = ("nothing", "size_tokens", "all_covariates")
"""What is taken out of skills before they are correlated; all covariates are size, tokens, date and
tuning."""
INDISTINCT = 0.9
"""Correlation beyond which two skills rank models nearly alike."""

SAMPLES = ("chain", "draw")
"""Dims that a summary is over."""


def loadings(fit: Fit, reading: Reading) -> pd.DataFrame:
    """How much every benchmark reads every skill.

    Args:
        fit: a fitted law.
        reading: its skills as they are read, result of `read_skills`.

    Returns:
        One row per benchmark and skill: the summary of the loading (in units of the linear
        predictor per unit of the skill), and of the loading per standard deviation of the skill
        over models (``standardised_median`` and so on). ``is_fixed`` where the loading is no
        parameter.

    Example:
        >>> import skillscale as sk
        >>> from skillscale.skills.reading import read_skills
        >>> table = sk.load_table("classic").select(
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
    frame = summarised(fit, loading)
    numbers = frame.columns.drop(["benchmark", "skill"])
    beside = summarised(fit, standardised)[numbers].add_prefix("standardised_")
    is_fixed = (loading.std(SAMPLES) == 0).to_numpy().ravel()
    return pd.concat([frame, beside], axis=1).assign(is_fixed=is_fixed)


def correlations(fit: Fit, reading: Reading) -> pd.DataFrame:
    """Correlations of skills over the fitted models, and what is left given size, tokens and more.

    Args:
        fit: a fitted law.
        reading: its skills as they are read, result of `read_skills`.

    Returns:
        One row per pair of skills (``skill``, ``other``) and ``given`` (see `GIVEN`): the summary,
        and ``prob_indistinct``, the probability of a correlation beyond 0.9 (or under -0.9).

    Example:
        >>> import skillscale as sk
        >>> from skillscale.skills.reading import read_skills
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> correlations(fit, read_skills(fit))[["skill", "other", "given"]]
               skill      other           given
        0  knowledge  reasoning         nothing
        1  knowledge  reasoning     size_tokens
        2  knowledge  reasoning  all_covariates
    """
    skill, slope = (_array(reading, name) for name in ("model_skill", "slope"))
    fitted = fit.draws().fitted
    log_params = np.broadcast_to(fit.design.observations.log_params, fitted.skill.shape[:2])
    log_tokens = np.asarray(fit.design.log_tokens(fitted))
    gains = gain(fit.spec.form, slope.reshape(-1, *slope.shape[2:]), log_params, log_tokens)
    efficient = skill - gains.reshape(skill.shape)
    names = reading.draws["skill"].to_numpy().tolist()
    first, second = np.triu_indices(len(names), k=1)
    pairs = pd.DataFrame({"skill": np.take(names, first), "other": np.take(names, second)})
    frames = []
    for given, values in zip(GIVEN, (skill, efficient, _unexplained(fit) @ efficient), strict=True):
        correlation = xr.DataArray(
            _correlation(values)[..., first, second], dims=(*SAMPLES, "pair")
        )
        frame = summarised(fit, correlation).drop(columns="pair")
        beyond = (abs(correlation) > INDISTINCT).mean(SAMPLES).to_numpy()
        frame = pd.concat([pairs.assign(given=given), frame], axis=1)
        frames.append(frame.assign(prob_indistinct=beyond))
    return pd.concat(frames, ignore_index=True)


def model_skills(fit: Fit, reading: Reading) -> pd.DataFrame:
    """Skills of every fitted model.

    Args:
        fit: a fitted law.
        reading: its skills as they are read, result of `read_skills`.

    Returns:
        One row per model and skill: ``model, family, tuning``, counts ``n_params`` and ``n_tokens``
        (NaN where not published), ``skill``, and the summary, in units of the skill.

    Example:
        >>> import skillscale as sk
        >>> from skillscale.skills.reading import read_skills
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> model_skills(fit, read_skills(fit))[["model", "family", "skill"]].head(2)
              model family      skill
        0  llama-7b  llama  knowledge
        1  llama-7b  llama  reasoning
    """
    known = fit.table.models[["family", "tuning", "n_params", "n_tokens"]]
    frame = summarised(fit, reading.draws["model_skill"])
    described = known.loc[frame["model"]].reset_index()
    return pd.concat([described, frame.drop(columns="model")], axis=1)


def slopes(fit: Fit, reading: Reading) -> pd.DataFrame:
    """How skills grow: the parameters of the production function (see `law.production`).

    Args:
        fit: a fitted law.
        reading: its skills as they are read, result of `read_skills`.

    Returns:
        One row per ``input`` and ``skill``: the summary, in units of the skill (but of exponents).
        At the reference size and token count the slopes of size and tokens are those of the law
        there; elsewhere interaction, curvature or exponents change them.

    Example:
        >>> import skillscale as sk
        >>> from skillscale.skills.reading import read_skills
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> slopes(fit, read_skills(fit))["input"].unique().tolist()
        ['log_params', 'log_tokens', 'log_params:log_tokens']
    """
    return summarised(fit, reading.draws["slope"])


def summarised(fit: Fit, draws: xr.DataArray) -> pd.DataFrame:
    """One row per entry: its names, median, intervals, R-hat and effective sample sizes.

    What does not vary has no R-hat, and neither has a fit without chains.
    """
    names = [str(dim) for dim in draws.dims if dim not in SAMPLES]
    entries = draws.astype(float).transpose(*SAMPLES, *names).stack(entry=names)
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
        from arviz_stats import ess, rhat  # half a second

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


def _array(reading: Reading, name: str) -> Float[np.ndarray, "chain draw *entry skill"]:
    """Draws of one part of a reading, in double precision."""
    return reading.draws[name].transpose(*SAMPLES, ..., "skill").to_numpy().astype(float)
