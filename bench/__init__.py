"""Measurements that docs/performance.md quotes: `python -m bench`, or `make bench`."""
