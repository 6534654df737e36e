"""What `__init__` imports when it is asked for."""

from .as_evidence import slope_evidence as slope_evidence
from .best_sizes import optima as optima
from .estimation import isoflop as isoflop
from .estimation import load_isoflop as load_isoflop
from .estimators import Estimator as Estimator
from .estimators import IsoFlop as IsoFlop
from .forecast import forecast_losses as forecast_losses
from .laws import coefficients as coefficients
from .laws import exponents as exponents
from .mixes import load_mixes as load_mixes
from .mixes import mix_effects as mix_effects
from .sampling import ManyNuts as ManyNuts
from .size_ratios import ratios as ratios
from .skills import by_skill as by_skill
from .skills import load_skills as load_skills
from .surfaces import Surfaces as Surfaces
from .surfaces import fit_surfaces as fit_surfaces
from .table import Runs as Runs
from .table import load_runs as load_runs
from .validation_sets import misspecification as misspecification
from .validation_sets import worst_cases as worst_cases
