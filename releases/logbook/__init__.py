"""Logbooks: what happened while a model was trained, imported or written here, read by anybody, frozen when published."""
