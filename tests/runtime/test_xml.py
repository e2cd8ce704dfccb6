"""Hostile XML is refused before it can do anything, with its code; harmless oddities are read. Bad inputs 49 to 61."""

from __future__ import annotations

import resource
import socket
import time
from pathlib import Path

import pytest
from lxml import etree

from tripartite.runtime.xml import CXML_LIMITS, LIMITS, XmlLimits, XmlRefused, pointer_of, read_xml


def refusal(content: bytes, limits: XmlLimits = LIMITS) -> XmlRefused:
    """The refusal of `content`, which must come within a quarter of a second of processor time."""
    before = time.process_time()
    with pytest.raises(XmlRefused) as caught:
        read_xml(content, limits)
    assert time.process_time() - before < 0.25
    return caught.value


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a parser opened a connection")

    monkeypatch.setattr(socket.socket, "connect", refused)
    monkeypatch.setattr(socket, "getaddrinfo", refused)


def test_xml_billion_laughs_is_refused() -> None:
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    content = f'<?xml version="1.0"?><!DOCTYPE lolz [<!ENTITY l0 "lol">{entities}]><lolz>&l9;</lolz>'
    assert refusal(content.encode()).reason_code == "intake.doctype_refused"


def test_xml_quadratic_blowup_is_refused() -> None:
    content = f'<!DOCTYPE a [<!ENTITY x "{"x" * 50_000}">]><a>{"&x;" * 50_000}</a>'
    assert refusal(content.encode()).reason_code == "intake.doctype_refused"


def test_xml_external_entity_file_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("do not read me")
    content = f'<!DOCTYPE a [<!ENTITY x SYSTEM "{secret.as_uri()}">]><a>&x;</a>'
    found = refusal(content.encode())
    assert found.reason_code == "intake.doctype_refused"
    assert "do not read me" not in str(found)


def test_xml_external_entity_http_is_refused(no_network: None) -> None:
    content = b'<!DOCTYPE a [<!ENTITY x SYSTEM "http://127.0.0.1:1/x">]><a>&x;</a>'
    assert refusal(content).reason_code == "intake.doctype_refused"


def test_xml_parameter_entity_is_refused(no_network: None) -> None:
    content = b'<!DOCTYPE a [<!ENTITY % p SYSTEM "http://127.0.0.1:1/x.dtd"> %p;]><a/>'
    assert refusal(content).reason_code == "intake.doctype_refused"


@pytest.mark.parametrize(
    "content",
    [
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a SYSTEM "a.dtd"><a/>',
        b'<!DOCTYPE a PUBLIC "-//X//Y" "http://x.example/a.dtd"><a/>',
        b"<!doctype a><a/>",
        b'<?xml version="1.0"?>\n<!-- hello -->\n<?pi data?>\n<!DOCTYPE a><a/>',
        b"<!-- <a/> --><!DOCTYPE a [<!ENTITY b 'c'>]><a/>",
        b"\xef\xbb\xbf<!DOCTYPE a><a/>",
        '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a><a/>'.encode("utf-16"),
        b'<!DOCTYPE cXML SYSTEM "http://xml.cxml.org/schemas/cXML/1.2.014/cXML.dtd"><cXML/>',
    ],
)
def test_xml_any_doctype_is_refused(content: bytes) -> None:
    assert refusal(content).reason_code == "intake.doctype_refused"


def test_the_bare_doctype_of_cxml_is_cut_on_a_cxml_connection_only(no_network: None) -> None:
    bare = b'<?xml version="1.0"?>\n<!DOCTYPE cXML SYSTEM "http://xml.cxml.org/schemas/cXML/1.2.014/cXML.dtd">\n<cXML/>'
    assert read_xml(bare, CXML_LIMITS).tag == "cXML"
    for other in (
        bare.replace(b'.dtd"', b'.dtd" [<!ENTITY a "b">]'),
        bare.replace(b"xml.cxml.org", b"xml.cxml.org.example"),
        bare.replace(b"http:", b"file:"),
        bare.replace(b"/schemas/", b"/other/"),
    ):
        assert refusal(other, CXML_LIMITS).reason_code == "intake.doctype_refused"


def test_a_doctype_inside_a_comment_is_only_a_comment() -> None:
    assert read_xml(b"<!-- <!DOCTYPE a> --><a><!-- <!DOCTYPE b> -->text</a>").tag == "a"


def test_xml_xinclude_is_refused(no_network: None) -> None:
    for href in ("file:///etc/passwd", "http://127.0.0.1:1/"):
        content = f'<a><x:include xmlns:x="http://www.w3.org/2001/XInclude" href="{href}" parse="text"/></a>'
        found = refusal(content.encode())
        assert (found.reason_code, found.pointer) == ("intake.active_content", "/a/include")


def test_xml_schema_location_is_never_fetched(no_network: None) -> None:
    content = (
        b'<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" '
        b'xsi:schemaLocation="urn:a http://127.0.0.1:1/a.xsd" xsi:noNamespaceSchemaLocation="http://127.0.0.1:1/b.xsd"/>'
    )
    root = read_xml(content)
    assert "http://127.0.0.1:1/b.xsd" in root.attrib.values()


def test_xml_stylesheet_is_never_fetched(no_network: None) -> None:
    root = read_xml(b'<?xml-stylesheet type="text/xsl" href="http://127.0.0.1:1/a.xsl"?><a>kept</a>')
    instruction = root.getprevious()
    assert root.text == "kept"
    assert instruction is not None
    assert "a.xsl" in str(instruction)


def test_xml_deep_nesting_is_refused() -> None:
    assert refusal(b"<a>" * 100_000 + b"</a>" * 100_000).reason_code == "intake.too_large"
    assert refusal(b"<a>" * 65 + b"</a>" * 65).reason_code == "intake.too_large"
    assert read_xml(b"<a>" * 64 + b"</a>" * 64).tag == "a"


def test_xml_many_attributes_are_refused() -> None:
    content = b"<a " + b" ".join(b'a%d="1"' % number for number in range(200_000)) + b"/>"
    assert refusal(content).reason_code == "intake.too_large"
    assert (
        refusal(b"<r><a " + b" ".join(b'a%d=">"' % n for n in range(101)) + b"/></r>").reason_code == "intake.too_large"
    )


def test_xml_huge_text_is_refused() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    content = b"<a>" + b"x" * 20_000_000 + b"</a>"
    assert refusal(content).reason_code == "intake.too_large"
    assert refusal(b"<a>" + b"x" * 10_000_100 + b"</a>").reason_code == "intake.too_large"
    assert refusal(b"<a>" + b"x" * 60 + b"</a>", XmlLimits(text=50)).pointer == "/a"
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024 + 2 * len(content) // 1024


@pytest.mark.parametrize(
    "content",
    [
        b'<?xml version="1.0" encoding="UTF-7"?>+ADw-a/+AD4-',
        b'<?xml version="1.0" encoding="UTF-7"?><a/>',
        b'<?xml version="1.0" encoding="UTF-16"?><a/>',
        '<?xml version="1.0" encoding="UTF-8"?><a/>'.encode("utf-16"),
        '<?xml version="1.0" encoding="ISO-8859-1"?><a/>'.encode("utf-16"),
        "<a/>".encode("utf-16-le"),
        "<a/>".encode("utf-32"),
        b'\xef\xbb\xbf<?xml version="1.0" encoding="ISO-8859-1"?><a/>',
        b'<?xml version="1.0" encoding="UTF-8"?><a>\xe4</a>',
        b'<?xml version="1.0" encoding="US-ASCII"?><a>\xc3\xa4</a>',
        b'<?xml version="1.0" encoding="EBCDIC-CP-US"?><a/>',
        b"<a>\x00</a>",
        b"<a>\xed\xa0\x80</a>",
    ],
)
def test_xml_encoding_lie_is_refused(content: bytes) -> None:
    assert refusal(content).reason_code == "intake.malformed"


@pytest.mark.parametrize(
    "content",
    [
        "<a>ä€</a>".encode(),
        b"\xef\xbb\xbf" + '<?xml version="1.0" encoding="utf-8"?><a>ä€</a>'.encode(),
        '<?xml version="1.0" encoding="UTF-16"?><a>ä€</a>'.encode("utf-16"),
        '<?xml version="1.0" encoding="windows-1252"?><a>ä€</a>'.encode("cp1252"),
        '<?xml version="1.0" encoding="ISO-8859-15"?><a>ä€</a>'.encode("iso8859-15"),
    ],
)
def test_honest_encodings_are_read(content: bytes) -> None:
    assert read_xml(content).text == "ä€"


def test_two_roots_are_ambiguous_and_trailing_text_is_malformed() -> None:
    assert refusal(b"<a/><b/>").reason_code == "intake.ambiguous"
    assert refusal("<a>é</a>\n <b/>".encode()).reason_code == "intake.ambiguous"
    assert refusal(b"<a/>text").reason_code == "intake.malformed"
    assert refusal(b"<a/></a>").reason_code == "intake.malformed"


def test_an_id_that_stands_twice_is_ambiguous() -> None:
    assert refusal(b'<a><b Id="x"/><c ID="x"/></a>').reason_code == "intake.ambiguous"
    assert refusal(b'<a xml:id="x"><b xml:id="x"/></a>').reason_code == "intake.ambiguous"
    assert read_xml(b'<a><b Id="x"/><b Id="y"/></a>').tag == "a"


@pytest.mark.parametrize("content", [b"", b"<a>", b"<a></b>", b"<a>&nbsp;</a>", b"<a b=1/>", b"text", b"<!--", b"<?x"])
def test_what_is_not_well_formed_is_malformed_and_says_where(content: bytes) -> None:
    found = refusal(content)
    assert found.reason_code == "intake.malformed"
    assert found.pointer


def test_more_elements_than_allowed_are_refused_before_parsing() -> None:
    assert refusal(b"<a>" + b"<b/>" * 900_000 + b"</a>").reason_code == "intake.too_large"


def test_a_pointer_counts_only_equal_siblings() -> None:
    root = read_xml(b"<a><b/><c/><b><d/></b><!-- x --></a>")
    assert pointer_of(root[2][0]) == "/a/b[2]/d"
    assert pointer_of(root[1]) == "/a/c"
    assert pointer_of(root[3]) == "/a/comment()"


def test_the_installed_parser_is_one_with_the_known_limits() -> None:
    assert etree.LXML_VERSION >= (6, 1)
    assert etree.LIBXML_VERSION >= (2, 13)
