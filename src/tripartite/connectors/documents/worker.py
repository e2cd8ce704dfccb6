"""The program that runtime/parsing.py starts as a limited sub-process: it answers batches with our readers.

python -m tripartite.connectors.documents.worker MEMORY_BYTES
"""

from __future__ import annotations

import sys

from tripartite.connectors.documents.reading import READERS
from tripartite.runtime.parsing import serve

COMMAND = (sys.executable, "-m", "tripartite.connectors.documents.worker")

if __name__ == "__main__":
    serve(READERS, int(sys.argv[1]) if len(sys.argv) > 1 else 0)
