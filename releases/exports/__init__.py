"""One release in the formats that others read: a card, bills of materials, datasets, citations (docs/exports.md).

Each document is made from the same facts (facts.py), says only what release and cards say, and leaves out what they
leave out. shelf.py lists them; nothing here writes a row.
"""
