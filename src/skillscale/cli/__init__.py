"""The command line: results to stdout, progress and messages to stderr."""

from skillscale.cli import backtest, isoflop, optimum, skills
from skillscale.cli.commands import app, main

__all__ = ["app", "backtest", "isoflop", "main", "optimum", "skills"]
