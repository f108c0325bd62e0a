"""An aiohttp application on 127.0.0.1, served by a thread of its own as long as a test needs it."""

from __future__ import annotations

import asyncio
import threading

from aiohttp import web


class Served:
    """`routes` of (method, path, handler) at `address`, from `with` on."""

    def __init__(self, *routes: tuple):
        self.routes = routes
        self.address = ""
        self.ready, self.over = threading.Event(), None
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)

    async def serve(self) -> None:
        app = web.Application()
        for method, path, handler in self.routes:
            app.router.add_route(method, path, handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.address = f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}"
        self.loop, self.over = asyncio.get_running_loop(), asyncio.Event()
        self.ready.set()
        await self.over.wait()
        await runner.cleanup()

    def __enter__(self):
        self.thread.start()
        assert self.ready.wait(10)
        return self

    def __exit__(self, *_) -> None:
        self.loop.call_soon_threadsafe(self.over.set)
        self.thread.join(10)
