"""Compiled programs: some of them at once, and ready before they are needed.

XLA leaves Python's lock while it compiles and while it computes. Programs are traced in the thread
that asks for them: the handlers of NumPyro share a stack, and threads would mix it up.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
from jax.stages import Wrapped

_COMPILER = ThreadPoolExecutor(1)
"""A compiler takes two cores."""


def at_once(program: Wrapped, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Run a program several times, each in a thread of its own where there are cores for it.

    Args:
        program: made by ``jax.jit``.
        calls: arguments of every call, all of the same structure, shapes and types.

    Returns:
        What every call gives.

    Example:
        >>> [float(square) for square in at_once(jax.jit(lambda x: x**2), [(1.0,), (2.0,)])]
        [1.0, 4.0]
    """
    compiled = program.lower(*calls[0]).compile()
    with ThreadPoolExecutor(min(len(calls), os.cpu_count() or 1)) as threads:
        return list(threads.map(lambda call: jax.block_until_ready(compiled(*call)), calls))


def compile_ahead(program: Wrapped, *arguments: Any) -> None:
    """Compile a program for arguments like these while something else is done.

    Who calls the program before that is done, waits for it.

    Args:
        program: made by ``jax.jit``.
        *arguments: only their structure, shapes and types matter.

    Example:
        >>> square = jax.jit(lambda x: x**2)
        >>> compile_ahead(square, 1.0)
        >>> float(square(2.0))
        4.0
    """
    _COMPILER.submit(program.lower(*arguments).compile)
