"""The session with a party's cluster: commands of helm and kubectl in the party's context, and their runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from flowerbed.cluster.party import Party
from flowerbed.cluster.programs import REQUEST_TIMEOUT, Command, Done, Programs, failure, find_programs
from flowerbed.errors import FlowerbedError

# Pods of the charts pass `restricted`; so do the pods of tasks.
POD_SECURITY = (
    "pod-security.kubernetes.io/enforce=restricted",
    "pod-security.kubernetes.io/warn=restricted",
)
# Marks a namespace that `apply` created: `uninstall --purge` deletes no other.
MANAGED_BY, FLOWERBED = "app.kubernetes.io/managed-by", "flowerbed"


# Clusters are asked in parallel, but not all at once.
PARALLEL_CLUSTERS = 8


@dataclass(frozen=True)
class Cluster:
    """A party's cluster: helm, kubectl, and the party whose context and namespace they use.

    `commands` returns commands, which can be printed; the methods here run them.
    """

    programs: Programs
    party: Party

    @property
    def commands(self) -> Commands:
        """Return the commands about the party."""
        return Commands(self)

    @property
    def where(self) -> str:
        """Return party and cluster, for messages."""
        return self.party.where

    def run(self, command: Command, *, text: str | None = None, timeout: float = REQUEST_TIMEOUT) -> Done:
        """Run a command to its end, `text` on its standard input, and return how it ended."""
        return self.programs.run(command, text=text, timeout=timeout)

    def check_output(
        self, command: Command, *, text: str | None = None, timeout: float = REQUEST_TIMEOUT
    ) -> str:
        """Run a command and return its output.

        Raises UnreachableError, NotAllowedError or FlowerbedError with the command's error message.
        """
        return self.programs.check_output(command, where=self.where, text=text, timeout=timeout)

    def kubectl(self, *words: str) -> Done:
        """Run kubectl in the party's cluster."""
        return self.run(self.commands.kubectl(*words))

    def in_namespace(self, *words: str, text: str | None = None, timeout: float = REQUEST_TIMEOUT) -> Done:
        """Run kubectl in the party's namespace."""
        return self.run(self.commands.in_namespace(*words), text=text, timeout=timeout)

    def lacks_namespace(self, name: str) -> bool:
        """Return whether a namespace does not exist; one that may not be looked at is taken to exist.

        Raises UnreachableError, NotAllowedError or FlowerbedError.
        """
        done = self.kubectl("get", "namespace", name, "--output", "name")
        if done.code and not done.missing and not done.forbidden:
            raise self.failure(done)
        return done.missing

    def failure(self, done: Done) -> FlowerbedError:
        """Return the error for a command that failed."""
        return failure(done, self.where)

    def end(self) -> None:
        """Start nothing more with these programs, in any cluster; interrupt what runs, as by Ctrl-C."""
        self.programs.end()


def clusters_of(parties: Sequence[Party]) -> tuple[Cluster, ...]:
    """Return a session for each party. Raises UsageError if helm or kubectl is missing."""
    programs = find_programs()
    return tuple(Cluster(programs, party) for party in parties)


class Commands:
    """The commands about one party, as lists of words.

    They are those of the party's INSTALL.md, so that what is printed can be copied.
    """

    def __init__(self, cluster: Cluster) -> None:
        self.party = party = cluster.party
        programs = cluster.programs
        self._helm = [programs.helm, *(["--kube-context", party.context] if party.context else [])]
        self._kubectl = [programs.kubectl, *(["--context", party.context] if party.context else [])]
        self._there = ["--namespace", party.namespace]

    def kubectl(self, *words: str) -> Command:
        """Return a kubectl command in the party's cluster."""
        return [*self._kubectl, *words]

    def in_namespace(self, *words: str) -> Command:
        """Return a kubectl command in the party's namespace."""
        options = next((index for index, word in enumerate(words) if word.startswith("-")), len(words))
        return [*self._kubectl, *words[:options], *self._there, *words[options:]]

    def create_namespace(self, name: str) -> Command:
        """Create a namespace."""
        return self.kubectl("create", "namespace", name)

    def label_namespace(self, name: str) -> Command:
        """Have Pod Security `restricted` enforced in a namespace, and mark it as created by Flowerbed."""
        return self.kubectl("label", "namespace", name, *POD_SECURITY, f"{MANAGED_BY}={FLOWERBED}")

    def apply_secrets(self, file: Path) -> Command:
        """Apply the party's Secrets on the server's side: no copy of them in an annotation."""
        return self.kubectl("apply", "--server-side", *self._there, "--filename", str(file))

    def refresh(self, moment: str) -> Command:
        """Have the kubelet carry changed lists and certificates into the SuperLink's pod at once.

        It looks at a pod's volumes whenever an annotation of the pod changes (Kubernetes, Tasks: configure a
        pod to use a ConfigMap). Nothing restarts.
        """
        selector = f"app.kubernetes.io/instance={self.party.release},app.kubernetes.io/component=superlink"
        words = ("annotate", "pods", "--selector", selector, "--overwrite", f"flowerbed/refreshed={moment}")
        return self.in_namespace(*words)

    def upgrade(self, *more: str, install: bool = True) -> Command:
        """Install or upgrade the release."""
        release = [*(["--install"] if install else []), *self._release()]
        return [*self._helm, "upgrade", *release, *more]

    def template(self) -> Command:
        """Print what Helm would install."""
        return [*self._helm, "template", *self._release()]

    def release(self, verb: str, *more: str) -> Command:
        """Return a Helm command about the release, such as `status`."""
        words = verb.split()
        return [*self._helm, *words, self.party.release, *self._there, *more]

    def rollback(self, revision: int) -> Command:
        """Return to a revision."""
        return [*self._helm, "rollback", self.party.release, str(revision), *self._there]

    def uninstall(self, timeout: float) -> Command:
        """Remove the release, and wait up to `timeout` seconds for what Helm waits for."""
        return self.release("uninstall", "--ignore-not-found", "--wait", "--timeout", f"{timeout:.0f}s")

    def delete(self, namespace: str, names: Sequence[str]) -> Command:
        """Delete objects, `kind/name` each; one that does not exist is no error."""
        return self.kubectl("delete", *names, "--namespace", namespace, "--ignore-not-found")

    def delete_namespace(self, name: str) -> Command:
        """Delete a namespace with everything in it."""
        return self.kubectl("delete", "namespace", name, "--ignore-not-found")

    def list_release(self) -> Command:
        """List the release in whatever state it is: Helm 3 and 4 have these flags in common."""
        states = ("--deployed", "--failed", "--pending", "--uninstalling")
        pattern = f"^{self.party.release}$"
        return [*self._helm, "list", *self._there, *states, "--filter", pattern, "--output", "json"]

    def _release(self) -> Command:
        party = self.party
        return [
            party.release,
            str(party.chart),
            *self._there,
            *(word for file in party.values for word in ("--values", str(file))),
            *(word for setting in party.settings for word in ("--set", setting)),
        ]
