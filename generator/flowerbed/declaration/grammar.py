"""The small grammars that names, hosts, paths and quantities follow."""

from __future__ import annotations

import re

DNS_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
"""A DNS label (RFC 1123), which Kubernetes asks of namespaces and of most names."""
SERVICE_LABEL = r"[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?"
"""A DNS label that begins with a letter (RFC 1035), which Kubernetes asks of Services."""
DNS_NAME = rf"{DNS_LABEL}(?:\.{DNS_LABEL})*"
"""Labels joined by dots: Kubernetes' "DNS subdomain"."""
CONFIG_KEY = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
"""A key that Flower reads from TOML and from its own inline form alike (flwr 1.41)."""
ENV_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
MODULE = rf"{ENV_NAME}(?:\.{ENV_NAME})*"
"""A Python module, with its packages."""

_IP = re.compile(r"[0-9a-fA-F:.]+")
_DNS_NAME = re.compile(DNS_NAME)
_QUANTITY = re.compile(r"([+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+))(m|u|n|k|[MGTPE]i?|Ki|[eE][+-]?[0-9]{1,2}|)")
_POWERS = (
    {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}
    | {letter: 1000.0**power for power, letter in enumerate("MGTPE", 2)}
    | {f"{letter}i": 1024.0**power for power, letter in enumerate("KMGTPE", 1)}
)


def ip_address(text: str) -> str:
    """Return `text` in the canonical form of an IPv4 or IPv6 address, or "" if it is none."""
    import ipaddress

    if not _IP.fullmatch(text):
        return ""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def network(text: str) -> str:
    """Return the canonical CIDR of the addresses that `text` means, or "" if it means none.

    A single address is the network of that address; bits beyond the prefix are cut. IPv4 addresses written as
    IPv6 are none: NetworkPolicies refuse them.
    """
    import ipaddress

    address, slash, bits = text.partition("/")
    if not _IP.fullmatch(address):
        return ""
    try:
        cidr = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return ""
    mapped = isinstance(cidr, ipaddress.IPv6Network) and cidr.network_address.ipv4_mapped
    return "" if mapped or (slash and bits != str(cidr.prefixlen)) else str(cidr)


def quantity(value: str | float) -> str:
    """Return a Kubernetes quantity as text: numbers lose no digit and gain no exponent."""
    if isinstance(value, float):
        from decimal import Decimal

        return format(Decimal(repr(value)), "f")
    return str(value)


def quantity_size(text: str) -> float | None:
    """Return how much a Kubernetes quantity is (`1Ki` is 1024.0), or None if it is none or below zero."""
    match = _QUANTITY.fullmatch(text)
    if not match or len(text) > 40:
        return None
    number, suffix = match.groups()
    power = _POWERS[suffix] if suffix in _POWERS else float(f"1{suffix}")
    size = float(number) * power
    return size if size >= 0 else None


def is_host_name(text: str) -> bool:
    """Return whether `text` is a DNS name that can be dialled; its case does not matter."""
    # A last part of digits alone would be a damaged IPv4 address.
    return (
        bool(_DNS_NAME.fullmatch(text.lower())) and len(text) <= 253 and not text.rpartition(".")[2].isdigit()
    )
