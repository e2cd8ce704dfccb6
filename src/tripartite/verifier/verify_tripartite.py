#!/usr/bin/env python3
"""Check evidence from a Tripartite audit log without Tripartite, and without trusting it.

    python verify_tripartite.py EXPORT [--key KEY] [--checkpoint FILE]... [--list] [--json]

EXPORT is what `tripartite audit export` wrote: JSON, one value a line. This file needs Python 3.9 and nothing else; it
imports nothing of Tripartite and holds its own Ed25519 check (RFC 8032), so that it can be read in an afternoon. For
each leaf it recomputes the commitment from salt, words and record, the hash that stands in the Merkle tree (RFC 6962),
and the path from there to the root that the log has signed (C2SP tlog-checkpoint). For each earlier checkpoint it
checks that the later log begins with it, unchanged. A complete export is rebuilt from its first leaf to the root.

--key          the log's public key as it was given to you by another way than this file; without it the key inside the
               export is used, which shows that the export is of one piece, not whose it is
--checkpoint   a checkpoint you kept (from mail, print or a witness): the export must continue it
--list         print each leaf: index, time, what happened, to what
--json         print {"ok", "tree_size", "root", "checked", "first_bad", ...} for a machine

Exit: 0 all holds, 1 something does not, 2 the file cannot be read.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import sys
import time
from collections.abc import Iterator, Sequence
from hashlib import sha256, sha512
from typing import Any

FORMAT = "tripartite-audit/1"
LONGEST_LINE = 1024 * 1024  # bytes; a leaf has at most 64 KiB of record
DOMAIN = b"tripartite.leaf.v1\n"
ERASURE = "leaf.erased"


class Unreadable(Exception):
    """The file is not an export."""


class Bad(Exception):
    """Something does not hold; `index` is the leaf where, if it is at a leaf."""

    def __init__(self, problem: str, index: int | None = None) -> None:
        super().__init__(problem)
        self.index = index


# Ed25519, RFC 8032 section 5.1; points in extended coordinates (X, Y, Z, T)

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P
ROOT_OF_MINUS_ONE = pow(2, (P - 1) // 4, P)


def point_add(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    a = (one[1] - one[0]) * (other[1] - other[0]) % P
    b = (one[1] + one[0]) * (other[1] + other[0]) % P
    c = 2 * one[3] * other[3] * D % P
    d = 2 * one[2] * other[2] % P
    e, f, g, h = b - a, d - c, d + c, b + a
    return (e * f % P, g * h % P, f * g % P, e * h % P)


def point_multiply(times: int, point: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    result = (0, 1, 1, 0)
    while times:
        if times & 1:
            result = point_add(result, point)
        point = point_add(point, point)
        times >>= 1
    return result


def point_equal(one: tuple[int, int, int, int], other: tuple[int, int, int, int]) -> bool:
    return (one[0] * other[2] - other[0] * one[2]) % P == 0 and (one[1] * other[2] - other[1] * one[2]) % P == 0


def recover_x(y: int, sign: int) -> int | None:
    if y >= P:
        return None
    square = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    if square == 0:
        return None if sign else 0
    x = pow(square, (P + 3) // 8, P)
    if (x * x - square) % P:
        x = x * ROOT_OF_MINUS_ONE % P
    if (x * x - square) % P:
        return None
    return P - x if x & 1 != sign else x


def point_read(data: bytes) -> tuple[int, int, int, int] | None:
    if len(data) != 32:
        return None
    y = int.from_bytes(data, "little")
    sign, y = y >> 255, y & ((1 << 255) - 1)
    x = recover_x(y, sign)
    return None if x is None else (x, y, 1, x * y % P)


BASE_Y = 4 * pow(5, P - 2, P) % P
BASE_X = recover_x(BASE_Y, 0) or 0
BASE = (BASE_X, BASE_Y, 1, BASE_X * BASE_Y % P)


def ed25519_holds(public: bytes, message: bytes, signature: bytes) -> bool:
    """Is this a signature of the message by the key? Encodings that are not canonical are refused."""
    if len(signature) != 64:
        return False
    key, first = point_read(public), point_read(signature[:32])
    scalar = int.from_bytes(signature[32:], "little")
    if key is None or first is None or scalar >= L:
        return False
    challenge = int.from_bytes(sha512(signature[:32] + public + message).digest(), "little") % L
    return point_equal(point_multiply(scalar, BASE), point_add(first, point_multiply(challenge, key)))


# The Merkle tree, RFC 6962 (hashing) and RFC 9162 section 2.1 (checking proofs)


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def inclusion_holds(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    if not 0 <= index < size:
        return False
    node, last, result = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            result = node_hash(step, result)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            result = node_hash(result, step)
        node >>= 1
        last >>= 1
    return last == 0 and result == root


def consistency_holds(earlier: int, later: int, earlier_root: bytes, later_root: bytes, proof: Sequence[bytes]) -> bool:
    if not 0 < earlier <= later:
        return False
    if earlier == later:
        return not proof and earlier_root == later_root
    steps = list(proof)
    if earlier & (earlier - 1) == 0:
        steps.insert(0, earlier_root)
    if not steps:
        return False
    node, last = earlier - 1, later - 1
    while node & 1:
        node >>= 1
        last >>= 1
    old = new = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            old, new = node_hash(step, old), node_hash(step, new)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, step)
        node >>= 1
        last >>= 1
    return last == 0 and old == earlier_root and new == later_root


class Tree:
    """A tree rebuilt leaf by leaf; only the roots of its full subtrees are kept."""

    def __init__(self) -> None:
        self.size = 0
        self.peaks: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        position = self.size
        while position & 1:
            leaf = node_hash(self.peaks.pop(), leaf)
            position >>= 1
        self.peaks.append(leaf)
        self.size += 1

    def root(self) -> bytes:
        if not self.peaks:
            return sha256(b"").digest()
        result = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            result = node_hash(peak, result)
        return result


# Checkpoints and keys, C2SP tlog-checkpoint and signed-note


def decoded(text: str) -> bytes:
    data = base64.b64decode(text, validate=True)
    if base64.b64encode(data).decode() != text:
        raise ValueError("stray bits")
    return data


class Key:
    def __init__(self, text: str) -> None:
        name, key_id, encoded = text.strip().split("+", 2)
        data = decoded(encoded)
        if len(data) != 33 or data[0] != 1:
            raise ValueError("not an Ed25519 key")
        self.text, self.name, self.public = text.strip(), name, data[1:]
        self.key_id = sha256(name.encode() + b"\n" + data).digest()[:4]
        if self.key_id.hex() != key_id:
            raise ValueError("the key id does not belong to the key")


class Checkpoint:
    def __init__(self, text: str) -> None:
        body, blank, tail = text.rpartition("\n\n")
        lines = (body + "\n").split("\n")
        if not blank or not tail.endswith("\n") or len(lines) < 4 or "" in lines[:-1]:
            raise ValueError("not a checkpoint")
        if not lines[1].isascii() or not lines[1].isdigit() or len(lines[1]) > 19 or str(int(lines[1])) != lines[1]:
            raise ValueError("the size is not a plain number")
        self.body = (body + "\n").encode()
        self.origin, self.size, self.root = lines[0], int(lines[1]), decoded(lines[2])
        self.signatures: list[tuple[str, bytes, bytes]] = []
        if len(self.root) != 32:
            raise ValueError("the root is not a hash")
        for line in tail[:-1].split("\n"):
            mark, name, signature = line.split(" ")
            if mark != "\u2014":
                raise ValueError("not a signature line")
            data = decoded(signature)
            self.signatures.append((name, data[:4], data[4:]))

    def signed_by(self, keys: Sequence[Key]) -> bool:
        """Lines of keys that are not known are ignored: a witness may have signed too."""
        return any(
            ed25519_holds(key.public, self.body, signature)
            for name, key_id, signature in self.signatures
            for key in keys
            if (name, key_id) == (key.name, key.key_id)
        )


# The export


def record_of(leaf: dict[str, Any]) -> bytes | None:
    """The record's bytes; None where it was erased."""
    record = leaf["record"]
    if record is None:
        return None
    if isinstance(record, str):
        return record.encode()
    return base64.b64decode(record["base64"], validate=True)


def commitment_of(leaf: dict[str, Any]) -> bytes | None:
    """What the leaf commits to, from its salt, its words and its record; None where they were erased."""
    record = record_of(leaf)
    if record is None and leaf["salt"] is None:
        return None
    if record is None or leaf["salt"] is None:
        raise Bad("a salt without a record, or a record without a salt", leaf["index"])
    salt = bytes.fromhex(leaf["salt"])
    if len(salt) != 16:
        raise Bad("the salt is not 16 bytes", leaf["index"])
    parts = [DOMAIN, salt]
    for name in ("company_code", "kind", "object_id", "correlation_id"):
        word = leaf[name].encode()
        parts += [len(word).to_bytes(2, "big"), word]
    return sha256(b"".join(parts) + record).digest()


class Verifier:
    """One pass over the lines of an export; the first thing that does not hold is a `Bad`."""

    def __init__(self, keys: Sequence[Key], kept: Sequence[Checkpoint], show: Any = None) -> None:
        self.keys, self.kept, self.show = list(keys), kept, show
        self.key_given = bool(keys)
        self.tree: Tree | None = None
        self.size, self.root, self.checked, self.checkpoints = 0, "", 0, 0
        self.waiting: list[Checkpoint] = []  # earlier checkpoints that nothing has led to yet
        self.erased: dict[str, int] = {}
        self.erasures: set[str] = set()
        self.last_index = -1
        self.good_until = 0

    def run(self, lines: Iterator[Any]) -> None:
        head = next(lines, None)
        if not isinstance(head, dict) or head.get("format") != FORMAT:
            raise Unreadable(f"this is not an export of format {FORMAT}")
        self.begin(head)
        for line in lines:
            if "leaf" in line:
                self.leaf(line["leaf"], line.get("path"))
            elif "checkpoint" in line:
                self.earlier(line)
            elif "end" in line:
                self.end(line["end"])
                if next(lines, None) is not None:
                    raise Unreadable("something follows the end of the export")
                return
            else:
                raise Unreadable("a line of the export is of no known kind")
        raise Bad("the export is cut off: its last line is missing")

    def begin(self, head: dict[str, Any]) -> None:
        self.keys = self.keys or [Key(text) for text in head["keys"]]
        self.newest = Checkpoint(head["checkpoint"])
        self.size, self.root = self.newest.size, self.newest.root.hex()
        if not self.newest.signed_by(self.keys):
            raise Bad(f"the checkpoint of {self.size} leaves is not signed by the log's key")
        self.checkpoints = 1
        if head["complete"]:
            self.tree = Tree()
        for kept in self.kept:
            if kept.origin != self.newest.origin:
                raise Bad(f"the checkpoint you kept is of another log, {kept.origin}")
            if kept.size > self.size:
                raise Bad(f"you kept a checkpoint of {kept.size} leaves; this log ends at {self.size}", self.size)
            if kept.size == self.size and kept.root != self.newest.root:
                raise Bad(f"the checkpoint you kept has another root for the same {self.size} leaves")
            if 0 < kept.size < self.size:
                self.wait_for(kept)

    def wait_for(self, checkpoint: Checkpoint) -> None:
        self.waiting.append(checkpoint)
        self.waiting.sort(key=lambda each: each.size)

    def earlier(self, line: dict[str, Any]) -> None:
        earlier = Checkpoint(line["checkpoint"])
        if not earlier.signed_by(self.keys):
            raise Bad(f"the checkpoint of {earlier.size} leaves is not signed by the log's key")
        if earlier.origin != self.newest.origin:
            raise Bad(f"the checkpoint of {earlier.size} leaves is of another log")
        if self.tree is not None:
            if earlier.size <= self.tree.size:
                raise Unreadable("an earlier checkpoint stands after the leaves it covers")
            self.wait_for(earlier)
        else:
            proof = [decoded(step) for step in line["consistency"]]
            if not consistency_holds(earlier.size, self.size, earlier.root, self.newest.root, proof):
                raise Bad(f"the log does not continue its own checkpoint of {earlier.size} leaves")
            for kept in [each for each in self.waiting if each.size == earlier.size]:
                if kept.root != earlier.root:
                    raise Bad(f"the checkpoint you kept has another root for the same {kept.size} leaves")
                self.waiting.remove(kept)
        self.checkpoints += 1

    def leaf(self, leaf: dict[str, Any], path: Sequence[str] | None) -> None:
        index = leaf["index"]
        if index <= self.last_index or (self.tree is not None and index != self.tree.size):
            raise Bad(f"leaf {index} does not follow leaf {self.last_index}", self.last_index + 1)
        stored = bytes.fromhex(leaf["commitment"])
        commitment = commitment_of(leaf)
        if commitment is None:
            self.erased[leaf["leaf_id"]] = index
            commitment = stored
        if commitment != stored or leaf["leaf_id"] != "leaf_" + commitment[:16].hex():
            raise Bad(f"the record of leaf {index}, or the words beside it, were altered", index)
        hashed = leaf_hash(commitment + leaf["recorded_at"].to_bytes(8, "big", signed=True))
        if self.tree is not None:
            self.tree.add(hashed)
            self.reached(self.tree)
        elif not inclusion_holds(hashed, index, self.size, [decoded(step) for step in path or ()], self.newest.root):
            raise Bad(f"leaf {index} is not in the tree that was signed", index)
        if leaf["kind"] == ERASURE:
            self.erasures.add(leaf["object_id"])
        self.last_index = index
        self.checked += 1
        if self.show is not None:
            at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(leaf["recorded_at"] // 1_000_000))
            words = f"{index:10d}  {at}  {leaf['company_code']:6s}  {leaf['kind']:24s}  {leaf['object_id']}"
            print(words, file=self.show)

    def reached(self, tree: Tree) -> None:
        while self.waiting and self.waiting[0].size == tree.size:
            earlier = self.waiting.pop(0)
            if earlier.root != tree.root():
                span = f"leaves {self.good_until} to {earlier.size - 1}"
                raise Bad(f"{span} do not give the root of the checkpoint of {earlier.size}", self.good_until)
            self.good_until = earlier.size

    def end(self, count: Any) -> None:
        if count != self.checked:
            raise Bad(f"the export says it has {count} leaves and has {self.checked}")
        if self.tree is not None and (self.tree.size != self.size or self.tree.root() != self.newest.root):
            span = f"leaves {self.good_until} to {self.size - 1}"
            raise Bad(f"{span} do not give the root of the last checkpoint", self.good_until)
        if self.waiting:
            raise Bad(f"nothing in the export connects it to the checkpoint of {self.waiting[0].size} leaves")
        for leaf_id, index in self.erased.items():
            if leaf_id not in self.erasures:
                raise Bad(f"the record of leaf {index} is not here and no erasure says so", index)


def values(path: str) -> Iterator[Any]:
    """The JSON values of the export, one a line, each bounded in size."""
    with open(path, "rb") as file:
        while line := file.readline(LONGEST_LINE + 1):
            if len(line) > LONGEST_LINE:
                raise Unreadable("a line of the export is too long")
            yield json.loads(line)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the check from a command line; the exit code."""
    parser = argparse.ArgumentParser(description="Check evidence from a Tripartite audit log.")
    parser.add_argument("export")
    parser.add_argument("--key", action="append", default=[], help="the log's public key, given to you another way")
    parser.add_argument("--checkpoint", action="append", default=[], help="a file with a checkpoint you kept")
    parser.add_argument("--list", action="store_true", help="print each leaf")
    parser.add_argument("--json", action="store_true", help="print the result for a machine")
    options = parser.parse_args(arguments)
    verifier = Verifier([], [])
    problem, first_bad, code = "", None, 0
    try:
        kept = []
        for path in options.checkpoint:
            with open(path, encoding="utf-8") as file:
                kept.append(Checkpoint(file.read()))
        show = (sys.stderr if options.json else sys.stdout) if options.list else None
        verifier = Verifier([Key(text) for text in options.key], kept, show)
        verifier.run(values(options.export))
    except Bad as bad:
        problem, first_bad, code = str(bad), bad.index, 1
    except (Unreadable, OSError, binascii.Error, ValueError, LookupError, TypeError, AttributeError) as error:
        problem, code = f"cannot be read: {type(error).__name__}: {error}", 2
    except (OverflowError, RecursionError) as error:
        problem, code = f"cannot be read: {type(error).__name__}", 2
    found = {
        "ok": code == 0,
        "tree_size": verifier.size,
        "root": verifier.root,
        "checked": verifier.checked,
        "first_bad": first_bad,
        "problem": problem,
        "checkpoints": verifier.checkpoints,
        "erased": len(verifier.erased),
        "complete": verifier.tree is not None,
        "key_from_outside": verifier.key_given,
    }
    print(json.dumps(found) if options.json else said(found, verifier))
    return code


def said(found: dict[str, Any], verifier: Verifier) -> str:
    """The result in words."""
    if not found["ok"]:
        return f"DOES NOT HOLD: {found['problem']}"
    what = f"all {found['checked']}" if found["complete"] else f"{found['checked']} of {found['tree_size']}"
    lines = [f"Holds: {what} leaves, {found['checkpoints']} checkpoints, root {found['root']}"]
    if found["erased"]:
        lines.append(f"{found['erased']} records were erased; each erasure is itself a leaf.")
    if not found["key_from_outside"]:
        lines.append("The key came from the export itself. Compare it with the one you were given:")
        lines += [f"  {key.text}" for key in verifier.keys]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
