"""The command line: results to stdout, progress and messages to stderr."""

from skillscale.cli import add_benchmark, backtest, isoflop, optimum
from skillscale.cli.commands import app, main

__all__ = ["add_benchmark", "app", "backtest", "isoflop", "main", "optimum"]
