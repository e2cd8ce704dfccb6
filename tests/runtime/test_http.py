"""Outbound calls: only where the estate allows, bounded in time and bytes, and honest about what may have happened."""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import gzip
import ssl
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tripartite.runtime.http import AnswerInvalid, Limits, OutboundHttp, OutboundRefused, OutboundRules, Response
from tripartite.runtime.outbound import check_addresses, origin_of, rules_of_connection
from tripartite.runtime.protocol import Call, HttpFailure

HERE = OutboundRules(allow_loopback=True)
Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@contextlib.asynccontextmanager
async def server(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """A server of one conversation, repeated for each connection; gives its port."""

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await talk(reader, writer)
        writer.close()

    running = await asyncio.start_server(guarded, "127.0.0.1", 0, ssl=tls)
    try:
        yield running.sockets[0].getsockname()[1]
    finally:
        running.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = next(
        (int(line.split(":")[1]) for line in head.lower().split("\r\n") if line.startswith("content-length:")), 0
    )
    return head, await reader.readexactly(length)


def answering(*answers: bytes, seen: list[tuple[str, bytes]] | None = None, close: bool = False) -> Talk:
    """Answers request after request on one connection."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for answer in answers:
            request = await read_request(reader)
            if seen is not None:
                seen.append(request)
            writer.write(answer)
            await writer.drain()
        if not close:
            await reader.read()

    return talk


def ok(body: bytes = b"{}", headers: str = "") -> bytes:
    return f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n{headers}\r\n".encode() + body


@contextlib.asynccontextmanager
async def http_to(port: int, **options: object) -> AsyncIterator[OutboundHttp]:
    http = OutboundHttp(f"http://127.0.0.1:{port}", **{"rules": HERE, **options})  # type: ignore[arg-type]
    try:
        yield http
    finally:
        await http.close()


# Ordinary calls


async def test_a_call_carries_method_path_query_headers_and_body_as_given() -> None:
    seen: list[tuple[str, bytes]] = []
    async with server(answering(ok(b'{"a":1}', "X-Two: 1\r\nx-two: 2\r\n"), seen=seen)) as port, http_to(port) as http:
        answer = await http.request(
            "POST",
            f"http://127.0.0.1:{port}/odata/Invoices('4%2F5')?a=b",
            params=[("$filter", "Name eq 'Müller & Co'"), ("x", "1")],
            headers={"Authorization": "Bearer t", "X-Csrf": "Fetch"},
            content=b"body",
        )
        assert (answer.status_code, answer.content) == (200, b'{"a":1}')
        assert answer.headers["X-TWO"] == "1, 2"
        assert dict(answer.headers) == {"content-length": "7", "x-two": "1, 2"}
    head, body = seen[0]
    assert head.startswith(
        "POST /odata/Invoices('4%2F5')?a=b&$filter=Name%20eq%20%27M%C3%BCller%20%26%20Co%27&x=1 HTTP/1.1\r\n"
    )
    assert f"\r\nHost: 127.0.0.1:{port}\r\n" in head
    assert "\r\nAuthorization: Bearer t\r\n" in head
    assert "\r\nContent-Length: 4\r\n" in head
    assert body == b"body"


async def test_connections_are_kept_alive_and_used_again() -> None:
    connections = 0

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while True:
            await read_request(reader)
            writer.write(ok())

    async with server(talk) as port, http_to(port) as http:
        for _ in range(20):
            assert (await http.request("GET", f"http://127.0.0.1:{port}/")).status_code == 200
        await asyncio.gather(*(http.request("GET", f"http://127.0.0.1:{port}/") for _ in range(8)))
    assert connections <= 8


async def test_a_call_costs_little() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await read_request(reader)
            writer.write(ok())

    async with server(talk) as port, http_to(port) as http:
        best = 1.0
        for _ in range(5):
            started = time.process_time()
            for _ in range(100):
                await http.request("POST", f"http://127.0.0.1:{port}/", content=b"{}")
            best = min(best, (time.process_time() - started) / 100)
    assert best < 0.002  # a tenth of that on an idle machine, the server's half included


async def test_every_call_is_told_to_telemetry_with_names_and_numbers_only() -> None:
    calls: list[Call] = []
    async with (
        server(answering(ok(), b"", close=True)) as port,
        http_to(port, name="sap", on_call=calls.append) as http,
    ):
        await http.request("GET", f"http://127.0.0.1:{port}/secret?token=abc", operation="probe")
        with pytest.raises(HttpFailure):
            await http.request("POST", f"http://127.0.0.1:{port}/secret?token=abc", operation="post_invoice")
        with pytest.raises(OutboundRefused):
            await http.request("GET", "https://elsewhere.example/", operation="fetch")
    assert [(call.connection, call.operation, call.status) for call in calls] == [
        ("sap", "probe", 200),
        ("sap", "post_invoice", 0),
        ("sap", "fetch", 0),
    ]
    assert calls[0].error == ""
    assert calls[1].error
    assert all("token" not in call.error and "abc" not in call.error for call in calls)


# Whether it may have happened


async def test_a_refused_connection_surely_sent_nothing() -> None:
    async with server(answering()) as port:
        pass
    async with http_to(port) as http:
        with pytest.raises(HttpFailure) as caught:
            await http.request("POST", f"http://127.0.0.1:{port}/", content=b"x")
    assert not caught.value.sent


@pytest.mark.parametrize(
    ("answer", "close"),
    [
        (b"", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", True),
        (b"HTTP/1.1 200 OK\r\n", False),
        (b"", False),
    ],
)
async def test_an_answer_that_never_came_whole_may_have_happened(answer: bytes, close: bool) -> None:
    async with server(answering(answer, close=close)) as port, http_to(port) as http:
        with pytest.raises(HttpFailure) as caught:
            await http.request("POST", f"http://127.0.0.1:{port}/", content=b"x", timeout_seconds=0.3)
    assert caught.value.sent


async def test_a_time_out_bounds_the_whole_call_not_each_read() -> None:
    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)

    async with server(talk) as port, http_to(port) as http:
        started = time.monotonic()
        with pytest.raises(HttpFailure, match="no whole answer within") as caught:
            await http.request("GET", f"http://127.0.0.1:{port}/", timeout_seconds=0.3)
        assert time.monotonic() - started < 1.0
    assert caught.value.sent


async def test_a_question_is_asked_again_when_a_kept_connection_was_closed_but_a_change_is_not() -> None:
    seen: list[tuple[str, bytes]] = []

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await read_request(reader))
        writer.write(ok())
        seen.append(await read_request(reader))  # takes the next one in and hangs up

    async with server(talk) as port, http_to(port) as http:
        url = f"http://127.0.0.1:{port}/"
        assert (await http.request("GET", url)).status_code == 200
        assert (await http.request("GET", url)).status_code == 200
        assert len(seen) == 3
        with pytest.raises(HttpFailure) as caught:
            await http.request("POST", url, content=b"x")
        assert caught.value.sent
        assert len(seen) == 4


# Bad inputs 78 to 81


@pytest.mark.parametrize(
    "url",
    [
        "https://127.1/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://127.0.0.1/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::1]/",
        "https://[fe80::1]/",
        "https://[fc00::1]/",
        "https://[fec0::1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://169.254.169.254/latest/meta-data/",
        "https://100.64.0.1/",
        "https://10.0.0.1/",
        "https://192.168.0.1/",
        "https://172.16.0.1/",
        "https://0.0.0.0/",
        "https://224.0.0.1/",
        "https://255.255.255.255/",
        "https://localtest.example/",  # a public name for loopback
        "https://erp.example@127.0.0.1/",
        "https://erp.example:443@127.0.0.1/",
        "https://erp.example\\@127.0.0.1/",
        "https://erp.example%2f@127.0.0.1/",
        "https://erp.example#@127.0.0.1/",
        "https://ⓛocalhost/",
        "http://erp.example/",
        "https://erp.example:22/",
        "https://erp.example:0/",
        "ftp://erp.example/",
        "file:///etc/passwd",
        "//erp.example/",
        "https:///",
        "",
    ],
)
async def test_outbound_inner_addresses_are_refused(url: str) -> None:
    async def resolve(host: str, port: int) -> Sequence[str]:
        return {"localtest.example": ["127.0.0.1"], "erp.example": ["127.0.0.1"]}.get(host, [host])

    with pytest.raises(OutboundRefused) as caught:  # noqa: PT012
        http = OutboundHttp(url, resolve=resolve)
        try:
            await http.request("GET", url)
        finally:
            await http.close()
    assert caught.value.reason_code == "outbound.address_refused"
    assert not caught.value.sent


def test_outbound_a_name_with_one_inner_address_among_public_ones_is_refused() -> None:
    assert check_addresses("erp.example", ["93.184.215.14", "2606:2800::1"], OutboundRules()) == [
        "93.184.215.14",
        "2606:2800::1",
    ]
    for same_host in ("::ffff:93.184.215.14", "64:ff9b::5db8:d70e"):  # as an IPv6-only network sees it
        assert check_addresses("erp.example", [same_host], OutboundRules()) == [same_host]
    with pytest.raises(OutboundRefused):
        check_addresses("erp.example", ["93.184.215.14", "10.0.0.1"], OutboundRules())
    with pytest.raises(OutboundRefused):
        check_addresses("erp.example", [], OutboundRules())
    with pytest.raises(OutboundRefused):
        check_addresses("erp.example", ["fe80::1%eth0"], OutboundRules())


def test_outbound_private_networks_are_reached_only_where_the_estate_names_them() -> None:
    named = OutboundRules(private_networks=("10.1.0.0/16",))
    assert check_addresses("sap.corp", ["10.1.2.3"], named) == ["10.1.2.3"]
    host = rules_of_connection("https://sap.corp:44300", private_hosts=("SAP.corp",))
    assert host.ports == (44300,)
    assert check_addresses("sap.corp", ["10.1.2.3", "fd00::1"], host) == ["10.1.2.3", "fd00::1"]
    for rules, name, address in (
        (named, "sap.corp", "10.2.0.1"),
        (host, "other.corp", "10.1.2.3"),
        (host, "sap.corp", "127.0.0.1"),
        (host, "sap.corp", "169.254.169.254"),
        (OutboundRules(private_networks=("0.0.0.0/0",)), "sap.corp", "127.0.0.1"),
        (OutboundRules(private_networks=("0.0.0.0/0",)), "sap.corp", "169.254.169.254"),
    ):
        with pytest.raises(OutboundRefused):
            check_addresses(name, [address], rules)


async def test_outbound_rebinding_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The name is public when asked first and 127.0.0.1 when asked again. Each connection asks once, and goes to the
    very address that was checked."""
    answers = [["93.184.215.14"], ["127.0.0.1"]]
    reached: list[tuple[str, int]] = []

    async def resolve(host: str, port: int) -> Sequence[str]:
        return answers.pop(0)

    async def create_connection(self: object, factory: object, host: str, port: int) -> None:
        reached.append((host, port))
        raise OSError("nobody there")

    http = OutboundHttp("https://flips.example", resolve=resolve)
    monkeypatch.setattr(type(asyncio.get_running_loop()), "create_connection", create_connection)
    with pytest.raises(HttpFailure) as first:
        await http.request("GET", "https://flips.example/")
    assert not isinstance(first.value, OutboundRefused)
    assert not first.value.sent
    with pytest.raises(OutboundRefused):
        await http.request("GET", "https://flips.example/")
    await http.close()
    assert reached == [("93.184.215.14", 443)]


@pytest.mark.parametrize(
    "place",
    ["http://169.254.169.254/latest/meta-data/", "//169.254.169.254/", "https://elsewhere.example/", "/\\evil", ""],
)
async def test_outbound_redirect_inside_is_not_followed(place: str) -> None:
    seen: list[tuple[str, bytes]] = []
    answer = f"HTTP/1.1 301 Moved\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
    async with server(answering(answer, seen=seen)) as port, http_to(port) as http:
        with pytest.raises(OutboundRefused) as caught:
            await http.request("GET", f"http://127.0.0.1:{port}/")
    assert caught.value.sent
    assert len(seen) == 1


async def test_a_redirect_within_the_host_is_given_to_the_client_and_not_followed() -> None:
    seen: list[tuple[str, bytes]] = []
    answer = b"HTTP/1.1 303 See Other\r\nLocation: /jobs/1\r\nContent-Length: 0\r\n\r\n"
    async with server(answering(answer, seen=seen)) as port, http_to(port) as http:
        got = await http.request("POST", f"http://127.0.0.1:{port}/", content=b"")
    assert (got.status_code, got.headers["location"], len(seen)) == (303, "/jobs/1", 1)


async def _endless_body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + bytes(65_536) + b"\r\n")
        await writer.drain()


async def _endless_headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"X-Y: " + b"z" * 1_000 + b"\r\n")
        await writer.drain()


async def _endless_header_line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        writer.write(b"z" * 10_000)
        await writer.drain()


async def _bomb(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    packed = gzip.compress(bytes(50_000_000))
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed)
    await writer.drain()


async def _not_http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"SSH-2.0-OpenSSH_9.6\r\n\r\n")
    await writer.drain()


async def _two_lengths(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}x")
    await writer.drain()


async def _odd_encoding(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(ok(b"abc", "Content-Encoding: br\r\n"))
    await writer.drain()


async def _cut_gzip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await read_request(reader)
    writer.write(ok(gzip.compress(b"a" * 1000)[:-6], "Content-Encoding: gzip\r\n"))
    await writer.drain()


@pytest.mark.parametrize(
    "talk",
    [_endless_body, _endless_headers, _endless_header_line, _bomb, _not_http, _two_lengths, _odd_encoding, _cut_gzip],
)
async def test_outbound_endless_answer_is_cut(talk: Talk) -> None:
    async with server(talk) as port, http_to(port, limits=Limits(body_bytes=1_000_000)) as http:
        started = time.process_time()
        with pytest.raises(AnswerInvalid) as caught:
            await http.request("GET", f"http://127.0.0.1:{port}/", timeout_seconds=5)
        assert time.process_time() - started < 2.0
    assert caught.value.reason_code == "outbound.answer_invalid"
    assert caught.value.sent


async def test_compressed_answers_are_read_within_the_limit() -> None:
    body = b"tripartite " * 10_000
    for packed, name in ((gzip.compress(body), "gzip"), (zlib.compress(body), "deflate"), (body, "identity")):
        async with server(answering(ok(packed, f"Content-Encoding: {name}\r\n"))) as port, http_to(port) as http:
            assert (await http.request("GET", f"http://127.0.0.1:{port}/")).content == body


async def test_a_large_answer_within_the_limit_comes_whole() -> None:
    body = bytes(range(256)) * 40_000
    async with server(answering(ok(body))) as port, http_to(port) as http:
        assert (await http.request("GET", f"http://127.0.0.1:{port}/")).content == body


async def test_a_large_body_is_sent_whole_to_a_slow_reader() -> None:
    body = bytes(range(256)) * 20_000
    seen: list[tuple[str, bytes]] = []
    async with server(answering(ok(), seen=seen)) as port, http_to(port) as http:
        await http.request("PUT", f"http://127.0.0.1:{port}/", content=body)
    assert seen[0][1] == body


# What the caller may not do


async def test_other_hosts_than_the_connections_are_refused_before_anything_is_sent() -> None:
    async with server(answering(ok())) as port, http_to(port, also=("https://token.example/oauth",)) as http:
        for url in (
            f"http://127.0.0.1:{port + 1}/",
            f"http://127.0.0.1.evil.example:{port}/",
            f"http://127.0.0.1:{port}@evil.example/",
            f"https://127.0.0.1:{port}/",
            "https://token.example.evil/",
        ):
            with pytest.raises(OutboundRefused):
                await http.request("GET", url)
        spelled_otherwise = await http.request("GET", f"http://127.0.0.1:{port}?x")
    assert spelled_otherwise.status_code == 200
    assert origin_of("HTTPS://TOKEN.example./oauth".replace("HTTPS", "https")) == origin_of("https://token.example:443")


@pytest.mark.parametrize("path", ["/a b", "/a\r\nX: y", "/ü", "/\x00"])
async def test_a_path_cannot_smuggle_a_second_request(path: str) -> None:
    async with server(answering(ok())) as port, http_to(port) as http:
        with pytest.raises(HttpFailure) as caught:
            await http.request("GET", f"http://127.0.0.1:{port}{path}")
    assert not caught.value.sent


@pytest.mark.parametrize("header", [("X", "a\r\nY: b"), ("X\r\nY", "b"), ("X", "ü€"), ("Ü", "x")])
async def test_a_header_cannot_smuggle_another(header: tuple[str, str]) -> None:
    async with server(answering(ok())) as port, http_to(port) as http:
        with pytest.raises(HttpFailure) as caught:
            await http.request("GET", f"http://127.0.0.1:{port}/", headers=dict([header]))
    assert not caught.value.sent


async def test_proxy_variables_of_the_environment_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with server(answering(ok())) as port, http_to(port) as http:
        assert (await http.request("GET", f"http://127.0.0.1:{port}/")).status_code == 200


# TLS


def certificate(folder: Path, host: str) -> tuple[ssl.SSLContext, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "cert.pem", folder / "key.pem"
    public.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return context, public


async def _tls_call(port: int, host: str, ca_file: Path | None) -> Response:
    async def resolve(_: str, __: int) -> Sequence[str]:
        return ["127.0.0.1"]

    http = OutboundHttp(
        f"https://{host}:{port}",
        rules=OutboundRules(allow_loopback=True, ports=(port,)),
        ca_file=None if ca_file is None else str(ca_file),
        resolve=resolve,
    )
    try:
        return await http.request("GET", f"https://{host}:{port}/")
    finally:
        await http.close()


async def test_the_certificate_must_be_of_the_host_that_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    context, public = certificate(tmp_path, "erp.example")
    monkeypatch.setenv("SSL_CERT_FILE", str(public))  # what the environment says about trust is not asked
    names: list[str | None] = []
    context.sni_callback = lambda _, name, __: names.append(name)
    async with server(answering(ok(b"secure")), tls=context) as port:
        assert (await _tls_call(port, "erp.example", public)).content == b"secure"
        assert names == ["erp.example"]
        for host, ca_file in (("other.example", public), ("erp.example", None)):
            with pytest.raises(HttpFailure, match=r"(?i)certificate") as caught:
                await _tls_call(port, host, ca_file)
            assert not caught.value.sent
