"""The pico-opt family: small OPT models trained for real, on a CPU, on the Python standard library.

Read in this order: `recipe` (sizes and planned events), `corpus`, `tokenizer`, `model`, `batches`, `trainer`
(the loop), `events` (what happens to the loop, done and then logged), `ladder` (weights kept on the way), `evaluation`,
`energy`, `card`, `paper`, `bundle`, `pack`; `repeat` compares a run with a published one, `generate` asks the model that came out.
Runs in the engine environment only; nothing in the portal imports it.
"""
