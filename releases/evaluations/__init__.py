"""Evaluations: scores as rows with all that tells one from another, their imports, comparisons and reproductions."""
