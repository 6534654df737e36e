"""The command line: results to stdout, progress and messages to stderr.

Every module but `app` and `output` adds commands to the application when it is imported. Signatures
of commands are long, because they are what ``--help`` prints.
"""

from skillscale.cli import (
    add_benchmark,
    backtest,
    backtest_next,
    data,
    demo,
    fit,
    forecast,
    imports,
    isoflop,
    next_evaluations,
    optimum,
    pass_at_k,
    skills,
)

__all__ = [
    "add_benchmark",
    "backtest",
    "backtest_next",
    "data",
    "demo",
    "fit",
    "forecast",
    "imports",
    "isoflop",
    "next_evaluations",
    "optimum",
    "pass_at_k",
    "skills",
]
