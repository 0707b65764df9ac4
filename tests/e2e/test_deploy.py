"""deploy/up, down and status, for real: in a copy of the checkout, on ports of its own."""
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import unicodedata

import psycopg2
import pytest

from servers import ROOT, free_port, kafka_jars, wait_until

PARTS = ("CMakeLists.txt", "cmake", "common", "deploy", "proto", "services")


class Checkout:
    """A copy of the sources with its own var/ and build/; Kafka's jars are the ones that are here already."""

    def __init__(self, workspace):
        self.dir = folder = workspace.dir / "checkout"
        self.workspace = workspace
        folder.mkdir()
        for part in PARTS:
            source = ROOT / part
            (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
        (folder / "var/kafka").mkdir(parents=True)
        shutil.copytree(kafka_jars(), folder / "var/kafka/jars")
        shutil.copy(ROOT / "deploy/kafka/pom.xml", folder / "var/kafka/jars/pom.xml")
        self.ports = free_port() // 100 * 100

    def command(self, name, *args):
        return subprocess.Popen([self.dir / "deploy" / name, *args], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                text=True, start_new_session=True)

    def run(self, name, *args, status=0):
        process = self.command(name, *args)
        output = process.communicate(timeout=400)[0]
        for pid in self.pids():  # should the tests be killed, these end too
            self.workspace.tell(f"+{pid}")
        assert process.returncode == status, output
        return output

    def pids(self):
        return [int(p.read_text().split()[0]) for p in (self.dir / "var/run").glob("*.pid")]

    def status(self):
        done = subprocess.run([self.dir / "deploy/status", "--json"], capture_output=True, text=True, timeout=60)
        return json.loads(done.stdout)

    def env(self):
        text = (self.dir / "var/tongbao.env").read_text("utf-8")
        return dict(re.findall(r"^export (\w+)='(.*)'$", text, re.M))


@pytest.fixture(scope="module")
def checkout(workspace):
    place = Checkout(workspace)
    yield place
    place.run("down")


@pytest.fixture(scope="module")
def up(checkout):
    """The output of the first deploy/up, which was killed once on its way."""
    first = checkout.command("up", "--ports", str(checkout.ports))
    for line in first.stdout:
        if "schemas and roles" in line:  # shown with the step's result: the next ones have not begun
            os.killpg(first.pid, signal.SIGKILL)
            break
    first.wait(30)
    assert first.returncode == -signal.SIGKILL
    return checkout.run("up")


def runs(pid):
    """Whether there is such a process, other than one that only waits to be taken note of."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def columns(line):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in line)


def test_goes_on_after_a_kill_and_shows_each_report(checkout, up):
    receipts = [json.loads(line) for line in (checkout.dir / "var/demo/receipts.jsonl").read_text().splitlines()]
    rows = [line for line in up.splitlines() if line.startswith("TB-")]
    assert len(receipts) >= 25
    assert {r.split()[0] for r in rows} == {r["reference"] for r in receipts}
    assert max(columns(r) for r in rows) <= 100


def test_environment_file_is_private_and_complete(checkout, up):
    path = checkout.dir / "var/tongbao.env"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    env = checkout.env()
    assert {"TONGBAO_URL", "TONGBAO_KAFKA_BROKERS", "TONGBAO_PG", "TONGBAO_BIN", "TONGBAO_DUTY_KEY"} <= set(env)
    assert len([k for k in env if k.startswith("TONGBAO_KEY_")]) >= 12
    assert (pathlib.Path(env["TONGBAO_BIN"]) / "tongbao").exists()


def test_analyst_reads_and_cannot_write(checkout, up):
    db = psycopg2.connect(checkout.env()["TONGBAO_PG"])
    with db, db.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM analytics.incident WHERE level IS NOT NULL")
        assert cursor.fetchone()[0] >= 25
    for statement in ("CREATE TABLE mine (a int)", "DELETE FROM archive.event", "SELECT * FROM registry.credential"):
        with pytest.raises(psycopg2.Error), db, db.cursor() as cursor:
            cursor.execute(statement)
    db.close()


def test_demonstration_mail_was_kept(checkout, up):
    assert list((checkout.dir / "var/demo/mail").glob("*-to-*@*.eml"))
    assert list((checkout.dir / "var/demo/webhook").glob("*.json"))


def test_status_shows_all_ready_and_nothing_behind(checkout, up):
    state = checkout.status()
    assert [s["name"] for s in state["services"]] == ["intake", "classifier", "escalator", "notifier", "archiver"]
    assert all(s["ready"] and s["pid"] and s["url"] for s in state["services"])
    assert state["kafka"]["ready"] and state["postgres"]["ready"]
    assert set(state["lag"]) == {"classifier.grade", "classifier.case", "escalator", "notifier", "archiver"}
    wait_until(lambda: set(checkout.status()["lag"].values()) == {0}, 20, "nothing is behind", pause_s=0.5)


def test_up_again_starts_only_what_is_missing(checkout, up):
    before = {s["name"]: s["pid"] for s in checkout.status()["services"]}
    os.kill(before["notifier"], signal.SIGKILL)
    output = checkout.run("up")
    after = {s["name"]: s["pid"] for s in checkout.status()["services"]}
    assert {n for n in before if before[n] != after[n]} == {"notifier"}
    assert re.search(r"reports, posted over HTTP +there", output)


def test_second_up_beside_the_first_is_refused(checkout, up):
    first = checkout.command("up")
    first.stdout.readline()  # it is at work
    second = checkout.run("up", status=1)
    first.communicate(timeout=120)
    assert "another deploy/up or deploy/down is at work" in second


def test_another_kafka_needs_a_clean_start(checkout, up):
    assert "--clean" in checkout.run("up", "--brokers", "3", status=1)


def test_down_stops_everything_and_a_taken_port_is_named(checkout, up):
    pids = checkout.pids()
    checkout.run("down")
    assert len(pids) >= 8
    assert not [p for p in pids if runs(p)]
    with socket.create_server(("127.0.0.1", checkout.ports + 10)):
        output = checkout.run("up", status=1)
    assert f"port {checkout.ports + 10} (PostgreSQL) is in use by python3 (pid {os.getpid()})" in output
    assert "--ports" in output
