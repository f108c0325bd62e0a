"""Shared by the backends of Alibaba Cloud Model Studio, through its SDK `dashscope`.

https://help.aliyun.com/zh/model-studio/ (API reference, error codes). This uses the SDK's second
client, which holds key, address and timeout itself instead of in globals. Its audio part is marked
as a preview, so the SDK's version is pinned in envs/.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import warnings
from typing import Any

from scripts.common.json_path import loads, text
from scripts.services import addresses, errors, http_limits
from scripts.services.client import Client
from scripts.services.errors import CallError

# Prefixes of its error codes, and the HTTP status of each. Over websockets the same codes come
# without a status. An unknown code counts as a fault of the server.
STATUS = {
    "Throttling": 429,
    "InvalidApiKey": 401,
    "AccessDenied": 403,
    "Model.AccessDenied": 403,
    "Workspace.AccessDenied": 403,
    "Arrearage": 400,
    "DataInspection": 400,
    "Audio.": 400,
    "BadRequest": 400,
    "Invalid": 400,
    "Model": 404,
    "Unsupported": 400,
}
# Fields of its reply about where to upload.
PLACE = (
    *("upload_host", "upload_dir", "policy", "signature", "oss_access_key_id"),
    *("x_oss_object_acl", "x_oss_forbid_overwrite"),
)
KNOWN = sorted(STATUS, key=len, reverse=True)


def connect(client: Client) -> Any:
    """The audio part of the SDK's client, for the key and address of `client`, without retries."""
    from dashscope import Client as ModelStudio

    studio = ModelStudio(
        api_key=secret(client), base_url=base(client), timeout=client.rules.timeout, max_retries=0
    )
    http = studio._transport.http_client
    http.headers["Accept-Encoding"] = "gzip, deflate"
    http.event_hooks = {
        "response": [http_limits.limited_in_thread(client.service, client.rules.timeout)]
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # about the preview
        return studio.audio


def secret(client: Client) -> str:
    """The key. A server of ours without one gets a dummy: the SDK rejects an empty key and would
    look for the user's own elsewhere."""
    return client.secret or "none"


def base(client: Client) -> str:
    """The base URL of its HTTP requests."""
    return f"{client.address}/api/v1"


def uploaded(client: Client, model: str, wav: bytes) -> str:
    """Upload a WAV file to the service's temporary store; the address where `model` may fetch it.

    Without the SDK, which reads replies of any length and follows redirects.
    """
    import httpx

    who, timeout = f"{client.service}, upload", client.rules.timeout
    with httpx.Client(
        timeout=timeout,
        trust_env=client.paid,
        headers={"Accept-Encoding": "gzip, deflate"},
        event_hooks={"response": [http_limits.limited_in_thread("upload", timeout)]},
    ) as http:
        told = http.get(
            f"{base(client)}/uploads",
            params={"action": "getPolicy", "model": model},
            headers={"Authorization": f"Bearer {secret(client)}"},
        )
        found = loads(told.text)
        if told.status_code != 200:
            raise of_code(text(found, "code"), text(found, "message"), told.headers)
        place = {name: text(found, "data", name) for name in PLACE}
        if not all(place.values()):
            raise CallError("transient", "it names no place for a clip")
        addresses.check_address(place["upload_host"], client.rules.hosts, who)
        name = f"{place['upload_dir']}/{secrets.token_hex(8)}.wav"  # unique: nothing is overwritten
        form = {
            **{"OSSAccessKeyId": place["oss_access_key_id"], "Signature": place["signature"]},
            **{"policy": place["policy"], "key": name, "success_action_status": "200"},
            "x-oss-object-acl": place["x_oss_object_acl"],
            "x-oss-forbid-overwrite": place["x_oss_forbid_overwrite"],
            "x-oss-content-type": "audio/wav",
        }
        file = {"file": ("clip.wav", wav, "audio/wav")}
        done = http.post(place["upload_host"], data=form, files=file)
    if done.status_code != 200:
        words = f"HTTP {done.status_code} {errors.short(done.text)}".strip()
        raise CallError("transient", f"the clip could not be uploaded: {words}")
    return f"oss://{name}"


class Line:
    """The websocket of one session. `options` are for the session: its websocket and timeout. `cut`
    closes it at once from another thread: a service that sends a byte now and then would block the
    session for ever."""

    def __init__(self, client: Client):
        self.timeout, self.meter = client.rules.timeout, http_limits.Meter(client.service)
        self.socket: Any = None
        self.ended = False
        self.options = {
            "ws_url": f"ws{client.address.removeprefix('http')}/api-ws/v1/inference",
            "timeout": self.timeout,
            "connector": self.open,
        }

    def open(self, url: str, headers: dict[str, str]) -> Any:
        """A websocket. Redirects are not followed: the key is for this address only."""
        import websocket

        line = self

        class Cuttable(websocket.WebSocket):
            def __init__(self, **options):
                super().__init__(**options)
                line.socket = self

            def _recv(self, size: int) -> bytes:
                if line.ended:
                    raise TimeoutError
                found = super()._recv(size)
                line.meter.add(len(found))
                return found

        return websocket.create_connection(
            url, header=headers, timeout=self.timeout, redirect_limit=0, class_=Cuttable
        )

    def cut(self) -> None:
        """Close the session, if it is open."""
        self.ended = True
        ours = self.socket.sock if self.socket is not None else None
        if ours is not None:
            with contextlib.suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)


def fault(error: Exception, begun: bool = False) -> Exception:
    """The CallError for an exception of the SDK; any other exception unchanged. `begun`: the
    service had begun to answer, and may charge it."""
    from dashscope.v2.errors import DashScopeError
    from websocket import WebSocketBadStatusException, WebSocketException

    if isinstance(error, WebSocketBadStatusException):
        said = (error.resp_body or b"").decode("utf-8", errors="replace")
        return errors.by_status(error.status_code, error.resp_headers or {}, said)
    if isinstance(error, WebSocketException) and "redirect" in str(error).lower():
        return CallError("fatal", "it sends us on to another address, which nobody allowed")
    if isinstance(error, errors.UNREADABLE):
        return errors.unreadable(error)
    if not isinstance(error, DashScopeError):
        return error
    if not error.code:
        return CallError("transient", error.message)
    return of_code(error.code, error.message, error.headers, begun)


def of_code(code: str, message: str, headers: Any = None, begun: bool = False) -> CallError:
    """The error for an error code and message. It has a status, which means that nothing is
    charged, if the code says that the service did not begin."""
    status = next((STATUS[start] for start in KNOWN if code.startswith(start)), None)
    said = f"{code}: {message}"
    found = errors.by_status(status or 500, headers or {}, said)
    free = None if begun else status
    return CallError(found.kind, errors.short(said), found.wait, said, status=free)
