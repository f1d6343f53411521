"""Files that appear whole or not at all."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Temporary name beside `path` that takes its place when the block ends without an error.

    The name is the same each time, so what a killed run left behind is overwritten by the next. An error inside the
    block removes the temporary file and leaves an older `path` as it was; one of writing (a full disk) names the file.
    """
    path = Path(path)
    temporary = path.with_name(path.name + ".partial")
    try:
        yield temporary
        os.replace(temporary, path)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        # The system's errors name this file when it cannot be opened, and no file when it cannot be written.
        if isinstance(error, OSError) and error.errno and error.filename in (None, temporary, str(temporary)):
            raise OSError(f"{path} could not be written: {os.strerror(error.errno)}") from error
        raise
