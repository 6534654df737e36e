"""The directory beside a fit's file where its steps are kept until it is saved.

What it is of is kept in it, so that no fit goes on with the steps of another. A process at work on
it holds a lock that ends with the process, however that ends.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from skillscale.errors import FitFileError
from skillscale.files import write_text
from skillscale.posterior.journal import FORGETFUL, Journal

SCHEMA = 3
"""Raised whenever steps of a fit have other names, or give what they did not give before."""
IDENTITY = "fit.json"
LOCK = "lock"
SHOWN = 40
"""Characters of a value that a message shows."""


@contextmanager
def opened(folder: Path | None, identity: Mapping[str, object]) -> Iterator[Journal]:
    """The journal of a fit, for one process at a time.

    Args:
        folder: where it is kept, made if need be and gone if nothing is; None to keep nothing.
        identity: plain values that tell the fit from any other.

    Yields:
        The journal, with what was kept before if that is of the same fit.

    Raises:
        FitFileError: the folder is no checkpoint or of another fit, or a process is at work on it.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> folder = Path(tempfile.mkdtemp()) / "fit.nc.checkpoint"
        >>> with opened(folder, {"seed": 0}) as journal:
        ...     _ = journal.once("zero", lambda parts: np.zeros(2), like=np.ones(2))
        >>> with opened(folder, {"seed": 1}) as journal:
        ...     pass
        Traceback (most recent call last):
        skillscale.errors.FitFileError: ... is of another fit: seed is 0 there, 1 is wanted. ...
    """
    if folder is None:
        yield FORGETFUL
        return
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FitFileError(f"{folder} can't be a directory: {error.strerror}.") from error
    _require_checkpoint(folder)
    with _locked(folder):
        for stray in folder.rglob("*.tmp"):  # of a process that was killed while it wrote
            stray.unlink()
        plain = json.loads(json.dumps({"schema": SCHEMA, **identity}))
        if last_kept(folder) is not None:
            _require_same(folder, plain)
        write_text(folder / IDENTITY, json.dumps(plain, indent=1))
        try:
            yield Journal(folder)
        finally:
            if last_kept(folder) is None:
                shutil.rmtree(folder, ignore_errors=True)


def last_kept(folder: Path) -> datetime | None:
    """When the last step was kept.

    Args:
        folder: of a checkpoint; it need not be there.

    Returns:
        The time, in UTC; None if no step was kept.

    Example:
        >>> last_kept(Path("/no/such/fit.nc.checkpoint")) is None
        True
    """
    times = []
    with suppress(FileNotFoundError):  # a process at work drops what it needs no more
        for path in folder.rglob("*.npz"):
            times.append(path.stat().st_mtime)
    return datetime.fromtimestamp(max(times), UTC) if times else None


def discard(folder: Path) -> None:
    """Remove a checkpoint, if there is one.

    Args:
        folder: of the checkpoint.

    Raises:
        FitFileError: it is no checkpoint, or a process is at work on it.

    Example:
        >>> import tempfile
        >>> import numpy as np
        >>> folder = Path(tempfile.mkdtemp()) / "fit.nc.checkpoint"
        >>> with opened(folder, {"seed": 0}) as journal:
        ...     _ = journal.once("zero", lambda parts: np.zeros(2), like=np.ones(2))
        >>> folder.exists()
        True
        >>> discard(folder)
        >>> folder.exists()
        False
    """
    if not folder.exists():
        return
    _require_checkpoint(folder)
    with _locked(folder):
        pass
    for path in folder.iterdir():  # what it is of goes last: it tells a checkpoint from others
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif path.name != IDENTITY:
            path.unlink(missing_ok=True)
    shutil.rmtree(folder, ignore_errors=True)


def _require_checkpoint(folder: Path) -> None:
    """What lies in a folder is a checkpoint's, or nothing: other folders are left alone."""
    if not folder.is_dir():
        raise FitFileError(f"{folder} is no directory. Name another checkpoint.")
    others = [path for path in folder.iterdir() if path.name != LOCK and path.suffix != ".tmp"]
    if others and not (folder / IDENTITY).is_file():
        raise FitFileError(
            f"{folder} holds files, but is no checkpoint of skillscale. Name another directory."
        )


def _require_same(folder: Path, wanted: Mapping[str, object]) -> None:
    advice = "Ask for that fit, or begin anew: delete the directory, or give --force."
    try:
        found = dict(json.loads((folder / IDENTITY).read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise FitFileError(f"{folder}: {IDENTITY} can't be read ({error}). {advice}") from error
    there, here = _by_path(found), _by_path(wanted)
    differences = [
        f"{name} is {_shown(there.get(name))} there, {_shown(here.get(name))} is wanted"
        for name in sorted(there | here)
        if there.get(name) != here.get(name)
    ]
    if differences:
        raise FitFileError(f"{folder} is of another fit: {'; '.join(differences)}. {advice}")


def _by_path(values: Mapping[str, Any], prefix: str = "") -> dict[str, object]:
    """Values that are no mappings, by the path to them."""
    found: dict[str, object] = {}
    for name, value in values.items():
        if isinstance(value, dict) and value:
            found |= _by_path(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value
    return found


def _shown(value: object) -> str:
    text = str(value)
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}..."


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a checkpoint; it ends with the process, however that ends."""
    try:
        lock = (folder / LOCK).open("a+")
    except OSError as error:
        raise FitFileError(f"{folder} can't be written in: {error.strerror}.") from error
    with lock:
        if sys.platform != "win32":
            import fcntl

            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                lock.seek(0)
                raise FitFileError(
                    f"{folder}: another process ({lock.read()}) is at work on it. "
                    "Wait until it ends, or name another file."
                ) from error
            except OSError:  # a file system without locks: a fit there is better than none
                pass
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        yield
