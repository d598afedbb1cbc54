"""A page that says how often it was asked for, by all servers together."""

import os
import socket
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

STORE = os.environ["STORE"].rpartition(":")
GREETING = open("/srv/greeting").read()


def visits() -> str:
    """One more visit, by redis: https://redis.io/docs/latest/develop/reference/protocol-spec/"""
    with socket.create_connection((STORE[0], int(STORE[2]))) as store:
        store.sendall(b"INCR visits\r\n")
        return store.recv(64).decode().strip(":\r\n")


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        counts = self.path == "/"
        text = f"{GREETING} from {socket.gethostname()}, visit {visits()}\n" if counts else "ok\n"
        self.send_response(200)
        self.end_headers()
        self.wfile.write(text.encode())


ThreadingHTTPServer(("", 8000), Page).serve_forever()
