"""OData V2 `$batch`: the multipart frame around many requests, and the answers taken out of it again. Pure framing:
what an answer means is decided in creating.py.

Each invoice goes in a changeset of its own: a changeset is all or nothing, and its one error answer names no invoice.
An answer is matched to its request by Content-ID where the server repeats it; order is the last resort (creating.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec


class Part(msgspec.Struct, frozen=True):
    """One answer taken out of a batch: as an HTTP answer, with the Content-ID where it was repeated."""

    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes
    content_id: str = ""


def build(path: str, bodies: Sequence[bytes], name: str) -> tuple[bytes, str]:
    """A batch that posts each of `bodies` to `path`, and its content type. Content-IDs count from 1.

    `name` makes the boundary; JSON holds no raw line break, so no body can contain a boundary line.
    """
    boundary = f"batch_{name}"
    pieces: list[bytes] = []
    for position, body in enumerate(bodies, 1):
        head = (
            f"--{boundary}\r\n"
            f"Content-Type: multipart/mixed; boundary=changeset_{position}\r\n\r\n"
            f"--changeset_{position}\r\n"
            "Content-Type: application/http\r\n"
            "Content-Transfer-Encoding: binary\r\n"
            f"Content-ID: {position}\r\n\r\n"
            f"POST {path} HTTP/1.1\r\n"
            "Content-Type: application/json\r\n"
            "Accept: application/json\r\n"
            f"Content-ID: {position}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        pieces += (head.encode(), body, f"\r\n--changeset_{position}--\r\n".encode())
    pieces.append(f"--{boundary}--\r\n".encode())
    return b"".join(pieces), f"multipart/mixed; boundary={boundary}"


def build_changeset(calls: Sequence[tuple[str, str, str, bytes]], name: str) -> tuple[bytes, str]:
    """A batch of one changeset, all or nothing: method, path, ETag (empty: none) and body of each request."""
    boundary = f"batch_{name}"
    pieces = [f"--{boundary}\r\nContent-Type: multipart/mixed; boundary=changeset_1\r\n\r\n".encode()]
    for position, (method, path, etag, body) in enumerate(calls, 1):
        head = (
            "--changeset_1\r\n"
            "Content-Type: application/http\r\n"
            "Content-Transfer-Encoding: binary\r\n"
            f"Content-ID: {position}\r\n\r\n"
            f"{method} {path} HTTP/1.1\r\n"
            "Content-Type: application/json\r\n"
            "Accept: application/json\r\n" + (f"If-Match: {etag}\r\n" if etag else "") + f"Content-ID: {position}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        pieces += (head.encode(), body, b"\r\n")
    pieces.append(f"--changeset_1--\r\n--{boundary}--\r\n".encode())
    return b"".join(pieces), f"multipart/mixed; boundary={boundary}"


def parse(content: bytes, content_type: str) -> list[Part]:
    """The answers of a batch in the order they came. An answer that is cut short, or is not HTTP, is left out: its
    request then counts as unanswered.
    """
    return list(_parts(content, content_type, depth=0))


def _parts(content: bytes, content_type: str, depth: int) -> Iterable[Part]:
    boundary = _boundary(content_type)
    if boundary is None or depth > 1:  # a batch holds changesets, and a changeset nothing more
        return
    segments = (b"\r\n" + content).split(b"\r\n--" + boundary)
    for segment in segments[1:]:
        if segment.startswith(b"--"):
            return
        head, found, rest = segment.partition(b"\r\n\r\n")
        if not found:
            continue
        headers = _headers(head.split(b"\r\n")[1:])
        kind = headers.get("content-type", "")
        if kind.lower().startswith("multipart/"):
            yield from _parts(rest, kind, depth + 1)
        elif part := _answer(rest, headers):
            yield part


def _answer(content: bytes, outer: Mapping[str, str]) -> Part | None:
    head, found, body = content.partition(b"\r\n\r\n")
    lines = head.split(b"\r\n")
    words = lines[0].split(b" ", 2)
    if not found or len(words) < 2 or not words[0].startswith(b"HTTP/") or not words[1].isdigit():
        return None
    headers = _headers(lines[1:])
    length = headers.get("content-length", "")
    if length.isdigit():
        if len(body) < int(length):
            return None
        body = body[: int(length)]
    return Part(int(words[1]), headers, body, outer.get("content-id") or headers.get("content-id", ""))


def _headers(lines: Iterable[bytes]) -> dict[str, str]:
    headers = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        if colon:
            headers[name.strip().lower().decode("latin-1")] = value.strip().decode("latin-1")
    return headers


def _boundary(content_type: str) -> bytes | None:
    for parameter in content_type.split(";")[1:]:
        name, _, value = parameter.partition("=")
        if name.strip().lower() == "boundary" and (value := value.strip().strip('"')):
            return value.encode("latin-1")
    return None
