"""Where a call may go: which hosts, which ports, which addresses. Pure rules; `http.py` carries the calls.

A connection talks to the origins named in the estate and to nothing else. A name is looked up once for each new
connection; every address it gives must be a public one, and the connection goes to that very address, so that a name
which changes its mind between two look-ups gains nothing. On-premise ERPs live in private networks: the estate names
these networks. Loopback is for development estates only.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable, Sequence

import msgspec

from tripartite.runtime.protocol import HttpFailure

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

HTTPS_PORT = 443
_ORIGIN = re.compile(r"(https?)://(\[[0-9a-fA-F:.]{2,45}\]|[A-Za-z0-9._-]{1,253})(?::([0-9]{1,5}))?(?=[/?#]|\Z)")
_NUMBER = re.compile(r"(?:0[xX][0-9a-fA-F]*|[0-9]+)\Z")
_QUAD = re.compile(r"(?:(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])(?:\.(?!\Z)|\Z)){4}\Z")

# What is not a public address, whatever the Python version thinks of it (IANA special-purpose registries).
_INNER = tuple(
    ipaddress.ip_network(text)
    for text in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"),
        *("192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24"),
        *("203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
_PRIVATE = tuple(ipaddress.ip_network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"))
_PUBLIC_SIX = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class OutboundRefused(HttpFailure):
    """A call that was not allowed to go where it wanted. `reason_code` is `outbound.address_refused`."""

    reason_code = "outbound.address_refused"


class AnswerInvalid(HttpFailure):
    """An answer beyond our limits or not HTTP. `reason_code` is `outbound.answer_invalid`."""

    reason_code = "outbound.answer_invalid"


class Origin(msgspec.Struct, frozen=True):
    """Scheme, host (lower case, without brackets) and port of a URL."""

    scheme: str
    host: str
    port: int


class OutboundRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the estate allows one connection. The default is the strictest: public addresses, https, port 443.

    `private_networks`: networks in CIDR form that this connection may reach. `private_hosts`: hosts that may lead to
    any private network (RFC 1918, RFC 4193), by their exact name. `ports`: besides 443. `allow_plain_http`: http
    without TLS. `allow_loopback`: this machine, any port, plain or not; development estates only.
    """

    private_networks: tuple[str, ...] = ()
    private_hosts: tuple[str, ...] = ()
    ports: tuple[int, ...] = ()
    allow_plain_http: bool = False
    allow_loopback: bool = False


def rules_of_connection(
    base_url: str, *, private_hosts: Iterable[str] = (), plain_http: bool = False, loopback: bool = False
) -> OutboundRules:
    """The rules of a connection as the estate states them: its own port is allowed because the estate names it.

    Subscriber webhooks never get these; theirs are the strict default. Errors: `OutboundRefused` for an odd URL.
    """
    return OutboundRules(
        private_hosts=tuple(host.lower().rstrip(".") for host in private_hosts),
        ports=(origin_of(base_url).port,),
        allow_plain_http=plain_http,
        allow_loopback=loopback,
    )


def origin_of(url: str) -> Origin:
    """Read the origin of a URL, strictly: no user names, no odd spellings of an address.

    Errors: `OutboundRefused`.
    """
    match = _ORIGIN.match(url)
    if match is None:
        raise OutboundRefused("the URL does not begin with a plain scheme, host and port", sent=False)
    scheme, host, port = match.groups()
    host = host.lower().rstrip(".")
    if host.startswith("["):
        try:
            host = str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise OutboundRefused("the URL's host is not an IPv6 address", sent=False) from None
    elif _NUMBER.match(host.rpartition(".")[2]) and not _QUAD.match(host):
        raise OutboundRefused("the URL's host is an address in an odd spelling", sent=False)
    number = int(port) if port else (HTTPS_PORT if scheme == "https" else 80)
    if not 0 < number < 65_536:
        raise OutboundRefused("the URL's port does not exist", sent=False)
    return Origin(scheme, host, number)


def check_origin(origin: Origin, rules: OutboundRules) -> None:
    """May a connection of these rules name this origin at all? Addresses are checked when they are known.

    Errors: `OutboundRefused`.
    """
    if rules.allow_loopback and _is_loopback_name(origin.host):
        return
    if origin.scheme != "https" and not rules.allow_plain_http:
        raise OutboundRefused(f"{origin.host}: only https", sent=False)
    if (
        origin.port != HTTPS_PORT
        and origin.port not in rules.ports
        and not (origin.scheme == "http" and origin.port == 80)
    ):
        raise OutboundRefused(f"{origin.host}: port {origin.port} is not one the estate allows", sent=False)


def _is_loopback_name(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def check_addresses(host: str, addresses: Iterable[str], rules: OutboundRules) -> list[str]:
    """The addresses of a name, all of which must be allowed: one inner address among them spoils the name.

    Errors: `OutboundRefused`, naming the host and not the address.
    """
    networks = [ipaddress.ip_network(text) for text in rules.private_networks]
    if host in rules.private_hosts:
        networks += _PRIVATE
    allowed = []
    for text in addresses:
        if not _allowed(ipaddress.ip_address(text.partition("%")[0]), networks, loopback=rules.allow_loopback):
            raise OutboundRefused(f"{host} leads to an address that is not public", sent=False)
        allowed.append(text)
    if not allowed:
        raise OutboundRefused(f"{host} has no address", sent=False)
    return allowed


def _allowed(address: Address, networks: Sequence[Network], *, loopback: bool) -> bool:
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif address in _NAT64:  # a public IPv4 host as an IPv6-only network sees it
            address = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    if loopback and address.is_loopback:
        return True
    if any(address.version == network.version and address in network for network in networks):
        return not (address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local)
    if isinstance(address, ipaddress.IPv6Address) and address not in _PUBLIC_SIX:
        return False
    return not any(address.version == network.version and address in network for network in _INNER)
