"""An aiohttp application on 127.0.0.1, served by its own thread while a test needs it."""

from __future__ import annotations

import asyncio
import datetime
import socket
import threading
from ipaddress import ip_address
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext

from aiohttp import web

_ports: set[int] = set()  # of this process's servers


def listening() -> socket.socket:
    """A socket at a port that no server of this process has had: answers are stored by address, and
    a test's second server would never be asked what the first one has answered."""
    taken = []  # kept open, so that the next one differs
    while True:
        one = socket.create_server(("127.0.0.1", 0))
        port = one.getsockname()[1]
        if port not in _ports:
            break
        taken.append(one)
    for other in taken:
        other.close()
    _ports.add(port)
    return one


class Served:
    """`routes` of (method, path, handler) at `address`, from `with` on; over TLS if `ssl` is a
    context with a certificate."""

    def __init__(self, *routes: tuple, ssl: SSLContext | None = None):
        self.routes, self.ssl = routes, ssl
        self.address = ""
        self.ready, self.over = threading.Event(), None
        self.thread = threading.Thread(target=lambda: asyncio.run(self.serve()), daemon=True)

    async def serve(self) -> None:
        app = web.Application()
        for method, path, handler in self.routes:
            app.router.add_route(method, path, handler)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        own = listening()
        await web.SockSite(runner, own, ssl_context=self.ssl).start()
        scheme = "https" if self.ssl else "http"
        self.address = f"{scheme}://127.0.0.1:{own.getsockname()[1]}"
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


def certificate(folder: Path) -> tuple[Path, SSLContext]:
    """A self-signed certificate of 127.0.0.1: its file, for clients to trust, and the context of a
    server that presents it."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now, day = datetime.datetime.now(datetime.UTC), datetime.timedelta(days=1)
    here = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = (
        builder.not_valid_before(now - day)
        .not_valid_after(now + day)
        .add_extension(here, False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    public, private = folder / "public.pem", folder / "private.pem"
    public.write_bytes(signed.public_bytes(pem))
    form = serialization.PrivateFormat.PKCS8
    private.write_bytes(key.private_bytes(pem, form, serialization.NoEncryption()))
    context = SSLContext(PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context
