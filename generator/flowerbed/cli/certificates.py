"""`certificates`: what ends when, and what counts."""

from __future__ import annotations

from collections.abc import Sequence

from flowerbed.cli.common import FileArgument, FileOption, JsonOption, declaration_file, narrate, say
from flowerbed.cli.json_results import say_json
from flowerbed.declaration import load_plan
from flowerbed.identities.loading import USABLE, Certificate, inventory
from flowerbed.project import Project


def certificates_command(
    file: FileArgument = None, option: FileOption = None, json: JsonOption = False
) -> int:
    """List every certificate that has not expired, with its state and the days until it does.

    Certificates in the bundles come first, then earlier ones, of which copies may exist. The exit code is 1
    if one in the bundles cannot be used.
    """
    path = declaration_file(file, option)
    plan = load_plan(path)
    found = inventory(plan, Project(path).bundles(plan.name))
    usable = all(each.state in USABLE for each in found if each.file)
    if json:
        say_json({"usable": usable, "certificates": found})
    else:
        _show(found)
    return 0 if usable else 1


def _show(found: Sequence[Certificate]) -> None:
    width = max((len(each.what) for each in found), default=0)
    for each in found:
        left = f"{each.days_left:5} days" if each.not_after else ""
        say(f"{each.what:{width}}  {each.state:13} {each.not_after[:10]:10} {left:10}  {each.file}".rstrip())
    if not found:
        narrate("there is no certificate; `flowerbed generate` makes those of a secure federation")
    old = [each for each in found if each.file and each.state in {"expiring", "expired"}]
    if any(each.what != "CA" for each in old):
        narrate("warning: `flowerbed apply` (or `generate`) renews the gateway's and users' certificates")
    if any(each.what == "CA" for each in old):
        narrate("warning: replace the CA in three steps, beginning with `flowerbed rotate ca`")
