"""Search over families, models, their cards, and the entries of logbooks."""
