"""Is a fit to be trusted: convergence, fit to the data, influence, with values and advice."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
import xarray as xr
from jaxtyping import Float
from scipy.special import stdtr

from skillscale.checks.leave_one_out import LeaveOneOut, loo
from skillscale.checks.verdict import Check, Verdict, grade, grade_band
from skillscale.errors import SkillscaleError
from skillscale.formatting import format_count
from skillscale.intervals import tails
from skillscale.law.slope_evidence import at_reference_budget
from skillscale.posterior.convergence import convergence
from skillscale.posterior.result import Fit
from skillscale.skills.reading import TURNED, read_skills

REPORTED = (*TURNED, "expected_score")
PREDICTIVE_INTERVAL = 0.9
DRAWS_FOR_SCORES = 2000
AGREEMENT = 2.0
"""How far a fit may be from what controlled runs say, in scales of the evidence."""


def check(fit: Fit, left_out: LeaveOneOut | None = None) -> list[Check]:
    """Check a fit: R-hat, effective sample size, divergences, posterior prediction, PSIS-LOO.

    R-hat and effective sample size are the worst over every skill, loading, efficiency, slope,
    effect and expected score; they are skipped for a fit without chains (``svi``). Where the
    specification holds evidence of controlled runs, one check each says whether the fit agrees.

    R-hat and effective sample sizes are rank-normalised (Vehtari et al. 2021, arXiv:1903.08008),
    energies judged by Betancourt 2016 (arXiv:1604.00695), and leaving scores out is approximated
    by Pareto smoothed importance sampling (Vehtari, Gelman and Gabry 2017, arXiv:1507.04544).

    Args:
        fit: a fitted law.
        left_out: its leave-one-out cross-validation, where that is known already.

    Returns:
        One `Check` per question: a verdict, what was measured (R-hat and effective draws;
        divergences and coverage as fractions; expected log predictive density in nats), and advice.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> [c.name for c in sk.check(fit)]
        ['sampler', 'posterior predictive coverage', 'worst benchmark coverage', 'PSIS-LOO']
    """
    if "sample_stats" in fit.tree.children:
        checks = _convergence(fit)
    else:
        advice = "A Gaussian approximation can't be diagnosed by chains. Fit with --method hmc."
        checks = [Check("sampler", Verdict.REVIEW, float("nan"), "HMC", advice)]
    return [*checks, *_prediction(fit), _influence(left_out or loo(fit)), *_agreement(fit)]


def diagnostics(fit: Fit) -> pd.DataFrame:
    """Worst R-hat and effective sample sizes of every reported quantity.

    Both are rank-normalised (Vehtari et al. 2021, arXiv:1903.08008).

    Args:
        fit: a fitted law, of two chains or more.

    Returns:
        Indexed by quantity: ``rhat, ess_bulk, ess_tail`` (draws), ``worst`` (where R-hat is
        largest); of all draws, if some were left out before the fit was saved.

    Raises:
        SkillscaleError: the fit has one chain, as those by ``svi``.

    Example:
        >>> import dataclasses
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> draws = fit.tree.posterior.to_dataset().isel(chain=0).drop_vars(["chain", "draw"])
        >>> chains = draws.coarsen(draw=100).construct(draw=("chain", "draw"))  # as if sampled
        >>> tree = xr.DataTree.from_dict({"posterior": chains})
        >>> list(diagnostics(dataclasses.replace(fit, tree=tree)).columns)
        ['rhat', 'ess_bulk', 'ess_tail', 'worst']
    """
    if known := fit.provenance.get("diagnostics"):
        return pd.DataFrame.from_dict(cast("dict", known), orient="index")
    if fit.tree.posterior.sizes["chain"] < 2:
        raise SkillscaleError(
            "a fit of one chain can't be diagnosed: chains are compared with each other. "
            "Fit with --method hmc, and --chains 2 or more."
        )
    draws = read_skills(fit).draws  # before they are read, exploratory skills have no orientation
    shape = draws.sizes["chain"], draws.sizes["draw"]
    scores = np.asarray(fit.expected_scores()).reshape(*shape, *fit.design.is_anchor.shape[:1], -1)
    draws["expected_score"] = (("chain", "draw", "benchmark", "model"), scores)
    rows = {}
    for name in REPORTED:
        dims = [str(dim) for dim in draws[name].dims if dim not in ("chain", "draw")]
        entries = draws[name].stack(entry=dims)
        varies = entries.max(("chain", "draw")) > entries.min(("chain", "draw"))
        if not varies.any():
            continue
        if not varies.all():  # anchors are constants
            entries = entries[..., varies]
        found = convergence(entries.transpose("entry", "chain", "draw").to_numpy())
        rows[name] = {
            "rhat": float(found.rhat.max()),
            "ess_bulk": float(found.ess_bulk.min()),
            "ess_tail": float(found.ess_tail.min()),
            "worst": ", ".join(map(str, entries["entry"][int(np.argmax(found.rhat))].item())),
        }
    return pd.DataFrame.from_dict(rows, orient="index")


def predictive_coverage(fit: Fit) -> xr.DataArray:
    """Share of observed scores inside their central 90 % posterior predictive interval.

    The interval is that of the likelihood given the fitted skills: it says whether the noise model
    fits, not how forecasts do.

    Args:
        fit: a fitted law.

    Returns:
        Fractions, with dim ``benchmark``; NaN where no score was observed.

    Example:
        >>> import skillscale as sk
        >>> table = sk.load_table("classic").select(
        ...     benchmarks=["mmlu", "gsm8k"], families=["llama", "llama-2", "pythia", "qwen1.5"]
        ... )
        >>> spec = sk.Spec(skills=("knowledge", "reasoning"), anchors=("mmlu", "gsm8k"))
        >>> fit = sk.fit(table, spec, method=sk.Svi(draws=200))
        >>> coverage = predictive_coverage(fit)
        >>> coverage["benchmark"].values.tolist(), bool((coverage > 0.5).all())
        (['mmlu', 'gsm8k'], True)
    """
    probability = _predictive_probability(fit)
    benchmark, _ = fit.observed_index
    lower, upper = tails(PREDICTIVE_INTERVAL)
    inside = (probability > lower) & (probability < upper)
    names = fit.design.coords["benchmark"]
    share = [inside[benchmark == j].mean() for j in range(len(names))]
    return xr.DataArray(share, coords={"benchmark": names})


def _predictive_probability(fit: Fit) -> Float[np.ndarray, " score"]:
    """Posterior predictive probability of scoring below what was observed, per observed score."""
    mean, scale, tail = (np.asarray(part) for part in fit.likelihood(DRAWS_FOR_SCORES))
    observed = np.asarray(fit.design.observations.score)[fit.observed_index]
    at_rows = (slice(None), *fit.observed_index)
    standard = (observed - mean[at_rows]) / scale[at_rows]
    return np.mean(stdtr(tail[:, None], standard), axis=0)


def _convergence(fit: Fit) -> list[Check]:
    import arviz_stats as azs

    table = diagnostics(fit)
    rhat, bulk = float(table["rhat"].max()), float(table["ess_bulk"].min())
    worst = table.sort_values("rhat").iloc[-1]
    longer = f"Sample longer (--draws); worst: {worst.name} of {worst['worst']}."
    sampler = fit.tree["sample_stats"].to_dataset()
    diverging = float(sampler["diverging"].mean())
    energy = float(np.min(azs.bfmi(fit.tree)["energy"]))
    return [
        Check("R-hat, worst", grade(-rhat, -1.01, -1.05), rhat, "<= 1.01", longer),
        Check("bulk ESS, smallest", grade(bulk, 400, 100), bulk, ">= 400", longer),
        Check(
            "divergences, share of draws",
            grade(-diverging, -0.001, -0.02),
            diverging,
            "<= 0.001",
            "Fit with a larger --target-accept, such as 0.9; look at priors --check.",
        ),
        Check(
            "energy (BFMI), smallest",
            grade(energy, 0.3, 0.1),
            energy,
            ">= 0.3",
            "The tails of the posterior are explored slowly: sample longer (--draws).",
        ),
    ]


def _prediction(fit: Fit) -> list[Check]:
    coverage = predictive_coverage(fit)
    n_scores = len(fit.observed_index[0])
    benchmark, _ = fit.observed_index
    weights = np.bincount(benchmark, minlength=coverage.size) / n_scores
    overall = float(coverage.to_numpy() @ weights)
    worst = abs(coverage - PREDICTIVE_INTERVAL).idxmax("benchmark").item()
    return [
        Check(
            "posterior predictive coverage",
            grade_band(overall, 0.84, 0.98),
            overall,
            "0.84 to 0.98",
            "The noise model does not fit: look at the worst benchmark.",
        ),
        Check(
            "worst benchmark coverage",
            grade_band(float(coverage.sel(benchmark=worst)), 0.8, 1.0),
            float(coverage.sel(benchmark=worst)),
            "0.80 to 1.00",
            f"Look at {worst}: its metric may have changed, or its link may not fit.",
        ),
    ]


def _influence(result: LeaveOneOut) -> Check:
    return Check(
        "PSIS-LOO",
        grade(-result.high_k, -0.1, -0.3),
        result.elpd,
        f"Pareto k > {result.good_k:.2f} in at most 10 % of scores (here {result.high_k:.1%})",
        f"elpd {result.elpd:.0f} +- {result.se:.0f}; scores with high k decide their own skill: "
        "leave families out (backtest) to judge forecasts.",
    )


def _agreement(fit: Fit) -> list[Check]:
    """How far the fitted optima are from those of controlled runs, where these are given."""
    slope = fit.draws().law.growth.slope
    checks = []
    for known in fit.spec.evidence:
        implied = at_reference_budget(slope[..., fit.spec.skill_index(known.skill)])
        log_params, sharpness = (float(np.median(values)) for values in implied)
        distance = max(
            abs(log_params - known.log_params) / known.log_params_sd,
            abs(sharpness - known.sharpness) / known.sharpness_sd,
        )
        best, given = (
            format_count(fit.spec.reference_params * np.exp(at))
            for at in (log_params, known.log_params)
        )
        checks.append(
            Check(
                f"controlled runs on {known.skill}",
                Verdict.PASS if distance <= AGREEMENT else Verdict.REVIEW,
                distance,
                f"<= {AGREEMENT:g} scales",
                "The fit departs from the controlled runs. At the reference budget the best size "
                f"is {best}, there {given}; its sharpness {sharpness:.2f}, there "
                f"{known.sharpness:.2f}. Take its optimum for unsettled.",
            )
        )
    return checks
