"""Programs that commands compile, kept for later ones in the user's cache directory.

JAX looks for a program there before it compiles one, and keeps what it compiled; commands may run
at the same time. The variables of the environment are JAX's own: with
``JAX_ENABLE_COMPILATION_CACHE=false`` nothing is kept, and ``JAX_COMPILATION_CACHE_DIR`` names
another directory, which is then the user's to bound.
"""

from __future__ import annotations

import os
import re
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

MOST_BYTES = 256 * 2**20
"""Commands of all kinds on one table leave some ten."""
DIRECTORY = "JAX_COMPILATION_CACHE_DIR"
KEEP_ALL = {
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
}
"""JAX keeps what takes a second or more; a command compiles a hundred programs that take less."""
FAILURE = re.compile(r"Error (reading|writing) persistent compilation cache entry for '([^']+)'")
"""What JAX warns of, before it compiles as if there were no cache."""


def keep_programs() -> None:
    """Have JAX keep compiled programs, unless the user says where; to be called before its import.

    A directory that can't be made or written in is done without.
    """
    if DIRECTORY in os.environ:
        return
    folder = user_cache_path("skillscale") / "compiled"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        bound(folder, MOST_BYTES)
    except OSError:
        return
    if not os.access(folder, os.W_OK):
        return
    os.environ[DIRECTORY] = str(folder)
    for name, value in KEEP_ALL.items():
        os.environ.setdefault(name, value)
    _mend(folder)


def bound(folder: Path, most: int) -> None:
    """Remove what was used longest ago where files of a directory are too large together.

    Args:
        folder: the directory.
        most: bytes that they may be; half of them are kept, so that this is seldom needed.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> for i, name in enumerate("abc"):
        ...     _ = (folder / name).write_bytes(bytes(10))
        ...     os.utime(folder / name, (i, i))
        >>> bound(folder, 29)
        >>> [path.name for path in folder.iterdir()]
        ['c']
    """
    used = {}
    for entry in os.scandir(folder):
        try:
            found = entry.stat()
        except FileNotFoundError:  # another command has just removed it
            continue
        used[entry.path] = (max(found.st_atime, found.st_mtime), found.st_size)
    total = sum(size for _, size in used.values())
    if total <= most:
        return
    for path in sorted(used, key=lambda path: used[path]):
        if total <= most / 2:
            break
        Path(path).unlink(missing_ok=True)
        total -= used[path][1]


def _mend(folder: Path) -> None:
    """Say nothing of a program that can't be read or kept; remove it, so that it is kept anew."""
    show = warnings.showwarning

    def told(message: Warning | str, *rest: Any, **more: Any) -> None:
        failure = FAILURE.match(str(message))
        if failure is None:
            show(message, *rest, **more)
        elif failure[1] == "reading":
            for damaged in folder.glob(f"{failure[2]}-*"):
                with suppress(OSError):
                    damaged.unlink()

    warnings.showwarning = told
