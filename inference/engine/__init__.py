"""The engine beside the portal: real vLLM servers, started, watched and restarted.

Runs on the portal's Python with the standard library alone; vLLM itself lives in the engine environment and is a
subprocess. Weights come from the portal, through the same door as everybody else's: HF_ENDPOINT and a service token.
"""
