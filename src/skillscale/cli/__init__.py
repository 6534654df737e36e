"""The command line: results to stdout, progress and messages to stderr."""

from skillscale.cli import (
    add_benchmark,
    backtest,
    isoflop,
    next_evaluations,
    optimum,
    pass_at_k,
    skills,
)
from skillscale.cli.commands import app, main

__all__ = [
    "add_benchmark",
    "app",
    "backtest",
    "isoflop",
    "main",
    "next_evaluations",
    "optimum",
    "pass_at_k",
    "skills",
]
