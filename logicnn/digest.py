"""One digest for everything that is identified by its contents."""

import hashlib
import json
from typing import Any

import numpy as np

__all__ = ["digest_of"]


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
