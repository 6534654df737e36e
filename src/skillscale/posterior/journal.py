"""A journal of the steps of a fit: one that is killed goes on where it was.

Inference is a sequence of deterministic steps, so what a step gave may stand for the step. A
journal knows nothing of them but their names: it keeps arrays, and is shown an example of whatever
it is to give back, whose structure and types that will have. Bits are kept, so a fit that goes on
draws what it would have drawn, on the same machine.

```
mean-field.npz      what was done once
warmup-1.npz        the same; what its parts were is dropped
steps.npz           a series: how many steps were taken, and the state after the last
steps/0000.npz      what each of them has put out
```

Each file is whole or absent, and one that can't be read counts as absent.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import ArrayLike, Shaped

from skillscale.files import whole_or_absent

T = TypeVar("T")
Output = dict[str, Shaped[np.ndarray, "*shape"]]


@dataclass(frozen=True)
class Journal:
    """What the steps of a fit gave, by name.

    Attributes:
        folder: where it is kept; None for a journal that keeps nothing.

    Example:
        >>> import tempfile
        >>> journal = Journal(Path(tempfile.mkdtemp()))
        >>> journal.once("root", lambda parts: jnp.sqrt(jnp.float32(2)), like=jnp.zeros(()))
        Array(1.4142135, dtype=float32)
        >>> journal.once("root", lambda parts: 1 / 0, like=jnp.zeros(()))
        Array(1.4142135, dtype=float32)
    """

    folder: Path | None = None

    def once(self, name: str, compute: Callable[[Journal], T], like: T) -> T:
        """What was computed under a name, or is now.

        Args:
            name: of the work, a file's.
            compute: does it, given a journal for its parts, which are dropped once it is done.
            like: arrays of the structure, shapes and types of the result.

        Returns:
            The result, the same in every bit whether it was kept or not.

        Raises:
            TypeError: the result is not like ``like``.
            FitFileError: it can't be written.
        """
        if self.folder is None:
            return compute(self)
        path = self.folder / f"{name}.npz"
        kept = _read_like(path, like)
        if kept is not None:
            return kept
        value = compute(Journal(self.folder / name))
        _write_like(path, value, like)
        shutil.rmtree(self.folder / name, ignore_errors=True)
        return value

    def series(
        self,
        name: str,
        step: Callable[[int, T], tuple[T, Mapping[str, ArrayLike]]],
        state: T,
        n: int,
        is_enough: Callable[[list[Output]], bool] = lambda outputs: False,
    ) -> tuple[T, list[Output]]:
        """Take steps from state to state, after those that were taken before.

        Outputs stay, of the states only the last: one state may be larger than all draws.

        Args:
            name: of the series, a file's.
            step: from the number of a step and a state, the next state and what is put out.
            state: the first state, of arrays; the others are of its structure, shapes and types.
            n: steps to take.
            is_enough: whether to stop before, given what was put out.

        Returns:
            The last state, and what every step has put out, by name.

        Raises:
            TypeError: a state is not like the first.
            FitFileError: a step can't be written.
        """
        outputs: list[Output] = []
        if self.folder is not None:
            state, outputs = _taken_over(self.folder / name, state)
        while len(outputs) < n and not is_enough(outputs):
            i, before = len(outputs), state
            state, output = step(i, state)
            outputs.append({key: np.asarray(value) for key, value in output.items()})
            if self.folder is not None:
                _write(self.folder / name / f"{i:04d}.npz", outputs[i])
                _write_like(
                    self.folder / f"{name}.npz", (np.array(i + 1), state), (np.array(0), before)
                )
        return state, outputs


FORGETFUL = Journal()
"""Keeps nothing, and costs nothing."""


def _taken_over(series: Path, first: T) -> tuple[T, list[Output]]:
    """The last state of a series and the outputs until there; its beginning if any is lost."""
    kept = _read_like(series.with_name(f"{series.name}.npz"), (np.array(0), first))
    if kept is None:
        return first, []
    n, state = kept
    outputs = [_read(series / f"{i:04d}.npz") for i in range(int(n))]
    whole = [output for output in outputs if output is not None]
    return (state, whole) if len(whole) == len(outputs) else (first, [])


def _read_like(path: Path, like: T) -> T | None:
    """A tree of arrays, if it is there, whole, and of the same types as another."""
    examples, structure = jax.tree.flatten(like)
    stored = _read(path)
    if stored is None or len(stored) != len(examples):
        return None
    try:
        leaves = [_as_before(stored[str(i)], example) for i, example in enumerate(examples)]
    except (KeyError, ValueError, TypeError):
        return None
    kept: T = jax.tree.unflatten(structure, leaves)
    return kept if _types(kept) == _types(like) else None


def _write_like(path: Path, tree: T, like: T) -> None:
    types = _types(tree)
    if types != _types(like) or any(is_weak for *_, is_weak in types[1]):
        raise TypeError(f"{path.stem}: found {types}, wanted what is like {_types(like)}, not weak")
    _write(path, {str(i): _data(leaf) for i, leaf in enumerate(jax.tree.leaves(tree))})


def _types(tree: object) -> tuple[Any, list[tuple]]:
    """Structure, shapes and types; JAX can't read an array of a weak type."""
    leaves, structure = jax.tree.flatten(tree)
    return structure, [
        (isinstance(leaf, jax.Array), leaf.shape, leaf.dtype, getattr(leaf, "weak_type", False))
        for leaf in leaves
    ]


def _is_key(leaf: Any) -> bool:
    return jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key)


def _data(leaf: Any) -> Shaped[np.ndarray, "*shape"]:
    return np.asarray(jax.random.key_data(leaf) if _is_key(leaf) else leaf)


def _as_before(data: Shaped[np.ndarray, "*shape"], example: Any) -> Any:
    if _is_key(example):
        return jax.random.wrap_key_data(jnp.asarray(data), impl=jax.random.key_impl(example))
    return jnp.asarray(data) if isinstance(example, jax.Array) else data


def _read(path: Path) -> Output | None:
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            return dict(stored)
    except Exception:  # what NumPy raises depends on where a file was cut
        return None


def _write(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_or_absent(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)  # type: ignore[arg-type]
        file.flush()
        os.fsync(file.fileno())  # or the new name may outlive a power cut, and the content not
