"""Retrieval: documents in, chunks, vectors and postings on disk, ranked passages and checked answers out."""
