"""`python -m commander` is the command `commander`."""

from commander.cli.main import main

main()
