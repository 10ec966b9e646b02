"""The data plane of queries: pure ASGI, no Django. `app.py` shows it on one screen."""
