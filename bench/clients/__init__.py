"""Tools that researchers use, unmodified, against a running portal with a real vLLM: `python -m bench clients`."""
