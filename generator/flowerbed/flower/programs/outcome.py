"""Submit, and then write the outcome to a ConfigMap: `outcome CONFIGMAP ARGUMENTS OF SUBMIT.PY...`

The arguments name a file with `--outcome=FILE`. The exit code is submit.py's, also when the ConfigMap cannot
be written: the run is what counts.
"""

from __future__ import annotations

import json
import os
import ssl
import sys
import urllib.request
from pathlib import Path

from ..text import write
from . import submit

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
FLAG = "--outcome="


def patch(account: Path, name: str, data: dict[str, str]) -> None:
    """Merge entries into a ConfigMap of this pod's namespace. Raises OSError."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    namespace = (account / "namespace").read_text().strip()
    request = urllib.request.Request(
        f"https://{host}:{port}/api/v1/namespaces/{namespace}/configmaps/{name}",
        data=json.dumps({"data": data}).encode(),
        method="PATCH",
        headers={
            "Authorization": f"Bearer {(account / 'token').read_text().strip()}",
            "Content-Type": "application/merge-patch+json",
        },
    )
    trust = ssl.create_default_context(cafile=str(account / "ca.crt"))
    # No proxy: a proxy of the environment is for the world, and the API is in the cluster.
    direct = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=trust))
    with urllib.request.build_opener(*direct).open(request, timeout=30) as reply:
        reply.read()


def main(account: Path, name: str, arguments: list[str]) -> int:
    """Submit, note the outcome, return submit.py's exit code."""
    code = submit.run(arguments)
    (file,) = [Path(argument.removeprefix(FLAG)) for argument in arguments if argument.startswith(FLAG)]
    try:
        outcome = json.loads(file.read_text(encoding="utf-8"))
        patch(account, name, {key.replace("_", "-"): str(value) for key, value in outcome.items()})
    except (OSError, ValueError) as error:
        write(sys.stderr, f"error: the outcome could not be written to ConfigMap {name}: {error}\n")
    return code


if __name__ == "__main__":
    sys.exit(main(ACCOUNT, sys.argv[1], sys.argv[2:]))
