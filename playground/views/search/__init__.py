"""Retrieval drawn: hits, answers, documents, and what the microscope shows."""
