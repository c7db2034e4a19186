"""`splitter healthcheck`: for containers, which start it every few seconds. By a bare socket: http.client would double the start."""

from __future__ import annotations

import socket
import sys
import time

import click

from splitter.cli.address import SERVER, Address
from splitter.cli.flags import SETTINGS

WITHIN_S = 2.0
_PATH = "/ready"
_MOST_BYTES = 65_536


@click.command(context_settings=SETTINGS)
@SERVER
def healthcheck(server: Address) -> None:
    """Exit with 0 if splitter is ready, else with 1 and the reason.

    Ready means that every worker serves the configuration, and that nothing drains. After 2 seconds without an answer it is not.

    \b
    Example:
      splitter healthcheck --server http://127.0.0.1:8080
    """
    from splitter.cli.terminal import visible

    try:
        said = _ask(server)
    except OSError as exc:
        why = "no answer within 2 s" if isinstance(exc, TimeoutError) else (exc.strerror or str(exc)).lower()
    else:
        if _status(said) == "200":
            click.echo("ready")
            return
        why = _reason(said)
    click.echo(visible(f"not ready: {server.text}: {why}"), err=True)
    sys.exit(1)


def _ask(server: Address) -> bytes:
    """The answer, or as much of it as is read. Raises OSError."""
    end = time.monotonic() + WITHIN_S
    port = server.port or (443 if server.is_tls else 80)
    with socket.create_connection((server.host, port), WITHIN_S) as plain, _secured(plain, server) as connection:
        host = f"[{server.host}]" if ":" in server.host else server.host
        connection.sendall(f"GET {server.prefix}{_PATH} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
        said = b""
        while len(said) < _MOST_BYTES:
            connection.settimeout(max(0.001, end - time.monotonic()))
            piece = connection.recv(_MOST_BYTES)
            if not piece:
                break
            said += piece
        return said


def _secured(connection: socket.socket, server: Address) -> socket.socket:
    if not server.is_tls:
        return connection
    import ssl

    return ssl.create_default_context().wrap_socket(connection, server_hostname=server.host)


def _status(said: bytes) -> str:
    """The three digits, or nothing where that was no HTTP."""
    words = said.partition(b"\r\n")[0].split()
    return words[1].decode("latin-1") if len(words) > 1 and words[0].startswith(b"HTTP/1.") else ""


def _reason(said: bytes) -> str:
    """`starting` or `draining`, which is what splitter says; else the status, else that this is no answer."""
    import json

    try:
        document = json.loads(said.partition(b"\r\n\r\n")[2])
    except ValueError:
        document = None
    status = _status(said)
    state = document.get("status") if isinstance(document, dict) else None
    if status == "503" and isinstance(state, str):
        return state
    return f"status {status} to GET {_PATH}: is that splitter?" if status else "what was answered is no HTTP: is that splitter?"
