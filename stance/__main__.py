"""`python -m stance` is the command `stance`."""

from stance.cli import main

main()
