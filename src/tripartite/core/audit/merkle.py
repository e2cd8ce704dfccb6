"""The Merkle tree of RFC 6962, grown in batches and kept in tiles (C2SP tlog-tiles).

A tile is up to 256 hashes side by side: the tile (level, number) holds the roots of the full subtrees of 256^level
leaves from the number-th 256 on. Level 0 holds leaf hashes. A tile only ever grows at its right end and never changes
once full, so appending reads one tile a level, and every proof for every earlier size comes from the same tiles.

    leaf hash = SHA-256(0x00 | entry)        node hash = SHA-256(0x01 | left | right)

Ranges of leaves are written (low, high), high excluded. Not for fetching tiles: `tiles_of` names those a proof needs,
the shell brings them, and a tile that is missing or too narrow is a `TileMissing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256

HASH_LENGTH = 32
TILE_BITS = 8
TILE_WIDTH = 1 << TILE_BITS  # hashes in a full tile
EMPTY_ROOT = sha256(b"").digest()

Tiles = Mapping[tuple[int, int], bytes]
Range = tuple[int, int]


class TileMissing(LookupError):
    """A tile that was asked for is absent or does not reach far enough: the log is not what its checkpoint says."""

    def __init__(self, level: int, number: int) -> None:
        super().__init__(f"tile {level}/{number} is missing or too narrow")
        self.level = level
        self.number = number


def leaf_hash(entry: bytes) -> bytes:
    """The hash under which an entry enters the tree."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def full_root(hashes: bytes) -> bytes:
    """The root over a power of two of hashes laid side by side (at least one)."""
    assert hashes, "a subtree has at least one leaf"
    assert len(hashes) // HASH_LENGTH & (len(hashes) // HASH_LENGTH - 1) == 0, "a full subtree is a power of two wide"
    while len(hashes) > HASH_LENGTH:
        hashes = b"".join(
            [sha256(b"\x01" + hashes[at : at + 64]).digest() for at in range(0, len(hashes), 2 * HASH_LENGTH)]
        )
    return hashes


def edge_of(size: int) -> list[tuple[int, int]]:
    """The partial tiles at the right edge of a tree of `size` leaves, as (level, number): what `extend` must see."""
    edge = []
    level = 0
    while size >> (TILE_BITS * level):
        width = size >> (TILE_BITS * level)
        if width % TILE_WIDTH:
            edge.append((level, width >> TILE_BITS))
        level += 1
    return edge


def extend(tiles: Tiles, size: int, leaf_hashes: Sequence[bytes]) -> tuple[dict[tuple[int, int], bytes], bytes]:
    """Append leaves to a tree of `size` leaves; give the tiles that changed and the new root.

    `tiles` holds at least the tiles of `edge_of(size)`; they may be wider than `size` says only by mistake, and then
    `TileMissing` is raised rather than a fork made. Hashing: one per leaf and about one more for the inner nodes.
    """
    changed: dict[tuple[int, int], bytes] = {}
    edge = {place: _exact(tiles, place, size) for place in edge_of(size)}
    new: list[bytes] = list(leaf_hashes)
    level = 0
    while new:
        number, width = divmod(size >> (TILE_BITS * level), TILE_WIDTH)
        buffer = (edge.get((level, number), b"") if width else b"") + b"".join(new)
        new = []
        for at in range(0, len(buffer), TILE_WIDTH * HASH_LENGTH):
            tile = buffer[at : at + TILE_WIDTH * HASH_LENGTH]
            changed[(level, number)] = tile
            if len(tile) == TILE_WIDTH * HASH_LENGTH:
                new.append(full_root(tile))
            number += 1
        level += 1
    grown = size + len(leaf_hashes)
    return changed, root_of({**edge, **changed}, grown)


def _exact(tiles: Tiles, place: tuple[int, int], size: int) -> bytes:
    level, number = place
    tile = tiles.get(place, b"")
    width = (size >> (TILE_BITS * level)) - number * TILE_WIDTH
    if len(tile) != width * HASH_LENGTH:
        raise TileMissing(level, number)
    return tile


def root_of(tiles: Tiles, size: int) -> bytes:
    """The root of the first `size` leaves. Errors: `TileMissing`."""
    return hash_range(tiles, (0, size)) if size else EMPTY_ROOT


def _full_subtrees(span: Range) -> list[tuple[int, int]]:
    """A range split into full subtrees, left to right, as (height, position among the subtrees of that height)."""
    low, high = span
    parts = []
    while low < high:
        height = (high - low).bit_length() - 1
        assert low % (1 << height) == 0, "a range of the tree begins where a subtree begins"
        parts.append((height, low >> height))
        low += 1 << height
    return parts


def hash_range(tiles: Tiles, span: Range) -> bytes:
    """MTH of a range of the tree, as RFC 6962 cuts it (its low end is where a subtree of its size begins)."""
    hashes = [_subtree(tiles, height, position) for height, position in _full_subtrees(span)]
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def _subtree(tiles: Tiles, height: int, position: int) -> bytes:
    level, inner = divmod(height, TILE_BITS)
    first = position << inner
    number, offset = divmod(first, TILE_WIDTH)
    tile = tiles.get((level, number), b"")
    part = tile[offset * HASH_LENGTH : (offset + (1 << inner)) * HASH_LENGTH]
    if len(part) != HASH_LENGTH << inner:
        raise TileMissing(level, number)
    return full_root(part)


def tiles_of(spans: Iterable[Range]) -> set[tuple[int, int]]:
    """The tiles, as (level, number), that hold the hashes of these ranges."""
    return {
        (height // TILE_BITS, (position << height % TILE_BITS) >> TILE_BITS)
        for span in spans
        for height, position in _full_subtrees(span)
    }


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The ranges whose hashes are the audit path of leaf `index` in a tree of `size` leaves, leaf first."""
    assert 0 <= index < size, f"leaf {index} is not in a tree of {size}"
    path: list[Range] = []
    low, high = 0, size
    while high - low > 1:
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        if index < middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low = middle
    path.reverse()
    return path


def consistency_ranges(earlier: int, later: int) -> list[Range]:
    """The ranges whose hashes prove that the first `earlier` leaves of `later` are unchanged (RFC 6962, 2.1.2)."""
    assert 0 <= earlier <= later, f"a tree of {later} cannot extend one of {earlier}"
    if earlier in (0, later):
        return []
    path: list[Range] = []
    low, high, whole = 0, later, True
    while earlier != high:
        middle = low + (1 << (high - low - 1).bit_length() - 1)
        if earlier <= middle:
            path.append((middle, high))
            high = middle
        else:
            path.append((low, middle))
            low, whole = middle, False
    if not whole:
        path.append((low, high))
    path.reverse()
    return path


def prove_inclusion(tiles: Tiles, index: int, size: int) -> list[bytes]:
    """The audit path of one leaf. Errors: `TileMissing`."""
    return [hash_range(tiles, span) for span in inclusion_ranges(index, size)]


def prove_consistency(tiles: Tiles, earlier: int, later: int) -> list[bytes]:
    """The proof that a tree of `later` leaves begins with the tree of `earlier` leaves. Errors: `TileMissing`."""
    return [hash_range(tiles, span) for span in consistency_ranges(earlier, later)]


def inclusion_holds(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Does this path lead from the leaf hash at `index` to the root of a tree of `size` leaves? (RFC 9162, 2.1.3.2)"""
    if not 0 <= index < size or any(len(step) != HASH_LENGTH for step in path):
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
    """Is the tree of `later` leaves an extension of the tree of `earlier` leaves? (RFC 9162, 2.1.4.2)"""
    if not 0 <= earlier <= later or any(len(step) != HASH_LENGTH for step in proof):
        return False
    if earlier == later:
        return not proof and earlier_root == later_root
    if earlier == 0:
        return not proof and earlier_root == EMPTY_ROOT
    steps = list(proof)
    if earlier & (earlier - 1) == 0:
        steps.insert(0, earlier_root)  # a full tree is its own first step
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
            old = node_hash(step, old)
            new = node_hash(step, new)
            while not node & 1 and node:
                node >>= 1
                last >>= 1
        else:
            new = node_hash(new, step)
        node >>= 1
        last >>= 1
    return last == 0 and old == earlier_root and new == later_root
