"""Fairness of a full pool's queue with several gateways."""
