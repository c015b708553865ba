"""The gateway's certificate: its source has what it needs, and its names are names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from flowerbed.declaration import grammar
from flowerbed.declaration.model import Declaration, Tls
from flowerbed.declaration.pem import CaCertificateError, canonical_certificates
from flowerbed.declaration.rules.naming import object_name
from flowerbed.declaration.rules.reach import host
from flowerbed.declaration.violations import KeyPath, Violation, show

_TLS: KeyPath = ("superlink", "tls")
_DAYS = range(1, 3651)
_ISSUER = re.compile(rf"(?:(?:Cluster)?Issuer/)?{grammar.DNS_NAME}")
_NEEDS: tuple[KeyPath, ...] = ((*_TLS, "source"),)


def source(declaration: Declaration) -> Iterator[Violation]:
    """Each source has what it needs, and nothing that it ignores."""
    tls = declaration.superlink.tls
    if tls.source == "existing-secret" and not tls.secret:
        message = "the source existing-secret needs `secret`, the name of that Secret"
        yield Violation((*_TLS, "secret"), message, "add it: secret: fleet-tls", needs=_NEEDS)
    if tls.source == "generated" and tls.secret:
        message = "`secret` means nothing for the source generated, which names its Secret itself"
        yield Violation(
            (*_TLS, "secret"), message, "remove it, or write source: existing-secret", needs=_NEEDS
        )
    if tls.source == "cert-manager" and not tls.issuer:
        message = "the source cert-manager needs `issuer`"
        yield Violation(
            (*_TLS, "issuer"), message, "add it: issuer: ClusterIssuer/NAME, or NAME", needs=_NEEDS
        )
    if tls.source != "cert-manager" and tls.issuer:
        message = f"`issuer` means nothing for the source {tls.source}"
        yield Violation((*_TLS, "issuer"), message, "remove it, or write source: cert-manager", needs=_NEEDS)
    if tls.source == "generated" and tls.ca:
        message = "`ca` means nothing for the source generated, which brings its own CA"
        yield Violation((*_TLS, "ca"), message, "remove it, or write source: existing-secret", needs=_NEEDS)


def well_formed(declaration: Declaration) -> Iterator[Violation]:
    """Names, the Secret, the issuer, the CA and the days are what they should be."""
    tls = declaration.superlink.tls
    for index, name in enumerate(tls.names):
        yield from host((*_TLS, "names", index), name, wildcard=True)
    if tls.secret:
        yield from object_name((*_TLS, "secret"), tls.secret, "Secret")
    if tls.issuer and not _ISSUER.fullmatch(tls.issuer):
        message = f"{show(tls.issuer)} is not an issuer"
        yield Violation((*_TLS, "issuer"), message, "write NAME, Issuer/NAME or ClusterIssuer/NAME")
    if tls.ca:
        try:
            canonical_certificates(tls.ca)
        except CaCertificateError as error:
            remedy = "write the CA's certificate in PEM: lines from BEGIN CERTIFICATE to END CERTIFICATE"
            yield Violation((*_TLS, "ca"), f"the text {error}", remedy)
    if tls.days not in _DAYS:
        message = f"a certificate cannot live {tls.days} days"
        yield Violation((*_TLS, "days"), message, f"write a number from {_DAYS.start} to {_DAYS.stop - 1}")
    if tls.renew_before not in range(max(1, tls.days)):
        message = f"a certificate of {tls.days} days cannot be renewed {tls.renew_before} days before its end"
        yield Violation((*_TLS, "renew-before"), message, "write fewer days than `days`, or leave it out")


def not_insecure(declaration: Declaration) -> Iterator[Violation]:
    """An insecure federation says nothing of TLS."""
    if declaration.insecure and declaration.superlink.tls != Tls():
        message = "`insecure: true` means no TLS, so nothing here would be used"
        yield Violation(
            _TLS, message, "remove `tls`, or write insecure: false", on_key=True, needs=(("insecure",),)
        )


RULES = (source, well_formed, not_insecure)
