"""`python -m horos` is the `horos` command, also where no script of that name is installed (the images)."""

from horos.cli import main

main()
