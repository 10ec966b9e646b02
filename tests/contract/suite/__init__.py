"""Hugging Face's own client tests, against a portal of ours: `python -m tests.contract.suite <checkout>`."""
