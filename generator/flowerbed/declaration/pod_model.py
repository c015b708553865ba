"""What a party may declare of its pods, and a tenant of its proxy, as types; `model` has the rest.

Patterns and ranges go into the JSON Schema, for editors; the rules check them, because they can say what to
write instead.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from flowerbed.declaration import grammar


def text(description: str, pattern: str = "", limit: int = 0) -> Meta:
    """Describe a text, for the schema with its pattern and its most characters."""
    schema: dict[str, object] = {"pattern": f"^(?:{pattern})$"} if pattern else {}
    if limit:
        schema["maxLength"] = limit
    return Meta(description=description, extra_json_schema=schema)


def number(description: str, low: int, high: int) -> Meta:
    """Describe a number, for the schema with its range."""
    return Meta(description=description, extra_json_schema={"minimum": low, "maximum": high})


Quantity = Annotated[str | int | float, Meta(description="A Kubernetes quantity: `500m`, `2`, `1Gi`.")]


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="kebab", forbid_unknown_fields=True, gc=False):
    """Base of all declared things: immutable, closed, keys in kebab-case; never part of a cycle (`gc`)."""


class Resources(Model, frozen=True, kw_only=True):
    """What a container asks for and may use at most, by resource name."""

    requests: Annotated[
        dict[str, Quantity], Meta(description="What is set aside: `{cpu: 500m, memory: 1Gi}`.")
    ] = {}
    limits: Annotated[dict[str, Quantity], Meta(description="The most it may use: `{memory: 2Gi}`.")] = {}


class Toleration(Model, frozen=True, kw_only=True):
    """A taint that the pods accept, as Kubernetes spells it, in kebab-case."""

    key: Annotated[str, Meta(description="The taint's key; left out, every key.")] = ""
    operator: Annotated[Literal["Equal", "Exists"], Meta(description="How the value is compared.")] = "Equal"
    value: Annotated[str, Meta(description="The taint's value, for Equal.")] = ""
    effect: Annotated[
        Literal["", "NoSchedule", "PreferNoSchedule", "NoExecute"],
        Meta(description="The taint's effect; left out, every effect."),
    ] = ""
    toleration_seconds: Annotated[int | UnsetType, Meta(description="How long, for NoExecute.")] = UNSET


class SecretUse(Model, frozen=True, kw_only=True):
    """An existing Secret of the party: as environment, as files, or both."""

    name: Annotated[str, text("The Secret's name, in the party's namespace.", grammar.DNS_NAME, 253)]
    env: Annotated[bool, Meta(description="Each of its keys becomes an environment variable.")] = False
    mount: Annotated[str, text("Absolute path under which its keys appear as files.")] = ""


class DataVolume(Model, frozen=True, kw_only=True):
    """An existing PersistentVolumeClaim with the tenant's data."""

    claim: Annotated[str, text("The claim's name, in the tenant's namespace.", grammar.DNS_NAME, 253)]
    mount: Annotated[str, text("Absolute path under which the app finds the data.", "/.+")]
    read_only: Annotated[bool, Meta(description="Whether the pods may only read.")] = True


class Storage(Model, frozen=True, kw_only=True):
    """The claim that keeps the SuperLink's state."""

    size: Annotated[Quantity, Meta(description="Size of the claim.")] = "10Gi"
    class_: Annotated[str, text("StorageClass; empty: the cluster's default.", "", 253)] = msgspec.field(
        default="", name="class"
    )


class PodWords(Model, frozen=True, kw_only=True):
    """What can be said of any pods."""

    resources: Annotated[Resources, Meta(description="Requests and limits.")] = Resources()
    node_selector: Annotated[
        dict[str, str], Meta(description="Labels that a machine must carry to run the pods.")
    ] = {}
    tolerations: Annotated[tuple[Toleration, ...], Meta(description="Taints that the pods accept.")] = ()
    env: Annotated[
        dict[str, str], Meta(description="Environment variables. Nothing secret: `secrets` is for that.")
    ] = {}


class Profile(PodWords, frozen=True, kw_only=True):
    """A named base for pods."""


class DeclaredParty(PodWords, frozen=True, kw_only=True):
    """What a party says of its pods, on top of a profile."""

    profile: Annotated[str, text("A profile of `profiles`: the base of what is said of the pods here.")] = ""
    secrets: Annotated[
        tuple[SecretUse, ...],
        Meta(description="Existing Secrets that the pods use, in the party's namespace."),
    ] = ()
    values: Annotated[
        dict[str, Any],
        Meta(
            description="Values of the party's chart that no other key can say, merged over those that "
            "Flowerbed writes as Helm merges them. Nothing secret."
        ),
    ] = {}
    values_files: Annotated[
        tuple[str, ...],
        Meta(
            description="Files with such values, relative to the declaration. A later file wins over an "
            "earlier one, and `values` over all."
        ),
    ] = ()


class TenantProxy(Model, frozen=True, kw_only=True):
    """The HTTP proxy through which a tenant's SuperNodes and ClientApps get out, by CONNECT."""

    https: Annotated[
        str,
        text(
            "Its address, as in http://proxy.example.org:3128, without user and password. Empty: no proxy.",
            "",
            300,
        ),
    ] = ""
    no_proxy: Annotated[
        tuple[str, ...],
        Meta(
            description="Hosts that are reached without it, beside the cluster's own Services: a host, an "
            "address, or a domain as in `.example.org`. Flower's clients know no ranges."
        ),
    ] = ()
    secret: Annotated[
        str,
        text(
            "Secret of the tenant's namespace whose entry `url` is the address with user and password.",
            "",
            253,
        ),
    ] = ""
    networks: Annotated[
        tuple[str, ...],
        Meta(
            description="CIDRs of the proxy, as in 203.0.113.7/32: nodes may dial these alone. Empty: any "
            "address on its port, unless `namespace` is set."
        ),
    ] = ()
    namespace: Annotated[
        str, text("Namespace of the proxy's pods, if it runs in the tenant's cluster.", "", 63)
    ] = ""
