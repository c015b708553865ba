"""`python -m flowerbed` is `flowerbed`."""

from flowerbed.cli.main import main

main()
