"""Reading XML that came from outside: hardened, bounded, and with one reading only.

Whoever needs XML calls `read_xml` and nothing else. It decides the encoding itself, refuses any DOCTYPE before the
parser sees a byte, fetches nothing, expands nothing, and refuses what could be read in two ways. It knows no document
type and no business field (connectors/documents/ does). It verifies no signature, and refuses one that speaks of
another element than the one that is read (xmlsignature.py).

    XmlRefused      the bytes are not to be read: reason code, place, sentence

Codes are those of the refusal list: `intake.doctype_refused`, `intake.active_content`, `intake.too_large`,
`intake.malformed`, `intake.ambiguous`, and `intake.type_not_supported` for a namespace that is no URI. Comments and
processing instructions stay in the tree (a stylesheet is kept and never fetched), so that a reader can see a comment
that cuts a value in two; blank text between elements is left out.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Literal

import msgspec
from lxml import etree
from lxml.etree import _Element as Element

from tripartite.runtime.xmlsignature import SignatureRefused, check_signatures

XINCLUDE = "{http://www.w3.org/2001/XInclude}*"
XSLT = "{http://www.w3.org/1999/XSL/Transform}*"

# Prefixes by which pointers name elements, whatever prefix the document chose for the namespace.
PREFIXES: dict[str, str] = {
    "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2": "cac:",
    "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2": "cbc:",
    "urn:oasis:names:specification:ubl:schema:xsd:CommonExtensionComponents-2": "ext:",
    "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100": "rsm:",
    "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100": "ram:",
    "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100": "udt:",
    "urn:un:unece:uncefact:data:standard:QualifiedDataType:100": "qdt:",
    "http://www.w3.org/2000/09/xmldsig#": "ds:",
    "http://www.w3.org/2001/XMLSchema-instance": "xsi:",
    "http://www.w3.org/XML/1998/namespace": "xml:",
}


class XmlRefused(Exception):
    """XML that is not to be read. `pointer` is a path like `/Invoice/cac:InvoiceLine[2]/cbc:ID`, or line and column."""

    def __init__(self, reason_code: str, pointer: str, detail: str) -> None:
        super().__init__(f"{reason_code} at {pointer or 'the document'}: {detail}")
        self.reason_code = reason_code
        self.pointer = pointer
        self.detail = detail


class XmlLimits(msgspec.Struct, frozen=True):
    """What one document may measure. `content` is bytes as received; `text` is bytes of one text or attribute."""

    content: int = 19_000_000  # a text node of 20 MB never reaches the parser
    text: int = 10_000_000  # attachments are base64 inside one text node
    elements: int = 400_000
    depth: int = 64
    attributes: int = 100  # of one element
    doctype: Literal["refuse", "cxml"] = "refuse"


LIMITS = XmlLimits()
CXML_LIMITS = XmlLimits(doctype="cxml")


def _make_parser() -> etree.XMLParser:
    return etree.XMLParser(
        encoding="utf-8",  # decided and checked here, so the declaration is not believed a second time
        resolve_entities=False,
        load_dtd=False,
        dtd_validation=False,
        attribute_defaults=False,
        no_network=True,
        huge_tree=False,
        remove_blank_text=True,
        remove_comments=False,
        remove_pis=False,
        strip_cdata=True,
        collect_ids=False,
        recover=False,
    )


_PARSER = _make_parser()


def read_xml(content: bytes, limits: XmlLimits = LIMITS) -> Element:
    """The root element of `content`. Errors: `XmlRefused`; see the module for its codes. Rule: bad inputs 49 to 65."""
    if len(content) > limits.content:
        raise XmlRefused("intake.too_large", "", f"{len(content)} bytes; at most {limits.content} are read")
    data = _without_doctype(_as_utf8(content), limits)
    if data.count(b"<") > 2 * limits.elements:
        raise XmlRefused("intake.too_large", "", f"more than {limits.elements} elements")
    try:
        root = etree.fromstring(data, _PARSER)
    except etree.XMLSyntaxError as error:
        raise _explained(error, data) from None
    _check_tree(root, data, limits)
    return root


# Encoding: one family is found from the first bytes, and the declaration must agree with it.

_DECLARATION = re.compile(
    rb"<\?xml[ \t\r\n][^>]{0,200}?encoding[ \t\r\n]{0,9}=[ \t\r\n]{0,9}[\"']([A-Za-z0-9._:-]{1,40})[\"']"
)
_BYTE_ENCODINGS = {
    "utf-8": "utf-8",
    "utf8": "utf-8",
    "us-ascii": "ascii",
    "ascii": "ascii",
    "iso-8859-1": "latin-1",
    "iso-8859-15": "iso8859-15",
    "windows-1252": "cp1252",
}


def _as_utf8(content: bytes) -> bytes:
    if content[:3] == b"\xef\xbb\xbf":
        family, body = "utf-8", content[3:]
    elif content[:4] in (b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff"):
        raise XmlRefused("intake.malformed", "", "UTF-32 is not read")
    elif content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return _from_utf16(content)
    elif content[:2] in (b"<\x00", b"\x00<"):
        raise XmlRefused("intake.malformed", "", "UTF-16 without its byte order mark")
    else:
        family, body = "", content
    found = _DECLARATION.match(body)
    declared = found.group(1).decode("ascii").lower() if found else "utf-8"
    codec = _BYTE_ENCODINGS.get(declared)
    if codec is None:
        raise XmlRefused("intake.malformed", "", f"declared as {declared}, but the bytes are not")
    if family and codec != family:
        raise XmlRefused("intake.malformed", "", f"declared as {declared} after a byte order mark of UTF-8")
    try:
        text = body.decode(codec)
    except UnicodeDecodeError as error:
        raise XmlRefused("intake.malformed", f"byte {error.start}", f"not {declared} as declared") from None
    return body if codec == "utf-8" else text.encode("utf-8")


def _from_utf16(content: bytes) -> bytes:
    try:
        body = content.decode("utf-16").encode("utf-8")
    except UnicodeError as error:
        raise XmlRefused("intake.malformed", "", f"not UTF-16 as its byte order mark says: {error}"[:200]) from None
    found = _DECLARATION.match(body)
    declared = found.group(1).decode("ascii").lower() if found else "utf-16"
    if declared != "utf-16":
        raise XmlRefused("intake.malformed", "", f"declared as {declared}, but it is UTF-16")
    return body


# DOCTYPE: it can only stand in the prolog, so the prolog is walked by hand, once, without the parser.

_CXML_DOCTYPE = re.compile(
    rb"<!DOCTYPE[ \t\r\n]{1,20}[A-Za-z][A-Za-z0-9._-]{0,60}[ \t\r\n]{1,20}SYSTEM[ \t\r\n]{1,20}"
    rb"[\"']http://xml\.cxml\.org/schemas/[A-Za-z0-9._/-]{1,120}[\"'][ \t\r\n]{0,20}>"
)
_BLANK = b" \t\r\n"


def _without_doctype(data: bytes, limits: XmlLimits) -> bytes:
    place = _after_misc(data, 0)
    if data[place : place + 2] != b"<!":
        return data
    bare = _CXML_DOCTYPE.match(data, place) if limits.doctype == "cxml" else None
    if bare is None:
        raise XmlRefused("intake.doctype_refused", f"byte {place}", "a DOCTYPE is never read")
    return data[:place] + b" " * (bare.end() - place) + data[bare.end() :]


def _after_misc(data: bytes, place: int) -> int:
    """Where the first thing stands that is neither blank, comment nor processing instruction."""
    size = len(data)
    while place < size:
        if data[place] in _BLANK:
            place += 1
        elif data.startswith(b"<?", place):
            place = _past(data, b"?>", place)
        elif data.startswith(b"<!--", place):
            place = _past(data, b"-->", place + 4)
        else:
            return place
    return size


def _past(data: bytes, mark: bytes, place: int) -> int:
    found = data.find(mark, place)
    if found < 0:
        raise XmlRefused("intake.malformed", f"byte {place}", "a comment or instruction without end")
    return found + len(mark)


def _explained(error: etree.XMLSyntaxError, data: bytes) -> XmlRefused:
    """What the parser objected to, in our codes. libxml2 names its own limits by the option that would lift them."""
    line, column = error.position
    pointer = f"line {line}, column {column}"
    detail = str(error.msg).strip()[:200]
    if "XML_PARSE_HUGE" in detail or "Memory" in detail:
        return XmlRefused("intake.too_large", pointer, detail)
    if "xmlns" in detail and "not a valid URI" in detail:
        # A namespace with foreign letters or blanks in it: a look-alike, or nothing that anybody could know.
        return XmlRefused("intake.type_not_supported", "/" + _root_name(data), detail)
    if "Extra content at the end" in detail and _second_root(data, line, column):
        return XmlRefused("intake.ambiguous", pointer, "a second root element")
    return XmlRefused("intake.malformed", pointer, detail)


def _root_name(data: bytes) -> str:
    """The local name of the root, for a sentence; the parser has refused the document already."""
    found = _NAME.match(data, _after_misc(data, 0))
    return found.group(1).decode() if found else ""


_NAME = re.compile(rb"<(?:[A-Za-z_][A-Za-z0-9._-]{0,60}:)?([A-Za-z_][A-Za-z0-9._-]{0,100})")


def _second_root(data: bytes, line: int, column: int) -> bool:
    """Whether an element starts where the parser stopped; lines and columns are counted in characters, from 1."""
    lines = data.decode("utf-8").split("\n")
    rest = lines[line - 1][column - 1 :].lstrip() if line <= len(lines) else ""
    return rest[:1] == "<" and rest[1:2] not in ("!", "?", "/", "")


# Checks of the whole tree run inside libxml2: a walk in Python would cost as much as the reading itself.
# What signatures refer to; a lower-case `id` without a schema is an attribute like others.
_WSU = {"wsu": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"}
_IDS_PATH = "//@Id | //@ID | //@xml:id | //@wsu:Id"
_HAS_IDS = etree.XPath(f"boolean({_IDS_PATH})", namespaces=_WSU)
_IDS = etree.XPath(_IDS_PATH, namespaces=_WSU)


@cache
def _deeper_than(depth: int) -> etree.XPath:
    return etree.XPath("boolean(" + "/*" * (depth + 1) + ")")


@cache
def _crowded(attributes: int) -> etree.XPath:
    return etree.XPath(f"boolean(//*/@*[{attributes + 1}])")


def _check_tree(root: Element, data: bytes, limits: XmlLimits) -> None:
    if _deeper_than(limits.depth)(root):
        raise XmlRefused("intake.too_large", "", f"nested deeper than {limits.depth}")
    if _crowded(limits.attributes)(root):
        raise XmlRefused("intake.too_large", "", f"an element with more than {limits.attributes} attributes")
    for element in root.iter(XINCLUDE, XSLT):
        raise XmlRefused("intake.active_content", pointer_of(element), "asks to include or to run something")
    if len(data) > limits.text:
        for element in root.iter():
            if any(len(text) > limits.text for text in (element.text or "", element.tail or "")):
                raise XmlRefused("intake.too_large", pointer_of(element), f"a text longer than {limits.text}")
    if b"xmldsig#" in data:  # before the ids: two of one name are a way to wrap a signature
        try:
            check_signatures(root)
        except SignatureRefused as refused:
            raise XmlRefused(refused.reason_code, pointer_of(refused.element), refused.detail) from None
    if _HAS_IDS(root):
        seen: set[str] = set()
        for value in _IDS(root):  # type: ignore[union-attr]
            if str(value) in seen:
                raise XmlRefused("intake.ambiguous", "", f"the id {str(value)[:60]!r} stands twice")
            seen.add(str(value))


def named(element: Element) -> bool:
    """Whether this is an element; a comment or a processing instruction has a function where the name should be."""
    tag: object = element.tag
    return isinstance(tag, str)


def qualified(name: str) -> str:
    """`{namespace}local` as `prefix:local` by the fixed prefixes; an unknown namespace is left out."""
    if name[0] != "{":
        return name
    namespace, _, local = name[1:].partition("}")
    return PREFIXES.get(namespace, "") + local


def pointer_of(element: Element) -> str:
    """The path of an element from the root, with an index among equally named siblings where there are several."""
    steps: list[str] = []
    current: Element | None = element
    while current is not None:
        step = "comment()"
        if named(current):
            tag = str(current.tag)
            step = qualified(tag)
            before = sum(1 for _ in current.itersiblings(tag, preceding=True))
            if before or next(current.itersiblings(tag), None) is not None:
                step += f"[{before + 1}]"
        steps.append(step)
        current = current.getparent()
    return "/" + "/".join(reversed(steps))
