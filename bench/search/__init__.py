"""Search among many models and many entries of logbooks."""
