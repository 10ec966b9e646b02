"""Evaluation runs: a lab measures a revision on its own pool by a batch, and attaches the scores with their receipts."""
