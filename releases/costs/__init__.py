"""What a model costs to run and what its training cost: arithmetic that shows every step, with units and sources."""
