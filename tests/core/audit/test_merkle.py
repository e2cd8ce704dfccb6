"""The tree against the published vectors of RFC 6962's implementations and against the definition, read literally."""

from __future__ import annotations

import itertools
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tripartite.core.audit import merkle

# The eight leaves and roots that Certificate Transparency implementations have checked themselves with since 2013.
LEAVES = [
    bytes.fromhex(text)
    for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f")
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


def naive_root(hashes: list[bytes]) -> bytes:
    """MTH as section 2.1 of RFC 6962 writes it, over leaf hashes."""
    if not hashes:
        return sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    return sha256(b"\x01" + naive_root(hashes[:split]) + naive_root(hashes[split:])).digest()


def naive_path(index: int, hashes: list[bytes]) -> list[bytes]:
    if len(hashes) == 1:
        return []
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    if index < split:
        return [*naive_path(index, hashes[:split]), naive_root(hashes[split:])]
    return [*naive_path(index - split, hashes[split:]), naive_root(hashes[:split])]


def naive_proof(earlier: int, hashes: list[bytes], whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 6962."""
    if earlier == len(hashes):
        return [] if whole else [naive_root(hashes)]
    split = 1
    while split * 2 < len(hashes):
        split *= 2
    if earlier <= split:
        return [*naive_proof(earlier, hashes[:split], whole), naive_root(hashes[split:])]
    return [*naive_proof(earlier - split, hashes[split:], False), naive_root(hashes[:split])]


def leaf_hashes(count: int) -> list[bytes]:
    return [merkle.leaf_hash(b"leaf %d" % number) for number in range(count)]


def grown(hashes: list[bytes], cuts: list[int]) -> tuple[dict[tuple[int, int], bytes], bytes]:
    tiles: dict[tuple[int, int], bytes] = {}
    root = merkle.EMPTY_ROOT
    bounds = [0, *sorted(cut for cut in cuts if cut < len(hashes)), len(hashes)]
    for low, high in itertools.pairwise(bounds):
        changed, root = merkle.extend(tiles, low, hashes[low:high])
        tiles.update(changed)
    return tiles, root


def test_the_tree_gives_the_published_roots() -> None:
    for size, root in enumerate(ROOTS, 1):
        _, ours = grown([merkle.leaf_hash(leaf) for leaf in LEAVES[:size]], [])
        assert ours.hex() == root
    assert merkle.EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


def test_published_audit_paths_are_given() -> None:
    tiles, root = grown([merkle.leaf_hash(leaf) for leaf in LEAVES], [])
    assert [step.hex() for step in merkle.prove_inclusion(tiles, 0, 8)] == [
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
    ]
    assert [step.hex() for step in merkle.prove_consistency(tiles, 6, 8)] == [
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    ]
    assert root.hex() == ROOTS[-1]


@settings(max_examples=60, deadline=None)
@given(size=st.integers(1, 700), cuts=st.lists(st.integers(1, 700), max_size=6))
def test_batches_of_any_size_give_the_same_tiles_and_root(size: int, cuts: list[int]) -> None:
    hashes = leaf_hashes(size)
    tiles, root = grown(hashes, cuts)
    assert root == naive_root(hashes)
    assert tiles == grown(hashes, [])[0]


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_paths_and_proofs_are_those_of_the_definition_and_hold(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 600))
    index = data.draw(st.integers(0, size - 1))
    earlier = data.draw(st.integers(0, size))
    later_still = data.draw(st.integers(0, 300))
    hashes = leaf_hashes(size + later_still)
    tiles, _ = grown(hashes, [size])  # the tiles have grown past the size that is asked about
    hashes = hashes[:size]
    root = naive_root(hashes)
    path = merkle.prove_inclusion(tiles, index, size)
    assert path == naive_path(index, hashes)
    assert merkle.inclusion_holds(hashes[index], index, size, path, root)
    proof = merkle.prove_consistency(tiles, earlier, size)
    assert proof == (naive_proof(earlier, hashes) if earlier else [])
    assert merkle.consistency_holds(earlier, size, naive_root(hashes[:earlier]), root, proof)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_an_altered_proof_never_holds(data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 300))
    index = data.draw(st.integers(0, size - 1))
    earlier = data.draw(st.integers(1, size - 1))
    hashes = leaf_hashes(size)
    tiles, root = grown(hashes, [])
    path = merkle.prove_inclusion(tiles, index, size)
    proof = merkle.prove_consistency(tiles, earlier, size)
    old = naive_root(hashes[:earlier])
    wrong = data.draw(st.integers(0, 255))
    at = data.draw(st.integers(0, len(path) - 1))
    spoilt = [*path[:at], bytes([path[at][0] ^ (wrong or 1)]) + path[at][1:], *path[at + 1 :]]
    assert not merkle.inclusion_holds(hashes[index], index, size, spoilt, root)
    assert not merkle.inclusion_holds(hashes[index], index, size, path[:-1], root)
    assert not merkle.inclusion_holds(hashes[index], index, size, [*path, path[-1]], root)
    assert not merkle.inclusion_holds(hashes[index], index, size, path, old)
    assert not merkle.inclusion_holds(hashes[index], size, size, path, root)
    other = data.draw(st.integers(0, size - 1).filter(lambda place: place != index))
    assert not merkle.inclusion_holds(hashes[index], other, size, path, root)
    assert not merkle.consistency_holds(earlier, size, root, root, proof)
    assert not merkle.consistency_holds(earlier, size, old, old, proof)
    assert not merkle.consistency_holds(size, earlier, root, old, proof)
    assert not merkle.consistency_holds(earlier, size, old, root, proof[:-1])
    assert not merkle.consistency_holds(earlier, size, old, root, [*proof, proof[-1]])
    assert not merkle.consistency_holds(earlier, size * 1_000, old, root, proof)


@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_the_tiles_named_for_a_proof_are_enough_and_all_needed(data: st.DataObject) -> None:
    size = data.draw(st.sampled_from([1, 2, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 66_000]))
    index = data.draw(st.integers(0, size - 1))
    tiles, root = big_tree(size)
    ranges = merkle.inclusion_ranges(index, size)
    named = merkle.tiles_of(ranges)
    few = {place: tiles[place] for place in named}
    path = merkle.prove_inclusion(few, index, size)
    assert merkle.inclusion_holds(leaf_of(index), index, size, path, root)
    for place in named:
        with pytest.raises(merkle.TileMissing):
            merkle.prove_inclusion({other: few[other] for other in named if other != place}, index, size)


_trees: dict[int, tuple[dict[tuple[int, int], bytes], bytes]] = {}


def leaf_of(number: int) -> bytes:
    return merkle.leaf_hash(b"leaf %d" % number)


def big_tree(size: int) -> tuple[dict[tuple[int, int], bytes], bytes]:
    if size not in _trees:
        _trees[size] = merkle.extend({}, 0, leaf_hashes(size))
    return _trees[size]


def test_three_levels_of_tiles_hang_together() -> None:
    size = 66_000
    hashes = leaf_hashes(size)
    tiles, root = grown(hashes, [100, 65_535, 65_536, 65_999])
    assert root == naive_root(hashes)
    assert {level for level, _ in tiles} == {0, 1, 2}
    assert merkle.edge_of(size) == [(0, 257), (1, 1), (2, 0)]


def test_a_tree_is_not_continued_from_an_edge_that_is_too_wide_or_lost() -> None:
    hashes = leaf_hashes(10)
    tiles, _ = grown(hashes, [])
    with pytest.raises(merkle.TileMissing):
        merkle.extend(tiles, 9, hashes[:1])
    with pytest.raises(merkle.TileMissing):
        merkle.extend({}, 10, hashes[:1])
