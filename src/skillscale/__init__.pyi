"""What `__init__` imports when it is asked for."""

from .checks.fit import check as check
from .checks.stacking import stack as stack
from .data.table import Table as Table
from .data.table import load_table as load_table
from .forecasts.forecast import forecast as forecast
from .forecasts.next_evaluations import next_evaluations as next_evaluations
from .forecasts.pass_at_k import pass_at_k as pass_at_k
from .law.spec import Spec as Spec
from .optima.cheapest import cheapest as cheapest
from .optima.deployment import Deployment as Deployment
from .optima.goal import Goal as Goal
from .optima.optimum import optimum as optimum
from .optima.regret import regret as regret
from .posterior.add_benchmark import add_benchmark as add_benchmark
from .posterior.fit import fit as fit
from .posterior.hmc import Hmc as Hmc
from .posterior.result import Fit as Fit
from .posterior.stack import Stack as Stack
from .posterior.svi import Svi as Svi
from .runs.estimation import isoflop as isoflop
from .runs.estimation import load_isoflop as load_isoflop
from .runs.skills import by_skill as by_skill
from .runs.skills import load_skills as load_skills
from .runs.table import load_runs as load_runs
from .skills.reading import read_skills as read_skills

__version__: str
