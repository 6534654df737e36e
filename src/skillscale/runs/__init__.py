"""Controlled training runs: what losses say of size against tokens.

| file | what is in it |
|---|---|
| `table`, `grid` | runs, and whether they form a grid |
| `columns`, `sweeps`, `oddities` | what columns hold, which run of a cell counts, doubts |
| `surface`, `discrepancy` | the equation, and what it leaves unexplained |
| `posterior`, `sampling`, `surfaces`, `coupling` | how surfaces are found, losses jointly |
| `parabola`, `power_law` | the other estimator: a minimum per budget, and the line through them |
| `estimators`, `estimation`, `storage` | the result of both, how it is found, its file |
| `along_size` | what varies with size: how compute is counted, what experts add |
| `agreement` | whether they say the same |
| `huber_fit` | the estimate of others, to compare with |
| `best_sizes`, `coefficients` | best sizes at budgets, and as laws |
| `size_ratios`, `mixes`, `validation_sets` | best sizes compared, and what moves them |
| `skills` | losses joined by what they measure |
| `forecast` | losses of runs to come |
| `as_evidence` | what goes into a leaderboard fit |
"""

from skillscale.law.starter import evidence_toml
from skillscale.runs.as_evidence import slope_evidence
from skillscale.runs.best_sizes import optima
from skillscale.runs.coefficients import coefficients, exponents
from skillscale.runs.estimation import isoflop, load_isoflop
from skillscale.runs.estimators import Estimator, IsoFlop
from skillscale.runs.forecast import forecast_losses
from skillscale.runs.mixes import load_mixes, mix_effects
from skillscale.runs.sampling import ManyNuts
from skillscale.runs.size_ratios import ratios
from skillscale.runs.skills import by_skill, load_skills
from skillscale.runs.surfaces import Surfaces, fit_surfaces
from skillscale.runs.table import Runs, load_runs
from skillscale.runs.validation_sets import misspecification, worst_cases

__all__ = [
    "Estimator",
    "IsoFlop",
    "ManyNuts",
    "Runs",
    "Surfaces",
    "by_skill",
    "coefficients",
    "evidence_toml",
    "exponents",
    "fit_surfaces",
    "forecast_losses",
    "isoflop",
    "load_isoflop",
    "load_mixes",
    "load_runs",
    "load_skills",
    "misspecification",
    "mix_effects",
    "optima",
    "ratios",
    "slope_evidence",
    "worst_cases",
]
