#!/usr/bin/python3
"""receivers - a mail server and a webhook receiver that keep what they get.

For the demonstration (deploy/up starts it) and for the tests, which also make the two refuse, fail or hang:

    deploy/demo/receivers.py --smtp 127.0.0.1:8025 --http 127.0.0.1:8026 --dir var/demo

Mail becomes DIR/mail/NNNN-to-ADDRESS.eml, a webhook's request DIR/webhook/NNNN.json. Nothing is sent on.
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

Mail = collections.namedtuple("Mail", "sender recipients subject text headers raw at")
Request = collections.namedtuple("Request", "method path headers body at")


def parse_mail(envelope):
    message = email.message_from_bytes(envelope.content, policy=email.policy.default)
    body = message.get_body(("plain", "html"))
    return Mail(envelope.mail_from, list(envelope.rcpt_tos), str(message["subject"] or ""),
                body.get_content() if body else "", {k.lower(): str(v) for k, v in message.items()},
                envelope.content, time.time())


class SmtpSink:
    """A mail server on host:port. `messages` holds what was accepted; on_message(number, mail) is told of each.

    `answer` is the reply to the next mails: None accepts, "451 …" or "550 …" refuses after the data, "hang" says
    nothing until it is changed. A callable gets the mail and returns one of these.
    """

    def __init__(self, host, port, on_message=lambda number, mail: None):
        self.host, self.port, self.on_message = host, port, on_message
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
        self.messages.append(mail)
        self.on_message(len(self.messages), mail)
        return f"250 OK kept as {len(self.messages)}"


class HttpSink:
    """A webhook receiver on host:port. `requests` holds every request that came, whatever was answered.

    `answer` is the reply: a status, (status, body) or (status, body, headers), or "hang" until it is changed. A
    callable gets the Request and returns one of these.
    """

    def __init__(self, host, port, on_request=lambda number, request: None):
        self.host, self.port, self.on_request = host, port, on_request
        self.answer = 200
        self.requests = []
        self._server = None

    def start(self):
        sink = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                sink._handle(self)

            do_GET = do_PUT = do_POST

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
        self.requests.append(request)
        answer = self.answer(request) if callable(self.answer) else self.answer
        self.on_request(len(self.requests), request)
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


def keep_mail(folder):
    folder.mkdir(parents=True, exist_ok=True)

    def keep(_, mail):
        to = re.sub(r"[^A-Za-z0-9@._+-]", "_", mail.recipients[0] if mail.recipients else "nobody")
        number = len(list(folder.iterdir())) + 1
        (folder / f"{number:04}-to-{to}.eml").write_bytes(mail.raw)
        print(f"mail {number:04} to {to}: {mail.subject}", flush=True)
    return keep


def keep_request(folder):
    folder.mkdir(parents=True, exist_ok=True)
    lock = threading.Lock()

    def keep(_, request):
        try:
            body = json.loads(request.body)
        except ValueError:
            body = request.body.decode(errors="replace")
        with lock:
            number = len(list(folder.iterdir())) + 1
            (folder / f"{number:04}.json").write_text(json.dumps(
                {"method": request.method, "path": request.path, "headers": request.headers, "body": body},
                ensure_ascii=False, indent=2) + "\n")
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
    smtp = SmtpSink(*options.smtp, on_message=keep_mail(options.dir / "mail")).start()
    http_sink = HttpSink(*options.http, on_request=keep_request(options.dir / "webhook")).start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    smtp.stop()
    http_sink.stop()


if __name__ == "__main__":
    main()
