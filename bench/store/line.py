"""`python -m bench.store.line PORT BYTES`: a way to a server that gives each connection so many bytes a second, as S3 does.

Prints the port that it has taken. It passes on what it is sent at once; only answers are held to the rate.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlsplit

_PIECE: Final = 1 << 16


@contextmanager
def line(endpoint: str, rate: int) -> Iterator[str]:
    """Such a way in a process of its own: its address."""
    command = [sys.executable, "-m", "bench.store.line", str(urlsplit(endpoint).port), str(rate)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.terminate()


async def _serve(port: int, rate: int) -> None:
    async def taken(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", port)
        await asyncio.gather(_pass(reader, server_writer, 0), _pass(server_reader, writer, rate))

    server = await asyncio.start_server(taken, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, rate: int) -> None:
    loop, free_at = asyncio.get_running_loop(), 0.0
    try:
        while piece := await reader.read(_PIECE):
            writer.write(piece)
            await writer.drain()
            if rate:
                now = loop.time()
                free_at = max(free_at, now) + len(piece) / rate
                await asyncio.sleep(free_at - now)
    except ConnectionError:
        pass
    finally:
        writer.close()


if __name__ == "__main__":
    asyncio.run(_serve(int(sys.argv[1]), int(sys.argv[2])))
