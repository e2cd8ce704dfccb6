"""JSON in and out, strictly: our numbers by their grammar, no duplicate keys, no surprises.

Every struct of the core goes through these two functions, so that the same value always has the same bytes and a
number never passes through a float. Sorting is not needed: a struct's fields have an order.
"""

from __future__ import annotations

import json
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any, TypeVar

import msgspec
import msgspec.inspect

from tripartite.core.money import LONGEST, Amount, NumberInvalid, Price, Rate
from tripartite.core.quantity import Quantity

T = TypeVar("T")

_NUMBERS = frozenset((Amount, Price, Rate, Quantity))
_GRAMMARS = {kind: kind.GRAMMAR.match for kind in (Amount, Price, Rate, Quantity)}
DEEPEST = 64  # levels of nesting in any JSON we read
LONGEST_NUMBER = 4_000  # characters of a number that is no string; a longer one is no number of any document


class Malformed(ValueError):
    """Bytes that are not the JSON we asked for. `reason_code` and `pointer` say what and where."""

    def __init__(self, reason_code: str, detail: str, pointer: str = "") -> None:
        super().__init__(detail)
        self.reason_code = reason_code
        self.detail = detail
        self.pointer = pointer


def plain(number: Decimal) -> str:
    """The shortest plain text of an exact number: no exponent, no trailing zeros beyond what was stated."""
    return format(number, "f")


def _encode(value: Any) -> Any:
    if isinstance(value, Decimal):
        return format(value, "f")
    raise TypeError(f"{type(value).__name__} has no JSON form here")


def _decode(kind: type[Any], value: Any) -> Any:
    grammar = _GRAMMARS.get(kind)
    if grammar is None:
        raise TypeError(f"{kind.__name__} cannot be read from JSON")
    if type(value) is str and len(value) <= LONGEST and grammar(value) and value[0] != "-":
        return kind(value)
    return kind.parse(value)  # minus zero, and the words for what is no number


def _decode_own(kind: type[Any], value: Any) -> Any:
    # What we wrote ourselves has passed the grammar; reading it again costs half as much without it.
    if kind in _NUMBERS:
        return kind(value)
    raise TypeError(f"{kind.__name__} cannot be read from JSON")


_encoder = msgspec.json.Encoder(enc_hook=_encode, decimal_format="string")


def encode(value: Any) -> bytes:
    """`value` as canonical JSON bytes: fields in declared order, numbers as strings."""
    return _encoder.encode(value)


@cache
def _decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=_decode)


@cache
def _own_decoder(kind: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind, dec_hook=_decode_own)


def decode_own(data: bytes, kind: type[T]) -> T:
    """Read JSON that `encode` wrote and that never left us: bus messages and our own tables. Not for outside data."""
    result: T = _own_decoder(kind).decode(data)  # type: ignore[arg-type]
    return result


def decode(data: bytes | str, kind: type[T]) -> T:
    """Read trusted or already checked JSON into `kind`. Errors: `Malformed` with code and JSON pointer."""
    try:
        result: T = _decoder(kind).decode(data)  # type: ignore[arg-type]
    except msgspec.ValidationError as error:
        raise _explained(error) from None
    except msgspec.DecodeError as error:
        raise Malformed("intake.malformed", str(error)) from None
    except RecursionError:
        raise Malformed("intake.too_large", "nested too deep") from None
    return result


def _explained(error: msgspec.ValidationError) -> Malformed:
    text = str(error)
    message, _, place = text.partition(" - at `")
    pointer = place.rstrip("`").removeprefix("$").replace("[", "/").replace("]", "").replace(".", "/")
    code = "integration.schema_violated"
    if isinstance(error.__cause__, NumberInvalid) or message.startswith("Number out of range"):
        # The latter is a number that JSON knows and no machine holds (1e400), where a string should stand.
        code = "intake.amount_invalid"
    elif "unknown field" in message:
        code = "intake.field_unknown"
    elif "Invalid RFC3339" in message or "Invalid date" in message:
        code = "intake.value_out_of_range"
    return Malformed(code, message, pointer)


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise Malformed("intake.duplicate_key", f"the key {twice[:60]!r} stands twice in one object")
    return result


def _digits(text: str) -> Any:
    if len(text) > LONGEST_NUMBER:
        raise Malformed("intake.too_large", f"a number of {len(text)} characters")
    return text


_scanner = json.JSONDecoder(object_pairs_hook=_pairs, parse_float=_digits, parse_int=_digits)


def check_strict(data: bytes) -> Any:
    """Refuse what a lenient parser would let pass: duplicate keys, bad UTF-8, a byte order mark, NUL, trailing
    bytes, lone surrogates, nesting beyond `DEEPEST`.

    Returns what stands there as plain dicts and lists, every number as its digits.
    Errors: `Malformed` with the code of the rule (security: bad inputs 14 to 22).
    """
    if data[:3] == b"\xef\xbb\xbf":
        raise Malformed("intake.malformed", "a byte order mark before JSON")
    if b"\x00" in data or b"\\u0000" in data:
        raise Malformed("intake.malformed", "NUL in text")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise Malformed("intake.malformed", f"not UTF-8 at byte {error.start}") from None
    if b"\\ud" in data or b"\\uD" in data:
        _refuse_lone_surrogates(text)
    _refuse_depth(text)
    try:
        return _scanner.decode(text)
    except Malformed:
        raise
    except RecursionError:
        raise Malformed("intake.too_large", "nested too deep") from None
    except ValueError as error:
        raise Malformed("intake.malformed", str(error)) from None


def _refuse_lone_surrogates(text: str) -> None:
    try:
        json.dumps(json.loads(text), ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError:
        raise Malformed("intake.malformed", "a lone surrogate in text") from None
    except (ValueError, RecursionError) as error:
        raise Malformed("intake.malformed", str(error)[:200]) from None


def _refuse_depth(text: str) -> None:
    # Counting brackets over the whole text bounds the depth from above; only then is it worth a closer look.
    if text.count("[") + text.count("{") <= DEEPEST:
        return
    depth = 0
    inside = escaped = False
    for mark in text:
        if inside:
            if escaped:
                escaped = False
            elif mark == "\\":
                escaped = True
            elif mark == '"':
                inside = False
        elif mark == '"':
            inside = True
        elif mark in "[{":
            depth += 1
            if depth > DEEPEST:
                raise Malformed("intake.too_large", f"nested deeper than {DEEPEST}")
        elif mark in "]}":
            depth -= 1


def read_strict(data: bytes, kind: type[T]) -> T:
    """Read outside JSON into `kind`: `check_strict`, then `decode`. Errors: `Malformed`."""
    check_strict(data)
    return decode(data, kind)


def read_command(data: bytes, kind: type[T]) -> T:
    """Read JSON of our own API into `kind`: strictly, and nothing may stand there that `kind` does not know.

    Errors: `Malformed`; an unknown field is `intake.field_unknown` with its pointer (bad input 15).
    """
    return read_canonical(data, kind)[0]


def read_canonical(data: bytes, kind: type[T]) -> tuple[T, bytes]:
    """The same, with the canonical bytes of what was read.

    Bytes that are canonical already hide nothing: a key that stands twice or that nobody knows, a lenient number, what
    follows the value would all be missing from what we write. Only other bytes need the closer look of `check_strict`.
    """
    try:
        value = decode(data, kind)
        written = encode(value)
    except (Malformed, UnicodeDecodeError):
        _refuse_unknown(check_strict(data), kind, "")  # what is wrong at the root is told first
        raise
    if written != data or b"\\u0000" in data:
        _refuse_unknown(check_strict(data), kind, "")
    return value, written


def _refuse_unknown(plain: Any, kind: Any, pointer: str) -> None:
    fields = _fields(kind)
    if not isinstance(plain, dict) or fields is None:
        return  # another shape than asked for: decoding says so
    for name, value in plain.items():
        if name not in fields:
            raise Malformed("intake.field_unknown", f"there is no field {name[:60]!r}", f"{pointer}/{name[:60]}")
        inner = fields[name]
        if inner is None:
            continue
        if isinstance(value, list):
            for place, each in enumerate(value):
                _refuse_unknown(each, inner, f"{pointer}/{name}/{place}")
        else:
            _refuse_unknown(value, inner, f"{pointer}/{name}")


@cache
def _fields(kind: Any) -> dict[str, Any] | None:
    """The fields of a struct, each with the struct that it holds, or holds many of; None for what holds none."""
    info = msgspec.inspect.type_info(kind)
    if not isinstance(info, msgspec.inspect.StructType):
        return None
    return {field.encode_name: _struct_within(field.type) for field in info.fields}


def _struct_within(info: msgspec.inspect.Type) -> Any:
    match info:
        case msgspec.inspect.StructType():
            return info.cls
        case msgspec.inspect.VarTupleType() | msgspec.inspect.ListType():
            return _struct_within(info.item_type)
        case msgspec.inspect.UnionType():
            return next((found for each in info.types if (found := _struct_within(each)) is not None), None)
        case _:
            return None


def iso(day: date) -> str:
    """A business date as text."""
    return day.isoformat()


def builtins(value: Any) -> Any:
    """`value` as plain dicts, lists and strings, ready for any JSON writer. Exact numbers become strings."""
    return msgspec.to_builtins(value, enc_hook=_encode, builtin_types=(date,))


def plain_json(data: bytes) -> Any:
    """Stored JSON of ours as plain dicts and lists."""
    return msgspec.json.decode(data)
