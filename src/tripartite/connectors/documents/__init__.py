"""Business documents in standard formats: UBL and CII. `READERS` maps a format to its reader.

The readers are pure functions of bytes. They are meant to run in the limited sub-processes of runtime/parsing.py,
started by `worker.COMMAND`. What is dropped on purpose stands in dropped.py with its reasons.
"""

from tripartite.connectors.documents.reading import FORMATS, READERS, detect, read_any
from tripartite.connectors.documents.unpack import Member, UnpackLimits, unpack

__all__ = ["FORMATS", "READERS", "Member", "UnpackLimits", "detect", "read_any", "unpack"]
