"""Batches: a file of requests, sent row by row in its owner's name, behind everything that somebody waits for."""
