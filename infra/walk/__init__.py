"""A walk through every page of a running demo, for pictures (infra.screens) and for the accessibility tests."""
