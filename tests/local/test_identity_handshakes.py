"""Identities at work: TLS handshakes on loopback, the right ones and all wrong ones."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from flowerbed.identities import ClientCertificate, ServerCertificate
from support import handshakes
from support.handshakes import (
    ANSWER,
    LONG_NAME,
    NAME,
    TLS_VERSIONS,
    Authorities,
    Meeting,
    analyst,
    demanding,
    dial,
    dialling,
    expired,
    meet,
    serving,
    use,
)

authorities = handshakes.authorities
server = handshakes.server


@pytest.mark.parametrize("version", TLS_VERSIONS, ids=lambda version: version.name)
@pytest.mark.parametrize("name", [NAME, NAME.upper(), LONG_NAME, "127.0.0.1", "::1"])
def test_a_server_is_known_by_each_of_its_names(
    authorities: Authorities, server: ServerCertificate, tmp_path: Path, name: str, version: ssl.TLSVersion
) -> None:
    """Every name and address of the certificate passes a strict handshake, in TLS 1.2 and 1.3."""
    context = dialling(authorities.ours)
    context.minimum_version = context.maximum_version = version
    meeting = meet(serving(server, tmp_path), dial(context, name))
    assert meeting == Meeting(answer=ANSWER)


@pytest.mark.parametrize(
    "name", ["hospitals-superlink-control.hub.svc", "localhost", "127.0.0.2", "hospitals", "a"]
)
def test_a_server_is_not_known_by_another_name(
    authorities: Authorities, server: ServerCertificate, tmp_path: Path, name: str
) -> None:
    """A name or address outside the certificate is refused by the client, who then says nothing."""
    meeting = meet(serving(server, tmp_path), dial(dialling(authorities.ours), name))
    assert "CERTIFICATE_VERIFY_FAILED" in meeting.client_refused
    assert "mismatch" in meeting.client_refused
    assert meeting.answer is None


def test_another_authority_vouches_for_nothing(
    authorities: Authorities, server: ServerCertificate, tmp_path: Path
) -> None:
    """A client that trusts another CA, even one of the same name, refuses the server."""
    meeting = meet(serving(server, tmp_path), dial(dialling(authorities.theirs), NAME))
    assert "CERTIFICATE_VERIFY_FAILED" in meeting.client_refused


def test_a_user_cannot_pose_as_the_server(authorities: Authorities, tmp_path: Path) -> None:
    """A client certificate does not serve: its purpose is refused, even by who checks no name."""
    context = dialling(authorities.ours)
    context.check_hostname = False
    meeting = meet(serving(analyst(authorities.ours), tmp_path), dial(context, NAME))
    assert "unsuitable certificate purpose" in meeting.client_refused
    server = authorities.ours.issue_server(["x"], [], 1)
    assert meet(serving(server, tmp_path), dial(context, NAME)) == Meeting(answer=ANSWER)


@pytest.mark.parametrize("version", TLS_VERSIONS, ids=lambda version: version.name)
def test_a_user_is_known_by_name_and_role(
    authorities: Authorities, server: ServerCertificate, tmp_path: Path, version: ssl.TLSVersion
) -> None:
    """The server that demands certificates reads name, role and federation from the handshake."""
    context = use(dialling(authorities.ours), analyst(authorities.ours), tmp_path)
    context.minimum_version = context.maximum_version = version
    meeting = meet(demanding(server, authorities.ours, tmp_path), dial(context, NAME))
    assert meeting.answer == ANSWER
    assert meeting.user == {
        "commonName": "analyst",
        "organizationalUnitName": "submitter",
        "organizationName": "hospitals",
    }


@pytest.mark.parametrize(
    ("case", "reason"),
    [
        ("none", "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
        ("another CA", "CERTIFICATE_VERIFY_FAILED"),
        ("expired", "certificate has expired"),
        ("a server's", "unsuitable certificate purpose"),
    ],
)
@pytest.mark.parametrize("version", TLS_VERSIONS, ids=lambda version: version.name)
def test_whoever_is_no_user_is_not_let_in(
    authorities: Authorities,
    server: ServerCertificate,
    tmp_path: Path,
    case: str,
    reason: str,
    version: ssl.TLSVersion,
) -> None:
    """No certificate, another CA's, an expired one or a server's: the server refuses, answers nothing."""
    pairs: dict[str, ServerCertificate | ClientCertificate] = {
        "another CA": analyst(authorities.theirs),
        "expired": expired(authorities.ours),
        "a server's": server,
    }
    context = dialling(authorities.ours)
    context.minimum_version = context.maximum_version = version
    if case in pairs:
        use(context, pairs[case], tmp_path)
    meeting = meet(demanding(server, authorities.ours, tmp_path), dial(context, NAME))
    assert reason in meeting.server_refused
    assert meeting.answer in (None, b"")
    assert meeting.user == {}
