"""Images of a declaration as the plan has them: a component's own words win over `all`, key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar, get_args

from msgspec import UNSET

from flowerbed import names, plan
from flowerbed.declaration import imagemodel, model

COMPONENTS: tuple[plan.Component, ...] = get_args(plan.Component)
_T = TypeVar("_T")


def images(
    declaration: model.Declaration, built: Mapping[str, plan.BuiltImage]
) -> dict[plan.Component, plan.Image]:
    """Return every component's image that is declared; `built` are the pushed ones by component."""
    base = declaration.images.all
    said = {name: (getattr(declaration.images, name), base) for name in COMPONENTS}
    layers = {name: [one for one in both if one is not UNSET] for name, both in said.items()}
    return {
        name: _image(declaration.flower, name, words, built.get(name))
        for name, words in layers.items()
        if words
    }


def _image(
    flower: str,
    component: plan.Component,
    words: Sequence[imagemodel.Image],
    built: plan.BuiltImage | None,
) -> plan.Image:
    def first(key: str, default: _T) -> _T:
        said: Iterator[_T] = (getattr(layer, key) for layer in words)
        return next((value for value in said if value and value is not UNSET), default)

    python = first("python", names.IMAGE_PYTHON)
    release = names.FLOWER_RELEASES.get(flower, flower)
    secrets: tuple[imagemodel.BuildSecret, ...] = first("build_secrets", ())
    arguments: dict[str, str] = first("build_args", {})
    instructions = first("instructions", imagemodel.Instructions())
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
