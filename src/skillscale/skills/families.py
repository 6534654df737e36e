"""What a reading says of families, as tables: their efficiencies, and what tuning does.

Columns of summaries are those of `tables`.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
import pandas as pd
import xarray as xr

from skillscale.law import equation
from skillscale.posterior.one_family import production
from skillscale.posterior.result import Fit
from skillscale.skills.reading import Reading
from skillscale.skills.tables import SAMPLES, summarised


def efficiencies(fit: Fit, reading: Reading) -> pd.DataFrame:
    """Efficiencies of every family: its skills at the reference size and token count.

    Date and tuning are part of an efficiency: later families are ahead.

    Args:
        fit: a fitted law.
        reading: its skills as they are read, result of `read_skills`.

    Returns:
        One row per skill and family, the highest median of each skill first: ``family``,
        ``lineage``, ``tuning``, ``base_family`` (the one that an instruct family was tuned from, if
        it is in the fit), ``n_models``, ``skill``, ``rank`` (from 1), and the summary, in units of
        the skill.

    Example:
        >>> import skillscale as sk
        >>> from skillscale.skills.reading import read_skills
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> found = efficiencies(fit, read_skills(fit))
        >>> sorted(found["family"].unique()), found["rank"].tolist()
        (['llama', 'llama-2', 'pythia', 'qwen1.5'], [1, 2, 3, 4, 1, 2, 3, 4])
    """
    models = fit.models
    families = models.groupby("family")[["lineage", "tuning"]].first()
    families["base_family"] = pd.Series(base_families(models), dtype=object)
    families["n_models"] = models["family"].value_counts()
    frame = summarised(fit, reading.draws["efficiency"])
    described = families.loc[frame["family"]].reset_index().assign(skill=frame["skill"])
    described["rank"] = frame.groupby("skill")["median"].rank(ascending=False, method="first")
    described["rank"] = described["rank"].astype(int)
    whole = pd.concat([described, frame.drop(columns=["family", "skill"])], axis=1)
    by_rank = [own.sort_values("rank") for _, own in whole.groupby("skill", sort=False)]
    return pd.concat(by_rank, ignore_index=True)


def instruct_effects(fit: Fit, reading: Reading) -> pd.DataFrame:
    """What instruction tuning does to every skill, on average over families of the last month.

    Args:
        fit: a fitted law.
        reading: its skills as they are read, result of `read_skills`.

    Returns:
        One row per skill: the summary in units of the skill, ``prob_positive``, and for orientation
        the same in scores (``score_median`` and so on, fractions): what this change of the one
        skill does to the expected score of ``benchmark``, for a model of the reference size and
        token count and a typical base family. It is the benchmark that a standard deviation of the
        skill moves most.

    Example:
        >>> import skillscale as sk
        >>> from skillscale.skills.reading import read_skills
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> instruct_effects(fit, read_skills(fit))[["skill", "benchmark"]]
               skill benchmark
        0  knowledge      mmlu
        1  reasoning     gsm8k
    """
    effect = reading.draws["tuning"].isel(tuning=0)
    frame = summarised(fit, effect)
    frame["prob_positive"] = (effect > 0).mean(SAMPLES).to_numpy()
    spread = reading.draws["model_skill"].std("model")
    markers = abs(_score_change(fit, reading, spread).median(SAMPLES)).idxmax("benchmark")
    change = _score_change(fit, reading, effect).sel(benchmark=markers).drop_vars("benchmark")
    score = summarised(fit, change).drop(columns="skill").add_prefix("score_")
    return pd.concat([frame.assign(benchmark=markers.to_numpy()), score], axis=1)


def instruct_pairs(fit: Fit, reading: Reading) -> pd.DataFrame:
    """Efficiency of every instruct family less that of the base family it was tuned from.

    Args:
        fit: a fitted law.
        reading: its skills as they are read, result of `read_skills`.

    Returns:
        One row per instruct family with its base in the fit, and skill: ``family, lineage,
        base_family, skill``, the summary, in units of the skill, and ``prob_positive``.

    Example:
        >>> import skillscale as sk
        >>> from skillscale.skills.reading import read_skills
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> pairs = instruct_pairs(fit, read_skills(fit))  # all of its families are base
        >>> len(pairs), list(pairs.columns[:4])
        (0, ['family', 'lineage', 'base_family', 'skill'])
    """
    models = fit.models
    base = base_families(models)
    efficiency = reading.draws["efficiency"]
    tuned, untuned = (
        efficiency.sel(family=list(names)).assign_coords(family=list(base))
        for names in (base.keys(), base.values())
    )
    gain = tuned - untuned
    frame = summarised(fit, gain)
    lineage = models.groupby("family")["lineage"].first()
    frame.insert(1, "base_family", frame["family"].map(base))
    frame.insert(1, "lineage", frame["family"].map(lineage))
    return frame.assign(prob_positive=(gain > 0).mean(SAMPLES).to_numpy().ravel())


def base_families(models: pd.DataFrame) -> dict[str, str]:
    """The base family that every instruct family was tuned from: of its lineage, nearest in size.

    Args:
        models: ``family, lineage, tuning`` and ``n_params`` (a count) of every model.

    Returns:
        Names of base families by instruct family; families without a base in their lineage are
        absent. Near in size means a small mean distance, in log size, of the tuned models from the
        base models nearest to them.

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
    shift = (reading.draws["loading"] * change).transpose(*SAMPLES, "benchmark", "skill")
    moved = start[..., None] + shift.to_numpy().reshape(*start.shape, -1)
    at = np.concatenate([start[..., None], moved], axis=-1)
    score = np.asarray(equation.scores_of_predictors(jnp.asarray(at), typical.link), float)
    return shift.copy(data=(score[..., 1:] - score[..., :1]).reshape(shift.shape))
