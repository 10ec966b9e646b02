"""The door to files as tokens and files grow many."""
