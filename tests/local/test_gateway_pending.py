"""A file that cannot be used holds back nothing but itself, and the gateway says that it is waiting."""

from __future__ import annotations

import pytest

from support.gateway_calls import call
from support.gateway_pod import Gateway
from support.local_federation import until

pytestmark = pytest.mark.needs("haproxy")
SOON = 10.0  # seconds


def break_certificate(gateway: Gateway) -> None:
    """Put a certificate without its key in place of the pair."""
    gateway.write("tls.crt", gateway.new.issue_server(["localhost"], ["127.0.0.1"], 2).certificate.decode())


def test_lists_take_effect_although_the_certificate_is_broken(gateway: Gateway) -> None:
    """Revocation and a removed user count within seconds; the last good certificate is served meanwhile."""
    assert [gateway.status(user) for user in ("ann", "bob")] == [503, 503]
    break_certificate(gateway)
    gateway.write("users", "ann submitter\n")
    gateway.revoke({"ann": gateway.issued("ann")})
    until(lambda: [gateway.status(user) for user in ("ann", "bob")] == [403, 403], SOON, "both refusals")
    assert gateway.pending() == "tls"
    assert gateway.status("ann", gateway.old) == 403, "the old certificate is served"


def test_a_pending_file_takes_nobody_out_of_service(gateway: Gateway) -> None:
    """What probes ask stays as it was; /pending alone fails, until the file is whole again."""
    readiness = f"127.0.0.1:{gateway.reservation.ports['readiness']}"
    assert gateway.pending() == ""
    break_certificate(gateway)
    until(lambda: gateway.pending() == "tls", SOON, "what is pending")
    assert call(readiness, "/gateway", None, method="GET").status == 200
    assert gateway.status("ann") == 503
    gateway.serve(gateway.new)
    until(lambda: gateway.pending() == "", SOON, "nothing pending")
    assert gateway.status("bob", gateway.new) == 503


def test_a_broken_list_holds_back_no_certificate(gateway: Gateway) -> None:
    """A list that HAProxy cannot read stays out, with the last good one in use; what else changed counts."""
    gateway.revoke({"ann": gateway.issued("ann")})
    until(lambda: gateway.status("ann") == 403, SOON, "the refusal")
    (gateway.folder / "revoked-users").unlink()
    gateway.serve(gateway.new)
    until(lambda: gateway.status("bob", gateway.new) == 503, SOON, "the new certificate")
    assert gateway.pending() == "revoked-users"
    assert gateway.status("ann") == 403


def test_a_restarted_container_serves_what_was_good_last(gateway: Gateway) -> None:
    """The container that starts again beside a broken certificate serves on; a first start would not."""
    break_certificate(gateway)
    until(lambda: gateway.pending() == "tls", SOON, "what is pending")
    gateway.restart()
    until(lambda: gateway.status("ann", gateway.old) == 503, SOON, "an answer")
    assert gateway.pending() == "tls"


def test_the_list_on_the_volume_counts_as_well(gateway: Gateway) -> None:
    """A name on the list that only grows is refused, whatever the declared one says; later ones pass."""
    gateway.write("revoked-kept", f"# CN YYMMDDHHMMSS\nann {gateway.issued('ann'):%y%m%d%H%M%S}\n")
    until(lambda: gateway.status("ann") == 403, SOON, "the refusal")
    assert gateway.status("bob") == 503
    later = gateway.old.issue_client("ann", "viewer", 2, after=gateway.issued("ann"))
    gateway.keep("ann", later)
    assert gateway.status("ann") == 503


@pytest.mark.parametrize("time", ["soon", "26112901332", "2611290133280", "-61129013328", ""])
def test_a_time_that_cannot_be_compared_lets_nobody_of_that_name_in(gateway: Gateway, time: str) -> None:
    """A damaged line closes the name that it begins with, and no other."""
    gateway.write("revoked-users", f"ann {time}x\n" if not time else f"ann {time}\n")
    until(lambda: gateway.status("ann") == 403, SOON, "the refusal")
    assert gateway.status("bob") == 503
