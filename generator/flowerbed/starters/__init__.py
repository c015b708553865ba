"""What users start from: the Flower apps of `flowerbed new`, and the declaration of `flowerbed init`.

app                    the modules that all of them have
numpy, sklearn, torch  `task.py` of each kind: its model and its data
writing                the directory of an app: these modules, pyproject.toml and README.md; the declaration

The modules of the apps are copied as they are, and import each other relatively.
"""
