"""Files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from skillscale.errors import FitFileError


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all.

    Args:
        path: the file, in a folder that exists; one that is there is replaced.
        text: what it will hold, as UTF-8.

    Raises:
        FitFileError: the file can't be written.

    Example:
        >>> path = Path(tempfile.mkdtemp()) / "spec.toml"
        >>> write_text(path, "reference_year = 2024")
        >>> path.read_text("utf-8")
        'reference_year = 2024'
    """
    with whole_or_absent(path) as temporary:
        temporary.write_text(text, "utf-8")


@contextmanager
def whole_or_absent(path: Path) -> Iterator[Path]:
    """A temporary file beside a path, which takes its place once it is written.

    Args:
        path: the file, in a folder that exists; one that is there is replaced.

    Yields:
        Path of the temporary file; it is removed if writing it raises.

    Raises:
        FitFileError: the file can't be written.

    Example:
        >>> path = Path(tempfile.mkdtemp()) / "scores.csv"
        >>> with whole_or_absent(path) as temporary:
        ...     _ = temporary.write_text("model,mmlu")
        >>> path.exists(), temporary.exists()
        (True, False)
    """
    try:
        handle, name = tempfile.mkstemp(suffix=".tmp", prefix=path.name, dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise FitFileError(f"{path} can't be written: {error.strerror}.") from error
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise FitFileError(f"{path} can't be written: {error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
