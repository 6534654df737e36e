"""Bayesian skill scaling laws: forecast benchmark scores of language models.

Log-parameters and log-tokens, through family-specific efficiencies, give a few latent skills; the
skills predict benchmark scores; the posterior gives forecasts with intervals and compute optima.

| room | what is in it |
|---|---|
| `data` | tables: reading, checking, selecting |
| `law`, `hierarchy`, `likelihood` | the equation, the families, how scores scatter |
| `priors`, `model` | the numbers believed beforehand, and all of it together |
| `exploratory` | skills without names, and how they are sampled all the same |
| `evidence` | what controlled runs say of size against tokens |
| `inference` | how the posterior is found |
| `fitting`, `storage` | `fit`, its result, and the file it is saved in |
| `new_models`, `forecasting`, `checking` | what a posterior answers of models |
| `reading`, `rotation`, `alignment` | the coordinates in which skills are read |
| `skill_tables`, `item_curves` | what the skills are, and who has them |
| `new_benchmarks` | benchmarks that the fit has not seen |
| `difficulty`, `passes` | how items differ in difficulty, and what several attempts solve |
| `next_evaluations` | what to evaluate or train next |
| `production`, `objectives`, `costs` | one family's law, what to maximise, what it costs |
| `optima`, `cheapest`, `regret`, `identification` | what to train, and how well that is known |
| `runs` | controlled runs: loss surfaces, parabolas, optima by skill, forecasts of losses |
| `backtest`, `published_law` | what it would have answered, beside the truth and simpler laws |
| `plots`, `cli` | figures and the command line |
"""

# Before ArviZ, whose lazy import of NumPyro leaves numpyro.distributions incomplete.
import numpyro  # noqa: F401

from skillscale.checks.fit import check
from skillscale.data.table import Table, load_table
from skillscale.forecasts.forecast import forecast
from skillscale.forecasts.next_evaluations import next_evaluations
from skillscale.forecasts.pass_at_k import pass_at_k
from skillscale.law.spec import Spec
from skillscale.optima.cheapest import cheapest
from skillscale.optima.deployment import Deployment
from skillscale.optima.goal import Goal
from skillscale.optima.optimum import optimum
from skillscale.optima.regret import regret
from skillscale.posterior.add_benchmark import add_benchmark
from skillscale.posterior.fit import Fit, fit
from skillscale.posterior.nuts import Nuts
from skillscale.posterior.svi import Svi
from skillscale.runs.estimators import isoflop
from skillscale.runs.skills import by_skill, load_skills
from skillscale.runs.table import load_runs
from skillscale.skills.reading import read_skills

__all__ = [
    "Deployment",
    "Fit",
    "Goal",
    "Nuts",
    "Spec",
    "Svi",
    "Table",
    "add_benchmark",
    "by_skill",
    "cheapest",
    "check",
    "fit",
    "forecast",
    "isoflop",
    "load_runs",
    "load_skills",
    "load_table",
    "next_evaluations",
    "optimum",
    "pass_at_k",
    "read_skills",
    "regret",
]
