"""servers - what the tests run against: processes, a PostgreSQL cluster and a Kafka broker of their own.

Everything listens on a free loopback port, keeps its files in one temporary folder, and ends with the tests, also when
they are killed (guard.py). Nothing here knows tongbao; stack.py does.
"""
import atexit
import glob
import json
import os
import pathlib
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

import confluent_kafka
import confluent_kafka.admin
import psycopg2
import psycopg2.extras

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Hopeless(Exception):
    """Raised by a check of wait_until: waiting longer cannot help."""


def wait_until(check, deadline_s=10, what=None, pause_s=0.02):
    """Calls check() until it returns something true, which is returned. After the deadline: TimeoutError, which
    says what was waited for and what check() returned or raised last."""
    end = time.monotonic() + deadline_s
    while True:
        try:
            last = check()
            if last:
                return last
        except Hopeless:
            raise
        except Exception as problem:  # not ready; the last problem is shown if it never gets ready
            last = problem
        if time.monotonic() > end:
            raise TimeoutError(f"{what or check}: not within {deadline_s} s; last: {last!r}")
        time.sleep(pause_s)


def free_port():
    """A port that nothing listens on, below the range that outgoing connections take theirs from."""
    while True:
        port = random.randint(15000, 30000)
        with socket.socket() as s:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                s.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def can_connect(port):
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


class Workspace:
    """The temporary folder of one pytest process, and the guard over its processes."""

    def __init__(self, parent=None):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="tongbao-test-", dir=parent))
        self.dir.chmod(0o711)  # PostgreSQL's user must get through
        self.keep = False
        self.processes = []
        guard = pathlib.Path(__file__).with_name("guard.py")
        self._guard = subprocess.Popen([sys.executable, "-B", str(guard)], stdin=subprocess.PIPE, text=True,
                                       start_new_session=True)
        self.tell(f"rm {self.dir}")
        atexit.register(self.close)

    def tell(self, line):
        self._guard.stdin.write(line + "\n")
        self._guard.stdin.flush()

    def keep_logs(self):
        """A test failed: the folder stays for whoever looks into it."""
        if not self.keep:
            self.keep = True
            self.tell(f"keep {self.dir}")

    def tails(self, lines=40):
        """The ends of all logs, for the report of a failed test."""
        text = [f"files of this run: {self.dir}"]
        for path in sorted(self.dir.glob("*.log")):
            tail = path.read_text(errors="replace").splitlines()[-lines:]
            if tail:
                text += [f"--- {path.relative_to(self.dir)} (last {len(tail)} lines)"] + tail
        return "\n".join(text)

    def close(self):
        if self._guard.stdin.closed:
            return
        for process in reversed(self.processes):
            process.kill()
        self._guard.stdin.close()
        self._guard.wait(10)


class Process:
    """One program that can be started again, with its log in the workspace. Never inherits our environment."""

    def __init__(self, workspace, name, argv, env=None, cwd=None, user=None):
        self.workspace, self.name, self.argv, self.cwd, self.user = workspace, name, argv, cwd, user
        self.env = {"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **(env or {})}
        self.log = workspace.dir / f"{name}.log"
        self.popen = None
        workspace.processes.append(self)

    @property
    def pid(self):
        return self.popen.pid

    def start(self):
        assert not self.running(), f"{self.name} runs already"
        assert shutil.which(self.argv[0]), f"no program {self.argv[0]} (TONGBAO_BUILD names the build folder)"
        as_user = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        with open(self.log, "ab") as log:
            self.popen = subprocess.Popen([str(a) for a in self.argv], env=self.env, cwd=self.cwd, stdout=log,
                                          stderr=log, stdin=subprocess.DEVNULL, start_new_session=True, **as_user)
        self.workspace.tell(f"+{self.pid}")
        return self

    def running(self):
        return self.popen is not None and self.popen.poll() is None

    def _gone(self, deadline_s):
        status = self.popen.wait(deadline_s)
        self.workspace.tell(f"-{self.pid}")
        return status

    def kill(self):
        """SIGKILL, at once; the exit status as subprocess gives it (None when nothing ran)."""
        if not self.popen:
            return None
        if self.running():
            self.popen.kill()
        return self._gone(10)

    def stop(self, deadline_s=15, number=signal.SIGTERM):
        """Asks the program to stop; returns its exit status. TimeoutExpired (after a SIGKILL) when it does not."""
        if not self.popen:
            return None
        if self.running():
            self.popen.send_signal(number)
        try:
            return self._gone(deadline_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise

    def finish(self, deadline_s=60):
        """For a program that has to end by itself, well; its log is worth nothing then."""
        assert self._gone(deadline_s) == 0, f"{self.name} failed:\n{self.log_text()}"
        self.log.unlink()

    def freeze(self):
        self.popen.send_signal(signal.SIGSTOP)

    def thaw(self):
        self.popen.send_signal(signal.SIGCONT)

    def log_text(self):
        return self.log.read_text(errors="replace") if self.log.exists() else ""


class Database:
    """One database of a Postgres. `dsn` is the owner's; `dsn_as(role)` the same for a service's role."""

    def __init__(self, postgres, name):
        self.postgres, self.name = postgres, name

    @property
    def dsn(self):
        return self.dsn_as("owner")

    def dsn_as(self, role):
        return f"host=127.0.0.1 port={self.postgres.port} dbname={self.name} user={role}"

    def rows(self, sql, *args, role="owner"):
        """Runs one statement in a transaction of its own; returns its rows as dictionaries ([] without a result)."""
        db = psycopg2.connect(self.dsn_as(role), cursor_factory=psycopg2.extras.RealDictCursor)
        try:
            with db, db.cursor() as cursor:
                cursor.execute(sql, args or None)
                return [dict(r) for r in cursor.fetchall()] if cursor.description else []
        finally:
            db.close()

    def value(self, sql, *args, role="owner"):
        """The first column of the only row, or None without a row."""
        rows = self.rows(sql, *args, role=role)
        assert len(rows) <= 1, f"{len(rows)} rows where one was expected: {sql}"
        return next(iter(rows[0].values())) if rows else None

    def script(self, text):
        """Runs many statements in one transaction."""
        self.rows(text)


class FallsSilent:
    """Stands before a database. On the first connection on which a client says `word` after arm(), nothing is answered any more."""

    def __init__(self, database):
        self.database, self.target, self.word, self.silenced = database, database.postgres.port, None, threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def dsn_as(self, role):
        return self.database.dsn_as(role).replace(f"port={self.target}", f"port={self.port}")

    def arm(self, word):
        self.word = word

    def _accept(self):
        while True:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            server, mute = socket.create_connection(("127.0.0.1", self.target)), threading.Event()
            threading.Thread(target=self._relay, args=(client, server, mute, True), daemon=True).start()
            threading.Thread(target=self._relay, args=(server, client, mute, False), daemon=True).start()

    def _relay(self, source, target, mute, from_client):
        try:
            while data := source.recv(65536):
                if from_client and self.word and self.word in data:
                    self.word = None
                    mute.set()
                    self.silenced.set()
                if not mute.is_set():
                    target.sendall(data)
        except OSError:
            pass
        for side in () if mute.is_set() else (source, target):  # silent, not gone
            try:
                side.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


class Postgres(Process):
    """A cluster of its own: UTF-8, C.UTF-8, no password on loopback, no Unix socket. As root it runs as `postgres`."""

    def __init__(self, workspace):
        bin_dir = subprocess.run(["pg_config", "--bindir"], check=True, capture_output=True, text=True).stdout.strip()
        user = "postgres" if os.geteuid() == 0 else None
        self.data = workspace.dir / "postgres"
        self.port = free_port()
        self.data.mkdir(mode=0o700)
        if user:
            shutil.chown(self.data, user, user)
        shipped = (ROOT / "deploy/postgres/settings.conf").read_text()
        settings = {**dict(re.findall(r"^(\w+)=(.*)$", shipped, re.M)), "port": self.port, "listen_addresses": "127.0.0.1",
                    "unix_socket_directories": "", "log_line_prefix": "%m [%p] %u@%d "}
        argv = [f"{bin_dir}/postgres", "-D", self.data]
        for key, value in settings.items():
            argv += ["-c", f"{key}={value}"]
        super().__init__(workspace, "postgres", argv, cwd=self.data, user=user)
        self._initdb = Process(workspace, "initdb",
                               [f"{bin_dir}/initdb", "-D", self.data, "-U", "owner", "-A", "trust", "--no-sync",
                                "--encoding=UTF8", "--locale=C.UTF-8"], cwd=self.data, user=user)

    def prepare(self):
        self._initdb.start()

    def start(self):
        if not self._initdb.popen:
            self.prepare()
        if self._initdb.log.exists():
            self._initdb.finish()
        super().start()
        wait_until(lambda: Database(self, "postgres").value("SELECT 1"), 30, "PostgreSQL answers")
        return self

    def stop(self, deadline_s=15, number=signal.SIGINT):
        """A fast shutdown: connections are cut, data is safe. kill() is what a power failure would be."""
        return super().stop(deadline_s, number)

    def kill(self):
        status = super().kill()
        if status is not None and (self.data / "postmaster.pid").exists():
            # The postmaster's children notice within a moment; a new one refuses to start beside them.
            wait_until(lambda: not _holders(self.data), 10, "PostgreSQL's processes are gone")
        return status

    def database(self, name):
        db = psycopg2.connect(Database(self, "postgres").dsn)
        db.autocommit = True
        with db.cursor() as cursor:
            cursor.execute(f'CREATE DATABASE "{name}"')
        db.close()
        return Database(self, name)


def _holders(data_dir):
    """Processes whose working folder is the cluster's."""
    found = []
    for cwd in glob.glob("/proc/[0-9]*/cwd"):
        try:
            if os.readlink(cwd) == str(data_dir):
                found.append(int(cwd.split("/")[2]))
        except OSError:
            continue
    return found


class Record:
    """One Kafka record: key and headers as text; `json` is the parsed value, `value` its bytes."""

    def __init__(self, message):
        self.topic, self.partition, self.offset = message.topic(), message.partition(), message.offset()
        self.key = message.key().decode(errors="replace") if message.key() is not None else None
        self.value = message.value()
        self.at_ms = message.timestamp()[1]
        self.headers = {k: v.decode(errors="replace") for k, v in message.headers() or [] if v is not None}

    @property
    def json(self):
        return json.loads(self.value)

    @property
    def type(self):
        return self.headers.get("ce_type")

    @property
    def id(self):
        return self.headers.get("ce_id")

    def __repr__(self):
        return f"<{self.topic}[{self.partition}]@{self.offset} {self.type} {self.id} key={self.key}>"


def kafka_jars():
    home = os.environ.get("KAFKA_HOME")
    folder = pathlib.Path(home) / "libs" if home else ROOT / "var/kafka/jars"
    assert list(folder.glob("kafka_2*.jar")), f"no Kafka in {folder}: run deploy/kafka/get"
    return folder


class Kafka(Process):
    """One KRaft broker with the product's own server.properties."""

    def __init__(self, workspace, name="kafka", flags=("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC")):
        """The flags make it start quickly; a measurement takes none of them."""
        self.port, controller = free_port(), free_port()
        self.data = workspace.dir / f"{name}-data"
        self.config = workspace.dir / f"{name}.properties"
        self.config.write_text((ROOT / "deploy/kafka/server.properties").read_text() + f"""
listeners=PLAINTEXT://127.0.0.1:{self.port},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{self.port}
controller.quorum.voters=1@127.0.0.1:{controller}
log.dirs={self.data}
# After a kill the broker is refused until its former self's session ends.
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
""")
        env = {"CLASSPATH": f"{kafka_jars()}/*"}
        java = ["java", *flags,
                f"-Dlog4j2.configurationFile={ROOT}/deploy/kafka/log4j2.xml"]
        self._format = Process(workspace, f"{name}-format",
                               java + ["kafka.tools.StorageTool", "format", "-t", "dG9uZ2Jhby10ZXN0LTAwMA", "-c",
                                       self.config], env=env)
        super().__init__(workspace, name, java + ["-Xmx384m", "kafka.Kafka", self.config], env=env)

    @property
    def brokers(self):
        return f"127.0.0.1:{self.port}"

    def prepare(self):
        self._format.start()

    def start(self):
        if not self._format.popen:
            self.prepare()
        if self._format.log.exists():
            self._format.finish()
        super().start()
        wait_until(lambda: self.admin().list_topics(timeout=1), 60, "Kafka answers")
        return self

    def stop(self, deadline_s=30, number=signal.SIGTERM):
        return super().stop(deadline_s, number)

    def admin(self):
        return confluent_kafka.admin.AdminClient({"bootstrap.servers": self.brokers, "log_level": 0})

    def create_topic(self, name, partitions=8, **config):
        """As `tongbao topics create` would on one broker, for tests of a part that needs no more than this topic."""
        config = {"message.timestamp.type": "LogAppendTime", "flush.messages": "1", "index.interval.bytes": "65536",
                  **{k.replace("_", "."): str(v) for k, v in config.items()}}
        topic = confluent_kafka.admin.NewTopic(name, partitions, 1, config=config)
        admin = self.admin()  # its requests fail when it is dropped
        admin.create_topics([topic])[name].result(30)

    def create_topics(self):
        """All topics of proto/topics.def."""
        for name, partitions, days, size in re.findall(
                r'^TOPIC\(\w+, "([^"]+)", (\d+), (-?\d+), (\d+)', (ROOT / "proto/topics.def").read_text(), re.M):
            retention_ms = -1 if days == "-1" else int(days) * 86400000
            self.create_topic(name, int(partitions), retention_ms=retention_ms, max_message_bytes=size)

    def produce(self, topic, key, value, headers=None, partition=-1):
        """Sends one record (value: bytes, text, or what json can write) and waits for its ack; returns its offset."""
        if value is not None and not isinstance(value, (bytes, str)):
            value = json.dumps(value, ensure_ascii=False)
        fate = []
        producer = confluent_kafka.Producer({"bootstrap.servers": self.brokers, "partitioner": "murmur2_random",
                                             "log_level": 0})
        producer.produce(topic, key=key, value=value, partition=partition, headers=list((headers or {}).items()),
                         on_delivery=lambda problem, message: fate.append((problem, message)))
        producer.flush(20)
        assert fate and fate[0][0] is None, f"produce to {topic}: {fate}"
        return fate[0][1].offset()

    def records(self, topic, deadline_s=20):
        """All records that the topic holds now, in order within each partition."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.brokers, "group.id": "tests", "log_level": 0,
                                             "enable.auto.commit": False, "enable.partition.eof": True,
                                             "auto.offset.reset": "earliest"})
        found, end = [], time.monotonic() + deadline_s
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            consumer.assign([confluent_kafka.TopicPartition(topic, p, confluent_kafka.OFFSET_BEGINNING)
                             for p in partitions])
            open_partitions = set(partitions)
            while open_partitions:
                assert time.monotonic() < end, f"{topic}: not read within {deadline_s} s"
                for message in consumer.consume(1000, timeout=0.1):
                    if not message.error():
                        found.append(Record(message))
                    elif message.error().code() == confluent_kafka.KafkaError._PARTITION_EOF:
                        open_partitions.discard(message.partition())
                    else:
                        raise confluent_kafka.KafkaException(message.error())
        finally:
            consumer.close()
        return sorted(found, key=lambda r: (r.partition, r.offset))

    def committed(self, group, topic):
        """{partition: committed offset} of a group; partitions without one are left out."""
        consumer = confluent_kafka.Consumer({"bootstrap.servers": self.brokers, "group.id": group, "log_level": 0})
        try:
            partitions = consumer.list_topics(topic, timeout=10).topics[topic].partitions
            places = consumer.committed([confluent_kafka.TopicPartition(topic, p) for p in partitions], timeout=10)
            return {p.partition: p.offset for p in places if p.offset >= 0}
        finally:
            consumer.close()


def start_together(*servers):
    """Prepares all at once (initdb and Kafka's format take a second each), then starts them."""
    for server in servers:
        server.prepare()
    for server in servers:
        server.start()
