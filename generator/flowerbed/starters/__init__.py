"""Flower apps to start from, which `flowerbed new` writes.

app                    the modules that all of them have
numpy, sklearn, torch  `task.py` of each kind: its model and its data
writing                the directory of an app: these modules, pyproject.toml and README.md

The modules of the apps are copied as they are, and import each other relatively.
"""
