"""Prints the reference of all endpoints: `python -m playground.api`."""

from playground.api import reference

print(reference.TOOLS, end="\n\n")
print(reference.markdown(), end="")
