"""The audit log as arithmetic: leaves, the Merkle tree over them, proofs, and the signed statement of its state.

Pure functions of bytes. Not for storing anything (`runtime/audit.py`), nor for deciding what deserves a leaf (every
decision and every act does, and whoever records one makes its leaf in the same transaction).
"""

from tripartite.core.audit.checkpoint import Checkpoint, NoteInvalid, Sign, VerifyingKey, read_note, write_note
from tripartite.core.audit.leaf import (
    LONGEST_RECORD,
    SALT_LENGTH,
    Leaf,
    LeafInvalid,
    commitment_of,
    entry_of,
    leaf_id_of,
    make_leaf,
)
from tripartite.core.audit.merkle import (
    EMPTY_ROOT,
    consistency_holds,
    extend,
    inclusion_holds,
    leaf_hash,
    node_hash,
    prove_consistency,
    prove_inclusion,
    root_of,
)

__all__ = [
    "EMPTY_ROOT",
    "LONGEST_RECORD",
    "SALT_LENGTH",
    "Checkpoint",
    "Leaf",
    "LeafInvalid",
    "NoteInvalid",
    "Sign",
    "VerifyingKey",
    "commitment_of",
    "consistency_holds",
    "entry_of",
    "extend",
    "inclusion_holds",
    "leaf_hash",
    "leaf_id_of",
    "make_leaf",
    "node_hash",
    "prove_consistency",
    "prove_inclusion",
    "read_note",
    "root_of",
    "write_note",
]
