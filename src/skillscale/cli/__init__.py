"""The command line: results to stdout, progress and messages to stderr."""

from skillscale.cli import backtest, optimum
from skillscale.cli.commands import app, main

__all__ = ["app", "backtest", "main", "optimum"]
