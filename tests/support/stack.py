"""stack - tongbao's five services on a Kafka, a PostgreSQL, a mail server and a webhook receiver of their own.

The usual way in is a fixture of tests/conftest.py:

    def test_it(stack):                              # everything runs, the park is registered
        receipt = stack.report("ACME", summary="…")  # posts, wants a 202, returns its body
        shown = stack.incident(receipt["incident_id"], key=stack.key("ACME"))

    def test_part(kafka, postgres, workspace): ...   # only the servers; Service(...) starts one service

Services run from $TONGBAO_BUILD/bin (a Debug build: clock shifts and failpoints work) with no environment but the one
given here, and every one that ended otherwise than by our hand fails the test.
"""
import datetime
import hashlib
import mmap
import os
import pathlib
import re
import struct
import subprocess
import uuid

import requests

from receivers import HttpSink, SmtpSink
from servers import ROOT, Hopeless, Process, free_port, wait_until

SERVICES = ("intake", "classifier", "escalator", "notifier", "archiver")
SANITIZED = {"ASAN_OPTIONS": "abort_on_error=0:exitcode=99:detect_leaks=1",
             "UBSAN_OPTIONS": "print_stacktrace=1:exitcode=99"}
TROUBLE = re.compile(r"ERROR: \w+Sanitizer|runtime error:|: Assertion ")


def build_dir():
    folder = pathlib.Path(os.environ.get("TONGBAO_BUILD", ROOT / "build/debug"))
    return folder if folder.is_absolute() else ROOT / folder


def program(name):
    return build_dir() / "bin" / name


class ShiftedClock:
    """Moves the wall time of every process started with `env`, at once."""

    def __init__(self, workspace):
        self.path = workspace.dir / f"clock-{uuid.uuid4().hex[:8]}"
        self.path.write_bytes(bytes(8))
        with open(self.path, "r+b") as f:
            self._map = mmap.mmap(f.fileno(), 8)
        self.env = {"TONGBAO_TEST_CLOCK": str(self.path)}

    @property
    def shift_ms(self):
        return struct.unpack("=q", self._map[:8])[0]

    def shift(self, **delta):
        """Moves on by a timedelta's words: shift(hours=2)."""
        ms = self.shift_ms + int(datetime.timedelta(**delta).total_seconds() * 1000)
        self._map[:8] = struct.pack("=q", ms)

    def now(self):
        """The time as the services see it."""
        return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(milliseconds=self.shift_ms)


class Service(Process):
    """One service as a process. options={"listen": …} become TONGBAO_<SERVICE>_LISTEN; env is passed as it is."""

    def __init__(self, workspace, service, options, env=None, instance="1"):
        name = f"{service}-{instance}"
        self.service, self.port = service, free_port()
        options = {"instance": instance, "admin_listen": f"127.0.0.1:{self.port}", **options}
        super().__init__(workspace, name, [program(f"tongbao-{service}")], cwd=ROOT, env={
            **SANITIZED, **{f"TONGBAO_{service}_{k}".upper(): str(v) for k, v in options.items()}, **(env or {})})
        self.was_ended = False

    def set(self, **options):
        """Changes options for the next start; None takes one away."""
        for key, value in options.items():
            name = f"TONGBAO_{self.service}_{key}".upper()
            if value is None:
                self.env.pop(name, None)
            else:
                self.env[name] = str(value)

    def failpoints(self, text):
        """What the next start gets as TONGBAO_FAILPOINTS, e.g. "sink.committed=kill@3"; None for none."""
        self.env.pop("TONGBAO_FAILPOINTS", None)
        if text:
            self.env["TONGBAO_FAILPOINTS"] = text

    def start(self, ready=True):
        self.was_ended = False
        super().start()
        return self.wait_ready() if ready else self

    def admin(self, path):
        return requests.get(f"http://127.0.0.1:{self.port}{path}", timeout=5)

    def ready(self):
        return self.admin("/readyz").status_code == 200

    def wait_ready(self, deadline_s=30):
        def check():
            if not self.running():
                raise Hopeless(f"{self.name} ended with {self.popen.returncode}:\n{self.log_text()[-3000:]}")
            return self.ready()
        wait_until(check, deadline_s, f"{self.name} is ready")
        return self

    def metrics(self):
        """{"name{labels}": value} of /metrics."""
        lines = (line.rpartition(" ") for line in self.admin("/metrics").text.splitlines() if line[:1] not in ("", "#"))
        return {name: float(value) for name, _, value in lines}

    def kill(self):
        self.was_ended = True
        return super().kill()

    def stop(self, *args, **kwargs):
        """SIGTERM; an end with another status than 0 is an error."""
        self.was_ended = True
        status = super().stop(*args, **kwargs)
        assert status in (0, None), f"{self.name} ended with {status}:\n{self.log_text()[-3000:]}"
        return status

    def died(self, deadline_s=30):
        """Waits until the service ends by itself, as a failpoint makes it; returns the exit status."""
        self.was_ended = True
        return self._gone(deadline_s)

    def restart(self, ready=True):
        self.stop()
        return self.start(ready)

    def check_health(self):
        """Sanitizer reports and unexpected ends, as text; empty when all is well."""
        trouble = [line for line in self.log_text().splitlines() if TROUBLE.search(line)]
        if self.popen and not self.running() and not self.was_ended:
            trouble.append(f"ended by itself with {self.popen.returncode}")
        return [f"{self.name}: {line}" for line in trouble]


class Park:
    """The registry of a test: enterprises with people, roles, contacts and keys, put in by SQL.

    Everybody has a mail address; the park's duty officer and each security lead also a webhook.
    """
    ROLES = ("owner", "security_lead", "deputy", "dept_head", "it", "legal")
    ENTERPRISES = {  # code: (name, sector, staff, is_cii, is_listed, data kinds)
        "PARK": ("园区安全响应中心", "public", 40, False, False, []),
        "ACME": ("艾克米汽车制造有限公司", "manufacturing", 2600, False, True, ["customer", "trade_secret"]),
        "BETA": ("贝塔生物科技有限公司", "biotech", 180, False, False, ["sensitive_personal", "important"]),
        "GRID": ("临港电力供应有限公司", "energy", 900, True, False, ["personal", "important"]),
        "SHOP": ("小港五金工坊", "manufacturing", 12, False, False, []),
    }
    PARK_ROLES = ("duty_officer", "deputy", "expert", "centre_head")

    def __init__(self, database, webhook_url):
        self.database, self.webhook_url = database, webhook_url
        self.keys, self.ids, self.people = {}, {}, {}
        for code, row in self.ENTERPRISES.items():
            self.add_enterprise(code, *row)

    def add_enterprise(self, code, name, sector, staff, is_cii=False, is_listed=False, data_kinds=()):
        self.ids[code] = self.database.value(
            "INSERT INTO registry.enterprise (enterprise_id, code, name, sector, staff, is_cii, is_listed, is_park,"
            " data_kinds) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s) RETURNING enterprise_id::text",
            str(uuid.uuid4()), code, name, sector, staff, is_cii, is_listed, code == "PARK", list(data_kinds))
        for role in self.PARK_ROLES if code == "PARK" else self.ROLES:
            self.add_person(code, role)
        self.keys[code] = self.add_key(code, ["report", "act", "read"])

    def add_person(self, code, role, rank=1, language="zh", webhook=None):
        """A person with this role, reached at <role><rank>@<code>.test; returns the person's id."""
        person = str(uuid.uuid4())
        self.people[code, role, rank] = person
        self.database.rows("INSERT INTO registry.person VALUES (%s, %s, %s, %s)", person, self.ids[code],
                           f"{code} {role} {rank}", language)
        self.database.rows("INSERT INTO registry.role_holder VALUES (%s, %s, %s, %s)", self.ids[code], role, person,
                           rank)
        self.add_contact(person, "email", f"{role}{rank}@{code.lower()}.test", 1)
        if role in ("duty_officer", "security_lead") if webhook is None else webhook:
            self.add_contact(person, "webhook", f"{self.webhook_url}/{code}/{role}{rank}", 2, "whsec-" + code)
        return person

    def add_contact(self, person, channel, address, priority, secret=None):
        self.database.rows("INSERT INTO registry.contact VALUES (%s, %s, %s, %s, %s)", person, channel, address, secret,
                           priority)

    def add_key(self, code, scopes, label="test"):
        """A new key of the enterprise; returns its text, tbk_<id>_<secret>."""
        key_id, secret = uuid.uuid4().hex[:12], hashlib.sha256(os.urandom(32)).hexdigest()[:40]
        self.database.rows(
            "INSERT INTO registry.credential (key_id, enterprise_id, label, secret_sha256, scopes)"
            " VALUES (%s, %s, %s, %s, %s)", key_id, self.ids[code], label,
            hashlib.sha256(secret.encode()).hexdigest(), scopes)
        return f"tbk_{key_id}_{secret}"

    def revoke_key(self, key):
        self.database.rows("UPDATE registry.credential SET revoked_at = now() WHERE key_id = %s", key.split("_")[1])


def tongbao(*args, env=None, check=True, **kwargs):
    """Runs the operators' command; returns the CompletedProcess with its output as text."""
    done = subprocess.run([program("tongbao"), *map(str, args)], capture_output=True, text=True, cwd=ROOT, timeout=120,
                          env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **SANITIZED, **(env or {})}, **kwargs)
    if check and done.returncode != 0:
        raise AssertionError(f"tongbao {' '.join(map(str, args))} ended with {done.returncode}:\n"
                             f"{done.stdout[-1500:]}\n{done.stderr[-3000:]}")
    return done


def migrate(database):
    """Brings the database to the newest schemas."""
    tongbao("migrate", env={"TONGBAO_CTL_PG": database.dsn})


def brief(incident):
    """What a failed wait shows of an incident."""
    return {**{k: incident[k] for k in ("reference", "state", "category", "level", "incident_seq")},
            "clocks": [(c["duty"], c["state"], c["due_at"]) for c in incident["clocks"]],
            "escalations": [(e["chain"], e["step"], e["generation"], e["role"], e["acknowledged_at"])
                            for e in incident["escalations"]],
            "notifications": [(n["channel"], n["state"], n["why"]) for n in incident["notifications"]],
            "timeline": [t["type"] for t in incident["timeline"]]}


class Stack:
    """The whole system. `services` by name ("intake", …); `smtp` and `hooks` are the receivers."""

    def __init__(self, workspace, kafka, database, policy=None, smtp=None):
        self.workspace, self.kafka, self.database = workspace, kafka, database
        self.policy = pathlib.Path(policy or ROOT / "deploy/policy")
        self.clock = ShiftedClock(workspace)
        self.smtp = smtp or SmtpSink("127.0.0.1", free_port())
        self.hooks = HttpSink("127.0.0.1", free_port())
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.ctl_env = {"TONGBAO_CTL_PG": database.dsn, "TONGBAO_CTL_KAFKA_BROKERS": kafka.brokers}
        self.park = None
        self.services = {name: self.make(name) for name in SERVICES}

    def make(self, name, instance="1", **options):
        """A service of this stack, not started: another instance, or one with options of its own."""
        own = {"intake": {"listen": f"127.0.0.1:{self.port}"},
               "classifier": {"policy": self.policy},
               "escalator": {"policy": self.policy},
               "notifier": {"policy": self.policy, "smtp_url": f"smtp://127.0.0.1:{self.smtp.port}",
                            "public_url": self.url},
               "archiver": {}}[name]
        return Service(self.workspace, name, {
            "kafka_brokers": self.kafka.brokers, "pg": self.database.dsn_as(f"tongbao_{name}"), **own, **options},
            env=self.clock.env, instance=instance)

    def prepare(self):
        """Migrations, topics, receivers and the registry: everything but the services."""
        migrate(self.database)
        tongbao("topics", "create", env=self.ctl_env)
        self.smtp.start()
        self.hooks.start()
        self.park = Park(self.database, f"http://127.0.0.1:{self.hooks.port}")
        return self

    def start(self):
        self.prepare()
        for service in self.services.values():
            service.start(ready=False)
        for service in self.services.values():
            service.wait_ready()
        return self

    def close(self):
        """Stops everything; returns what went wrong on the way, as lines of text."""
        trouble = []
        for service in reversed(self.services.values()):
            trouble += service.check_health()
            if service.running():
                try:
                    service.stop()
                except Exception as problem:
                    trouble.append(f"{service.name} does not stop: {problem}")
                trouble += [t for t in service.check_health() if t not in trouble]
        self.smtp.stop()
        self.hooks.stop()
        return trouble

    # --- the API, as an enterprise or the park would use it ---------------------------------------

    def key(self, code):
        return self.park.keys[code]

    def call(self, method, path, key=None, body=None, **kwargs):
        """One request; body is sent as JSON (bytes as they are)."""
        headers = dict(kwargs.pop("headers", {}))
        if key:
            headers.setdefault("Authorization", f"Bearer {key}")
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
            kwargs["data" if isinstance(body, bytes) else "json"] = body
        session = kwargs.pop("session", requests)
        return session.request(method, self.url + path, headers=headers, timeout=kwargs.pop("timeout", 10), **kwargs)

    def report(self, code="ACME", idempotency_key=None, **fields):
        """Posts a report, asserts the 202, returns its body."""
        body = {"summary": "一台办公电脑中毒", "discovered_at": self.time(minutes=-5), **fields}
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        answer = self.call("POST", "/v1/reports", self.key(code), body, headers=headers)
        assert answer.status_code == 202, f"{answer.status_code}: {answer.text}"
        return answer.json()

    def act(self, incident, action, code="PARK", **fields):
        answer = self.call("POST", f"/v1/incidents/{incident}/actions", self.key(code), {"type": action, **fields})
        assert answer.status_code == 202, f"{answer.status_code}: {answer.text}"
        return answer.json()

    def incident(self, incident, key=None, until=bool, deadline_s=20):
        """GET of an incident, repeated until it is there and until(body) is true; returns the body."""
        def look():
            answer = self.call("GET", f"/v1/incidents/{incident}", key or self.key("PARK"))
            if answer.status_code != 200:
                raise AssertionError(f"{answer.status_code}: {answer.text}")
            body = answer.json()
            if not until(body):
                raise AssertionError(f"not as wanted: {brief(body)}")
            return body
        return wait_until(look, deadline_s, f"incident {incident} as wanted", pause_s=0.05)

    def time(self, **delta):
        """Now (as the services see it) plus a timedelta's words, in RFC 3339."""
        return (self.clock.now() + datetime.timedelta(**delta)).isoformat(timespec="milliseconds")
