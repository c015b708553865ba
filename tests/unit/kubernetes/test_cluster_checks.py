"""What `doctor` says of an issuer, from the objects as cert-manager 1.x writes them."""

from __future__ import annotations

from typing import Any

import pytest

from flowerbed.kubernetes.diagnosis.cluster_checks import _issuer_findings

READY = {"status": {"conditions": [{"type": "Ready", "status": "True", "message": "Signing CA verified"}]}}
WAITING = {"status": {"conditions": [{"type": "Ready", "status": "False", "message": "secret not found"}]}}


def acme(server: str) -> dict[str, Any]:
    return {"spec": {"acme": {"server": server}}, **READY}


@pytest.mark.parametrize(
    ("issuer", "level", "words"),
    [
        ({"spec": {"ca": {"secretName": "house"}}, **READY}, "ok", "is ready"),
        ({"spec": {"vault": {}}, **WAITING}, "problem", "is not ready: secret not found"),
        ({"spec": {"ca": {}}}, "problem", "cert-manager has not looked at it yet"),
        (acme("https://acme-v02.api.letsencrypt.org/directory"), "problem", "certifies no internal names"),
        (
            acme("https://letsencrypt.org.example/directory"),
            "warning",
            "asks letsencrypt.org.example by ACME",
        ),
        (acme("https://ca.hospital.example/acme"), "warning", "may certify no internal names"),
    ],
)
def test_an_issuer_is_known_by_what_it_is(issuer: dict[str, Any], level: str, words: str) -> None:
    """Ready, not ready, or by ACME at a public CA or one of the house."""
    (found,) = _issuer_findings(
        {"kind": "Issuer", "metadata": {"name": "house"}, **issuer}, "coordinator: Issuer house"
    )
    assert found.level == level
    assert words in found.what
    assert bool(found.remedy) == (level != "ok")
