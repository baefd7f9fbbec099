"""What is kept: one digest for everything that is identified by its contents, and files that are written whole or not
at all.
"""

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["digest_of", "replace_file"]


def digest_of(*parts: Any) -> str:
    """SHA-256 (hex) of JSON values and arrays, in order."""
    total = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            total.update(f"{part.dtype.str}{part.shape}".encode())
            total.update(np.ascontiguousarray(part).tobytes())
        else:
            total.update(json.dumps(part, sort_keys=True).encode())
    return total.hexdigest()


def replace_file(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all: a reader sees the old bytes or the new ones, also after a full disk or
    Ctrl-C.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(temporary, 0o644)  # mkstemp's 0o600 is for secrets
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
