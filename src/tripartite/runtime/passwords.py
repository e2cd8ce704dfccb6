"""Tokens and passwords as functions of values: made, hashed, compared. Nothing here knows of accounts or tables.

A token has 256 random bits, so a fast hash keeps it safe. A password has few, so its hash is slow and takes memory:
call `hash_password` and `password_holds` in a thread, outside of any transaction.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import unicodedata
from collections.abc import Callable

from tripartite.runtime.protocol import Secret

RandomBytes = Callable[[int], bytes]

SHORTEST_PASSWORD = 12
LONGEST_PASSWORD = 256


def new_token(prefix: str = "tpt", random_bytes: RandomBytes = secrets.token_bytes) -> Secret:
    """A token of 256 random bits in 43 characters after its prefix (so that a leaked one is recognised)."""
    return Secret(f"{prefix}_{base64.urlsafe_b64encode(random_bytes(32)).decode().rstrip('=')}")


def token_hash(token: str) -> bytes:
    """What is stored of a token: SHA-256 is enough, there is nothing to guess in 256 random bits."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


_COST = {"n": 1 << 15, "r": 8, "p": 3}  # 32 MiB, about a quarter of a second; OWASP's recommendation for scrypt
_MEMORY = 64 * 1024 * 1024


def hash_password(password: str, random_bytes: RandomBytes = secrets.token_bytes) -> str:
    """`scrypt$n$r$p$salt$hash`. Slow on purpose: call it outside of transactions, in a thread."""
    salt = random_bytes(16)
    hashed = hashlib.scrypt(prepared(password), salt=salt, maxmem=_MEMORY, dklen=32, **_COST)
    return "$".join(("scrypt", *(str(_COST[name]) for name in "nrp"), salt.hex(), hashed.hex()))


def password_holds(password: str, stored: str) -> bool:
    """Is this the password? In the time of one hashing, whatever the answer."""
    scheme, n, r, p, salt, hashed = stored.split("$")
    assert scheme == "scrypt", "a password is stored as scrypt"
    ours = hashlib.scrypt(
        prepared(password), salt=bytes.fromhex(salt), n=int(n), r=int(r), p=int(p), maxmem=_MEMORY, dklen=32
    )
    return hmac.compare_digest(ours, bytes.fromhex(hashed))


def prepared(password: str) -> bytes:
    """The bytes of a password that are hashed and compared."""
    # The same characters typed on another keyboard may come composed otherwise.
    return unicodedata.normalize("NFC", password).encode("utf-8", "surrogatepass")


def password_trouble(password: str, name: str) -> str:
    """Why this cannot be a password, in a sentence; empty where it can. Length counts, composition does not."""
    if len(password) < SHORTEST_PASSWORD:
        return f"A password has at least {SHORTEST_PASSWORD} characters."
    if len(password) > LONGEST_PASSWORD:
        return f"A password has at most {LONGEST_PASSWORD} characters."
    if name.casefold() in password.casefold() or len(set(password)) < 5:
        return "This password is too easy to guess."
    return ""


def csrf_token(session: str) -> str:
    """The token that a form of this session carries; worthless without the cookie, and nothing to store."""
    return hmac.new(session.encode(), b"csrf", hashlib.sha256).hexdigest()
