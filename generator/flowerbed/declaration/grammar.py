"""The small grammars that names, hosts, paths and quantities follow."""

from __future__ import annotations

import re

DNS_LABEL = r"[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?"
"""A DNS label (RFC 1123), which Kubernetes asks of namespaces and of most names."""
DNS_NAME = rf"{DNS_LABEL}(?:\.{DNS_LABEL})*"
"""Labels joined by dots: Kubernetes' "DNS subdomain"."""
CONFIG_KEY = r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*"
"""A key that Flower reads from TOML and from its own inline form alike (flwr 1.41)."""
ENV_NAME = r"[A-Za-z_][A-Za-z0-9_]*"

_IP = re.compile(r"[0-9a-fA-F:.]+")


def ip_address(text: str) -> str:
    """Return `text` in the canonical form of an IPv4 or IPv6 address, or "" if it is none."""
    import ipaddress

    if not _IP.fullmatch(text):
        return ""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return ""


def quantity(value: str | float) -> str:
    """Return a Kubernetes quantity as text: numbers lose no digit and gain no exponent."""
    if isinstance(value, float):
        from decimal import Decimal

        return format(Decimal(repr(value)), "f")
    return str(value)
