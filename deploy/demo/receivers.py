#!/usr/bin/python3
"""receivers - a mail server and a webhook receiver that keep what they get.

For the demonstration (deploy/up starts it) and for the tests, which also make the two refuse, fail or hang:

    deploy/demo/receivers.py --smtp 127.0.0.1:8025 --http 127.0.0.1:8026 --dir var/demo

Mail becomes DIR/mail/NNNN-to-ADDRESS.eml, a webhook's request DIR/webhook/NNNN.json; the newest KEPT_MAX of each stay.
Nothing is sent on. A GET (a health check) is answered and not kept.
"""
import argparse
import asyncio
import collections
import email
import email.policy
import http.server
import json
import pathlib
import re
import signal
import threading
import time

import aiosmtpd.controller

KEPT_MAX = 1000  # in the demonstration, of mails and of requests; tests keep all

Mail = collections.namedtuple("Mail", "sender recipients subject text headers raw at")
Request = collections.namedtuple("Request", "method path headers body at")


def parse_mail(envelope):
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    body = message.get_body(("plain", "html"))
    return Mail(envelope.mail_from, list(envelope.rcpt_tos), str(message["subject"] or ""),
                body.get_content() if body else "", {k.lower(): str(v) for k, v in message.items()},
                envelope.content, time.time())


def append_bounded(kept, one, kept_max):
    kept.append(one)
    if kept_max:
        del kept[:-kept_max]


class SmtpSink:
    """A mail server on host:port. `messages` holds what was accepted (the newest kept_max); on_message(mail) is told of each.

    `answer` is the reply to the next mails: None accepts, "451 …" or "550 …" refuses after the data, "hang" says
    nothing until it is changed. A callable gets the mail and returns one of these.
    """

    def __init__(self, host, port, on_message=lambda mail: None, kept_max=None):
        self.host, self.port, self.on_message, self.kept_max = host, port, on_message, kept_max
        self.answer = None
        self.messages, self.attempts = [], 0
        self._controller = None

    def start(self):
        self._controller = aiosmtpd.controller.Controller(self, hostname=self.host, port=self.port, enable_SMTPUTF8=True)
        self._controller.start()
        return self

    def stop(self):
        if self._controller:
            self._controller.stop(no_assert=True)
            self._controller = None

    async def handle_DATA(self, server, session, envelope):
        self.attempts += 1
        mail = parse_mail(envelope)
        answer = self.answer(mail) if callable(self.answer) else self.answer
        while answer == "hang" and self.answer == "hang":
            await asyncio.sleep(0.05)
        if answer and answer != "hang":
            return answer
        append_bounded(self.messages, mail, self.kept_max)
        self.on_message(mail)
        return "250 OK kept"


class HttpSink:
    """A webhook receiver on host:port. `requests` holds what came (the newest kept_max), whatever was answered; no GET.

    `answer` is the reply: a status, (status, body) or (status, body, headers), or "hang" until it is changed. A
    callable gets the Request and returns one of these.
    """

    def __init__(self, host, port, on_request=lambda request: None, kept_max=None):
        self.host, self.port, self.on_request, self.kept_max = host, port, on_request, kept_max
        self.answer = 200
        self.requests = []
        self._server = None

    def start(self):
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                sink._handle(self)

            do_PUT = do_POST

            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

        self._server = Server((self.host, self.port), Handler)
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def stop(self):
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def _handle(self, handler):
        body = handler.rfile.read(int(handler.headers.get("Content-Length") or 0))
        request = Request(handler.command, handler.path, {k.lower(): v for k, v in handler.headers.items()}, body,
                          time.time())
        append_bounded(self.requests, request, self.kept_max)
        answer = self.answer(request) if callable(self.answer) else self.answer
        self.on_request(request)
        while answer == "hang" and self.answer == "hang":
            time.sleep(0.05)
        if answer == "hang":
            answer = 200
        status, text, headers = ((answer, "", {}) if isinstance(answer, int) else (*answer, {})[:3])
        data = text.encode() if isinstance(text, str) else text
        try:
            handler.send_response(status)
            for name, value in {"Content-Length": str(len(data)), **headers}.items():
                handler.send_header(name, value)
            handler.end_headers()
            handler.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            handler.close_connection = True  # the sender did not wait


class Folder:
    """Numbered files, of which the newest kept_max stay. Also when the numbers began in an earlier run."""

    def __init__(self, path, kept_max=KEPT_MAX):
        path.mkdir(parents=True, exist_ok=True)
        self.path, self.kept_max, self.lock = path, kept_max, threading.Lock()
        self.files = collections.deque(sorted(path.iterdir(), key=self.number_of))
        self.number = self.number_of(self.files[-1]) if self.files else 0

    @staticmethod
    def number_of(path):
        return int(re.match(r"\d*", path.name)[0] or 0)

    def keep(self, ending, content):
        """Returns the number that it was kept under."""
        with self.lock:
            self.number += 1
            self.files.append(self.path / f"{self.number:04}{ending}")
            self.files[-1].write_bytes(content)
            while len(self.files) > self.kept_max:
                self.files.popleft().unlink(missing_ok=True)
            return self.number


def keep_mail(folder):
    def keep(mail):
        to = re.sub(r"[^A-Za-z0-9@._+-]", "_", mail.recipients[0] if mail.recipients else "nobody")
        number = folder.keep(f"-to-{to}.eml", mail.raw)
        print(f"mail {number:04} to {to}: {mail.subject}", flush=True)
    return keep


def keep_request(folder):
    def keep(request):
        try:
            body = json.loads(request.body)
        except ValueError:
            body = request.body.decode(errors="replace")
        text = json.dumps({"method": request.method, "path": request.path, "headers": request.headers, "body": body},
                          ensure_ascii=False, indent=2) + "\n"
        number = folder.keep(".json", text.encode())
        print(f"webhook {number:04} {request.method} {request.path}", flush=True)
    return keep


def main():
    def address(text):
        host, _, port = text.rpartition(":")
        return host, int(port)

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--smtp", type=address, required=True, metavar="HOST:PORT")
    parser.add_argument("--http", type=address, required=True, metavar="HOST:PORT")
    parser.add_argument("--dir", type=pathlib.Path, required=True, help="where mail/ and webhook/ are kept")
    options = parser.parse_args()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    mails, requests = Folder(options.dir / "mail"), Folder(options.dir / "webhook")
    smtp = SmtpSink(*options.smtp, on_message=keep_mail(mails), kept_max=KEPT_MAX).start()
    http_sink = HttpSink(*options.http, on_request=keep_request(requests), kept_max=KEPT_MAX).start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    smtp.stop()
    http_sink.stop()


if __name__ == "__main__":
    main()
