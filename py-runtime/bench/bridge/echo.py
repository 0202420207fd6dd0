"""The other ways to talk to a process, each sending back what it gets: `echo.py zmq ENDPOINT|stdio|http`."""

from __future__ import annotations

import json
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

import zmq


def zmq_echo(endpoint: str) -> None:
    dealer = zmq.Context().socket(zmq.DEALER)
    dealer.setsockopt(zmq.ROUTING_ID, b'echo')
    dealer.connect(endpoint)
    dealer.send(b'here')
    while True:
        dealer.send_multipart(dealer.recv_multipart(copy=False), copy=False)


def stdio_echo() -> None:
    for line in sys.stdin.buffer:
        # As a worker would: the message is read before it is answered.
        sys.stdout.buffer.write(json.dumps(json.loads(line)).encode() + b'\n')
        sys.stdout.buffer.flush()


class Echo(BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    # Without it the kernel waits for more before it sends the small packets.
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers['content-length']))
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


def http_echo() -> None:
    server = HTTPServer(('127.0.0.1', 0), Echo)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == '__main__':
    kind = sys.argv[1]
    if kind == 'zmq':
        zmq_echo(sys.argv[2])
    elif kind == 'stdio':
        stdio_echo()
    else:
        http_echo()
