"""Compiled programs: some of them at once, and ready before they are needed.

XLA leaves Python's lock while it compiles and while it computes. Programs are traced in the thread
that asks for them: the handlers of NumPyro share a stack, and threads would mix it up.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import main_thread
from typing import Any

import jax
import numpy as np
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


def over_draws(program: Wrapped, draws: Any, *shared: Any, together: int) -> Any:
    """Run a program for many draws: of the same shapes, however many there are.

    Args:
        program: of some draws, and of what they share; gives something of each along first axes.
        draws: arrays, with draws along their first axes.
        *shared: the other arguments.
        together: draws that a thread takes on.

    Returns:
        What the program gives for all draws, as NumPy's arrays.

    Example:
        >>> over_draws(jax.jit(lambda x, y: x * y), np.arange(5.0), 2.0, together=2).tolist()
        [0.0, 2.0, 4.0, 6.0, 8.0]
    """
    n = len(jax.tree.leaves(draws)[0])
    padded = np.arange(-(-n // together) * together) % n
    parts = [
        jax.tree.map(lambda values, part=part: values[part], draws)
        for part in np.split(padded, len(padded) // together)
    ]
    found = at_once(program, [(part, *shared) for part in parts])
    return jax.tree.map(lambda *each: np.concatenate(each)[:n], *found)


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
    lowered = program.lower(*arguments)
    _COMPILER.submit(lambda: main_thread().is_alive() and lowered.compile())  # else all has ended
