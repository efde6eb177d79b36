#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""A metadata service for one guest, version 2 only: stand_in_metadata.py ADDRESS PORT FILE

FILE is read at each request: {"PATH": "text", …} (paths below /latest/), and "refusals": how many requests are first
answered 503. What was asked goes to FILE.log, a line each: METHOD PATH STATUS.
"""
import http.server
import json
import secrets
import sys


class Service(http.server.BaseHTTPRequestHandler):
    tokens = set()
    refused = 0
    file = ""

    def answer(self, status, text=""):
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        with open(self.file + ".log", "a", encoding="utf-8") as log:
            log.write(f"{self.command} {self.path} {status}\n")

    def handle_any(self):
        with open(self.file, encoding="utf-8") as file:
            content = json.load(file)
        if Service.refused < content.get("refusals", 0):
            Service.refused += 1
            self.answer(503)
        elif self.command == "PUT":
            self.give_token()
        elif self.headers.get("X-aws-ec2-metadata-token") not in self.tokens:
            self.answer(401)
        else:
            text = content.get(self.path.removeprefix("/latest/"))
            self.answer(404 if text is None else 200, text or "")

    def give_token(self):
        seconds = self.headers.get("X-aws-ec2-metadata-token-ttl-seconds", "")
        if self.path != "/latest/api/token" or not seconds.isdigit() or not 1 <= int(seconds) <= 21600:
            self.answer(400)
            return
        token = secrets.token_urlsafe(40)
        self.tokens.add(token)
        self.answer(200, token)

    do_GET = do_PUT = handle_any

    def log_message(self, format, *args):
        pass


if __name__ == "__main__":
    Service.file = sys.argv[3]
    http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Service).serve_forever()
