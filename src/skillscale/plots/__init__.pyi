"""What `__init__` imports when it is asked for."""

from .calibration import plot_calibration as plot_calibration
from .canvas import ACTUAL as ACTUAL
from .cheapest import plot_cheapest as plot_cheapest
from .families import plot_efficiencies as plot_efficiencies
from .families import plot_instruct_effect as plot_instruct_effect
from .forecasts import plot_forecast as plot_forecast
from .item_curves import plot_item_curves as plot_item_curves
from .levels import plot_level_curves as plot_level_curves
from .loadings import plot_loadings as plot_loadings
from .loadings import plot_skill_correlations as plot_skill_correlations
from .misspecification import plot_misspecification as plot_misspecification
from .model_skills import plot_model_skills as plot_model_skills
from .next_evaluations import plot_next_evaluations as plot_next_evaluations
from .optima import plot_optimum as plot_optimum
from .pass_at_k import plot_pass_at_k as plot_pass_at_k
from .ratios import plot_loss_forecast as plot_loss_forecast
from .ratios import plot_ratios as plot_ratios
from .regret import plot_regret as plot_regret
from .runs import plot_isoflop as plot_isoflop
from .runs import plot_runs_optimum as plot_runs_optimum
from .score_curves import plot_score_curves as plot_score_curves
