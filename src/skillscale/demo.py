"""Placeholder being written."""


def run_demo(out, *, seed=0, console=None): ...
