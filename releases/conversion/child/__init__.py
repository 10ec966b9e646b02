"""The program that converts weights: torch, safetensors, a folder of its own, and nothing else.

It runs in the engine environment as a child of a worker, behind the barriers of `sandbox`. Read in this order:
`__main__` (what comes in and goes out), `sandbox`, `opcodes`, `sources`, `pieces`, `work`, `digest`. Nothing here
imports Django; the portal imports of it what needs no torch: `splits` and `layout`.
"""
