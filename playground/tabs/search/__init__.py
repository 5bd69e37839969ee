"""The Search tab: documents, search, microscope, answers, evaluation, similarity."""

SEARCH = "Search"  # its title
