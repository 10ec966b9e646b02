"""The client of a Weighbridge portal: log in, download, verify."""

__version__ = "0.1.0"
