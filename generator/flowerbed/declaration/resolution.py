"""From a declaration that passed its checks to the plan: every default, name and address filled in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeVar, get_args

from msgspec import UNSET

from flowerbed import names, plan
from flowerbed.declaration import grammar, image_model, model, pod_model
from flowerbed.declaration.pem import canonical_certificates, canonical_public_key

_COMPONENTS: tuple[plan.Component, ...] = get_args(plan.Component)
_T = TypeVar("_T")
Values = Mapping[str, Any]
LOOPBACK = ("localhost", "127.0.0.1", "::1")
_OUTSIDE_PORT = {"gateway-api": 443, "ingress": 443}


def resolve(
    declaration: model.Declaration,
    built: Mapping[str, plan.BuiltImage] | None = None,
    files: Mapping[str, Values] | None = None,
) -> plan.Plan:
    """Return the plan of a declaration that `load` or `check` has accepted.

    `built` are the pushed images by component; `files` is what the `values-files` of each tenant say, by its
    name, and of the SuperLink, by "". Time and memory are linear in the number of nodes.
    """
    files = files or {}
    superlink = _superlink(declaration, files.get("", {}))
    return plan.Plan(
        version=declaration.version,
        name=declaration.name,
        flower=declaration.flower,
        admission=admission(declaration),
        insecure=declaration.insecure,
        superlink=superlink,
        tenants=tuple(
            _tenant(declaration, superlink, tenant, files.get(tenant.name, {}))
            for tenant in declaration.tenants
        ),
        users=tuple(plan.User(name=user.name, role=user.role) for user in declaration.users),
        local=plan.LocalPorts(
            fleet=declaration.local.ports.fleet,
            control=declaration.local.ports.control,
            runtime=declaration.local.ports.runtime,
        ),
        images=_images(declaration, built or {}),
        execution=declaration.execution,
        preload=declaration.preload,
    )


def merged(*layers: Values) -> dict[str, Any]:
    """Return values as Helm merges them: mappings key by key, of everything else the last one."""
    found: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            before = found.get(key)
            if isinstance(before, Mapping) and isinstance(value, Mapping):
                found[key] = merged(before, value)
            else:
                found[key] = value
    return found


def admission(declaration: model.Declaration) -> plan.Admission:
    """Return which SuperNodes may join: without keys there is nothing to list, so `insecure` means open."""
    if declaration.admission is not UNSET:
        return declaration.admission
    return "open" if declaration.insecure else "listed"


def server_executor(declaration: model.Declaration) -> plan.Executor:
    """Return where ServerApps run: as declared, else where the run of one user cannot read another's."""
    if declaration.superlink.executor is not UNSET:
        return declaration.superlink.executor
    submitters = sum(plan.may_submit(user.role) for user in declaration.users)
    return "kubernetes" if submitters > 1 else "deployment"


def superlink_namespace(declaration: model.Declaration) -> str:
    """Return the SuperLink's namespace: as declared, else the federation's name."""
    return declaration.superlink.namespace or declaration.name


def tenant_place(declaration: model.Declaration, tenant: model.Tenant) -> tuple[str, str]:
    """Return a tenant's context and namespace: as declared, else the SuperLink's context and its own name."""
    return tenant.context or declaration.superlink.context, tenant.namespace or tenant.name


def outside_port(exposure: model.Exposure, listen_port: int) -> int:
    """Return the port that an audience dials."""
    if exposure.port is not UNSET:
        return exposure.port
    return _OUTSIDE_PORT.get(exposure.type, listen_port)


def pod(declaration: model.Declaration, party: pod_model.DeclaredParty) -> plan.Pod:
    """Return what a party says of its pods, on top of its profile: the party's own words win."""
    base = declaration.profiles[party.profile] if party.profile else pod_model.Profile()
    return plan.Pod(
        resources=plan.Resources(
            requests=_quantities(base.resources.requests, party.resources.requests),
            limits=_quantities(base.resources.limits, party.resources.limits),
        ),
        node_selector={**base.node_selector, **party.node_selector},
        tolerations=tuple(map(_toleration, (*base.tolerations, *party.tolerations))),
        env={**base.env, **party.env},
    )


def _quantities(*layers: Mapping[str, str | float]) -> dict[str, str]:
    return {name: grammar.quantity(value) for layer in layers for name, value in layer.items()}


def _toleration(toleration: pod_model.Toleration) -> dict[str, str | int]:
    fields: dict[str, str | int] = {"operator": toleration.operator}
    for word in ("key", "value", "effect"):
        if text := getattr(toleration, word):
            fields[word] = text
    if toleration.toleration_seconds is not UNSET:
        fields["tolerationSeconds"] = toleration.toleration_seconds
    return dict(sorted(fields.items()))


def _superlink(declaration: model.Declaration, values: Values) -> plan.SuperLink:
    declared = declaration.superlink
    release = names.superlink_release(declaration.name)
    namespace = superlink_namespace(declaration)
    return plan.SuperLink(
        release=release,
        namespace=namespace,
        context=declared.context,
        cluster_domain=declared.cluster_domain,
        fleet=_endpoint(declaration, "fleet", declared.exposure.fleet, names.FLEET_PORT),
        control=_endpoint(declaration, "control", declared.exposure.control, names.CONTROL_PORT),
        runtime=_endpoint(declaration, "runtime", model.Exposure(), names.RUNTIME_PORT),
        tls=_server_tls(declaration, release, namespace),
        superexec_secret=names.superexec_secret(release),
        storage=plan.Storage(
            size=grammar.quantity(declared.storage.size), storage_class=declared.storage.class_
        ),
        executor=server_executor(declaration),
        max_runs=0 if declared.max_runs is UNSET else declared.max_runs,
        pod=pod(declaration, declared),
        secrets=_secrets(declared.secrets),
        values=merged(values, declared.values),
    )


def _endpoint(
    declaration: model.Declaration, audience: str, exposure: model.Exposure, port: int
) -> plan.Endpoint:
    service = names.service_name(names.superlink_release(declaration.name), audience)
    inside = exposure.type == "cluster"
    namespace, domain = superlink_namespace(declaration), declaration.superlink.cluster_domain
    return plan.Endpoint(
        type=exposure.type,
        host=names.service_names(service, namespace, domain)[-1] if inside else _host(exposure.host),
        port=port if inside else outside_port(exposure, port),
        service=service,
        listen_port=port,
        class_name=exposure.class_,
        networks=_networks(exposure),
    )


def _networks(exposure: model.Exposure) -> tuple[str, ...]:
    """Return what nodes may dial: as declared, else the host where it is an address."""
    if not isinstance(exposure, model.FleetExposure):
        return ()
    networks = exposure.networks or ((exposure.host,) if grammar.ip_address(exposure.host) else ())
    return tuple(dict.fromkeys(filter(None, map(grammar.network, networks))))


def _host(text: str) -> str:
    return grammar.ip_address(text) or text.lower()


def _server_tls(declaration: model.Declaration, release: str, namespace: str) -> plan.ServerTls:
    declared = declaration.superlink
    dialled = [
        name
        for audience in ("fleet", "control", "runtime")
        for name in names.service_names(
            names.service_name(release, audience), namespace, declared.cluster_domain
        )
    ]
    hosts = [
        exposure.host for exposure in (declared.exposure.fleet, declared.exposure.control) if exposure.host
    ]
    everything = dict.fromkeys(_host(name) for name in (*dialled, *hosts, *declared.tls.names, *LOOPBACK))
    return plan.ServerTls(
        source=declared.tls.source,
        dns_names=tuple(name for name in everything if not grammar.ip_address(name)),
        ip_addresses=tuple(name for name in everything if grammar.ip_address(name)),
        days=declared.tls.days,
        renew_hours=24 * declared.tls.renew_before or 24 * declared.tls.days // 3,
        secret=declared.tls.secret or names.server_tls_secret(release),
        issuer=declared.tls.issuer,
        ca=canonical_certificates(declared.tls.ca) if declared.tls.ca else "",
    )


def _secrets(secrets: tuple[pod_model.SecretUse, ...]) -> tuple[plan.SecretUse, ...]:
    return tuple(plan.SecretUse(name=use.name, env=use.env, mount=use.mount) for use in secrets)


def _tenant(
    declaration: model.Declaration, superlink: plan.SuperLink, tenant: model.Tenant, values: Values
) -> plan.Tenant:
    release = names.tenant_release(declaration.name, tenant.name)
    context, namespace = tenant_place(declaration, tenant)
    return plan.Tenant(
        name=tenant.name,
        release=release,
        namespace=namespace,
        context=context,
        fleet_address=superlink.fleet.address,
        nodes=_nodes(release, tenant),
        keys=tenant.keys,
        keys_secret=names.node_keys_secret(release),
        isolation=tenant.isolation,
        executor="sidecar" if tenant.executor is UNSET else tenant.executor,
        pod=pod(declaration, tenant),
        data=tuple(
            plan.DataVolume(claim=volume.claim, mount=volume.mount, read_only=volume.read_only)
            for volume in tenant.data
        ),
        secrets=_secrets(tenant.secrets),
        proxy=_proxy(tenant.proxy),
        values=merged(values, tenant.values),
    )


def _proxy(proxy: pod_model.TenantProxy) -> plan.TenantProxy | None:
    if not proxy.https:
        return None
    networks = tuple(dict.fromkeys(grammar.network(text) for text in proxy.networks))
    return plan.TenantProxy(proxy.https.rstrip("/"), proxy.no_proxy, proxy.secret, networks, proxy.namespace)


def _nodes(release: str, tenant: model.Tenant) -> tuple[plan.Node, ...]:
    keys = [canonical_public_key(text) for text in brought_keys(tenant)]
    return tuple(
        plan.Node(
            name=names.node_name(release, ordinal),
            ordinal=ordinal,
            config={**tenant.config, **spec.config},
            public_key=keys[ordinal] if keys else "",
        )
        for ordinal, spec in enumerate(node_specs(tenant))
    )


def node_specs(tenant: model.Tenant) -> tuple[model.NodeSpec, ...]:
    """Return one entry per node, also where the declaration gives a number."""
    return (model.NodeSpec(),) * tenant.nodes if isinstance(tenant.nodes, int) else tenant.nodes


def brought_keys(tenant: model.Tenant) -> tuple[str, ...]:
    """Return the public keys that a tenant brought, in the order of its nodes, as declared."""
    if tenant.keys != "brought":
        return ()
    return tenant.public_keys or tuple(spec.public_key for spec in node_specs(tenant))


def _images(
    declaration: model.Declaration, built: Mapping[str, plan.BuiltImage]
) -> dict[plan.Component, plan.Image]:
    """Return every declared image: what a component says itself wins over `all`, key by key.

    `built` are the pushed ones by component.
    """
    base = declaration.images.all
    declared = {name: (getattr(declaration.images, name), base) for name in _COMPONENTS}
    layers = {name: [image for image in both if image is not UNSET] for name, both in declared.items()}
    return {
        name: _image(declaration.flower, name, own_first, built.get(name))
        for name, own_first in layers.items()
        if own_first
    }


def _image(
    flower: str,
    component: plan.Component,
    layers: Sequence[image_model.Image],
    built: plan.BuiltImage | None,
) -> plan.Image:
    def first(key: str, default: _T) -> _T:
        values: Iterator[_T] = (getattr(layer, key) for layer in layers)
        return next((value for value in values if value and value is not UNSET), default)

    python = first("python", names.IMAGE_PYTHON)
    release = names.FLOWER_RELEASES.get(flower, flower)
    secrets: tuple[image_model.BuildSecret, ...] = first("build_secrets", ())
    arguments: dict[str, str] = first("build_args", {})
    instructions = first("instructions", image_model.Instructions())
    return plan.Image(
        base=first("base", names.base_image(component, release, python)),
        python=python,
        dependencies=first("dependencies", ()),
        requirements=first("requirements", ""),
        app=first("app", ""),
        before=instructions.before,
        after=instructions.after,
        build_args=dict(sorted(arguments.items())),
        build_secrets=tuple(
            plan.BuildSecret(id=secret.id, env=secret.env, file=secret.file) for secret in secrets
        ),
        index=first("index", ""),
        extra_index=first("extra_index", ()),
        wheelhouse=first("wheelhouse", ""),
        platform=first("platform", "linux/amd64"),
        repository=first("repository", ""),
        pull_secret=first("pull_secret", ""),
        built=built,
    )
