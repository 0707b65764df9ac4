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
import sys
import tempfile
import unicodedata
import urllib.request

import psycopg2
import pytest
import yaml

import receivers
from servers import ROOT, free_port, kafka_jars, wait_until

PARTS = ("CMakeLists.txt", "cmake", "common", "deploy", "proto", "services")


def listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def free_hundred():
    """A round number from which on nothing listens, as far as deploy/up counts."""
    while True:
        base = free_port() // 100 * 100
        if not any(listens(base + n) for n in range(40)):
            return base


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
        self.ports = free_hundred()
        self.commands = []
        workspace.tell(f"pids {folder / 'var/run'}")  # should the tests be killed, these end too

    def command(self, name, *args):
        process = subprocess.Popen([self.dir / "deploy" / name, *args], stdout=subprocess.PIPE,
                                   stderr=subprocess.STDOUT, text=True, start_new_session=True)
        self.workspace.tell(f"+{process.pid}")
        self.commands.append(process)
        return process

    def run(self, name, *args, status=0):
        process = self.command(name, *args)
        output = process.communicate(timeout=400)[0]
        self.ended(process)
        assert process.returncode == status, output
        return output

    def ended(self, process):
        """Its number may soon be another's."""
        self.commands.remove(process)
        self.workspace.tell(f"-{process.pid}")

    def close(self):
        """A test may have ended, or been interrupted, while a command was at work."""
        for process in list(self.commands):
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(30)
            self.ended(process)
        self.run("down")

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
    place.close()


@pytest.fixture(scope="module")
def up(checkout):
    """The output of the first deploy/up, which was killed once on its way."""
    first = checkout.command("up", "--ports", str(checkout.ports))
    said = []
    for line in first.stdout:
        said.append(line)
        if "schemas and roles" in line:  # shown with the step's result: the next ones have not begun
            os.killpg(first.pid, signal.SIGKILL)
            break
    first.wait(30)
    checkout.ended(first)
    assert first.returncode == -signal.SIGKILL, "".join(said)
    return checkout.run("up")


@pytest.fixture
def bare(workspace):
    """The scripts alone, in a folder of their own; apt has nothing to offer, so deploy/up ends at its first step."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=workspace.dir))
    shutil.copytree(ROOT / "deploy", folder / "deploy")
    (folder / "deploy/install").write_text("#!/bin/sh\necho 'no packages'\nexit 1\n")
    (folder / "var/run").mkdir(parents=True)
    (folder / "stubs").mkdir()
    return folder


def run_bare(folder, name, *args, **env):
    """Status and output; programs in stubs/ stand before the real ones."""
    done = subprocess.run([folder / "deploy" / name, *args], capture_output=True, text=True, timeout=60,
                          start_new_session=True,
                          env={"PATH": f"{folder}/stubs:{os.environ['PATH']}", "HOME": str(folder), **env})
    return done.returncode, done.stdout + done.stderr


def stub(folder, name, text):
    path = folder / "stubs" / name
    path.write_text(f"#!/bin/bash\n{text}\n")
    path.chmod(0o755)
    return path


def test_an_interrupted_clean_start_is_finished_by_the_next(bare):
    old = [bare / "var" / name for name in ("postgres/data", "conf/keys.json", "conf/passwords", "kafka/broker-1/x")]
    for path in old:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("old")
    kept = bare / "var/kafka/jars"
    kept.mkdir()
    rm = stub(bare, "rm", '[ "$1" != -rf ] || { /bin/rm -rf "$2"; kill -KILL $PPID; exit; }; exec /bin/rm "$@"')
    assert run_bare(bare, "up", "--clean")[0] == -signal.SIGKILL
    assert [p.exists() for p in old] == [False, True, True, True], "it was killed half-way"
    rm.unlink()
    status, output = run_bare(bare, "up")
    assert status == 1 and "stopped at step 1 (Debian packages)" in output
    assert not any(p.exists() for p in old) and kept.exists()
    old[1].write_text("new")
    assert run_bare(bare, "up")[0] == 1
    assert old[1].exists(), "cleaned once"


@pytest.mark.parametrize("noted", ["1 \n", "1\n", "999999999 \n", "\n", ""])
def test_down_ends_when_a_pid_file_is_half_written(bare, noted):
    (bare / "var/run/intake.pid").write_text(noted)
    status, output = run_bare(bare, "down")
    assert status == 0 and "stopping" not in output and not (bare / "var/run/intake.pid").exists()


def test_down_where_nothing_was_set_up(bare):
    shutil.rmtree(bare / "var")
    assert run_bare(bare, "down") == (0, f"nothing was set up in {bare}\n")
    assert not (bare / "var").exists()


def test_the_ports_that_may_be_chosen_are_named(bare):
    for ports in ("70000", "999", "x"):
        status, output = run_bare(bare, "up", "--ports", ports)
        assert status == 2 and output == "deploy/up: --ports: 1000 to 59999\n"


@pytest.mark.parametrize("name", ["up", "down", "status"])
def test_another_user_is_told_whose_it_is(bare, name):
    (bare / "var/conf").mkdir()
    (bare / "var/conf/settings").write_text("PORTS=7400 BROKERS=1 KAFKA=''\n")
    for folder, mode in ((bare / "var/run", 0o555), (bare / "var/conf", 0), (bare / "var", 0o555), (bare, 0o755)):
        folder.chmod(mode)
    other = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] if os.getuid() == 0 else []
    done = subprocess.run([*other, bare / "deploy" / name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=60, start_new_session=True)
    (bare / "var").chmod(0o755)
    assert done.returncode == 1, done.stdout
    assert f"{bare}/var belongs to {bare.owner()}: run this as that user, or as root." in done.stdout
    assert "line " not in done.stdout and "nothing is set up" not in done.stdout


def test_what_maven_says_is_shown_and_what_to_do(bare):
    for said, shown in (("[ERROR] no route to repo", "no route"), ("killed", "killed"), ("", "")):
        stub(bare, "mvn", f"printf '%s' '{said}'; exit 1")
        status, output = run_bare(bare, "kafka/get")
        assert status == 1 and shown in output and "set KAFKA_HOME to an" in output


def test_containers_have_the_same_postgresql():
    settings = re.findall(r"^(\w+=.*)$", (ROOT / "deploy/postgres/settings.conf").read_text(), re.M)
    command = yaml.safe_load((ROOT / "docker-compose.yml").read_text())["services"]["postgres"]["command"]
    assert settings and command == ["postgres", *(word for setting in settings for word in ("-c", setting))]


def test_intake_keeps_its_registry_where_it_may_write():
    """Restarted without PostgreSQL it knows the keys from there (services/intake/README.md)."""
    compose = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    intake = compose["services"]["intake"]
    folder = pathlib.Path(intake["environment"]["TONGBAO_INTAKE_SNAPSHOT_PATH"]).parent
    mounts = {target: (source, mode) for source, target, *mode in (v.split(":") for v in intake["volumes"])}
    source, mode = mounts[str(folder)]
    assert source in compose["volumes"] and not mode
    made = re.search(r"install -d -o tongbao -g tongbao (.*)", (ROOT / "deploy/Dockerfile").read_text())
    assert str(folder) in made[1].split(), "a new volume takes its owner from the image"
    unit = (ROOT / "deploy/systemd/tongbao@.service").read_text()
    assert re.search(r"^Environment=TONGBAO_INTAKE_SNAPSHOT_PATH=/var/lib/tongbao/intake/", unit, re.M)
    assert "StateDirectory=tongbao/%i\n" in unit and "EnvironmentFile=" in unit.partition("Environment=")[2]
    assert "ExecStartPre" not in unit, "its exit status 78 would not keep systemd from trying again"


def test_the_guard_ends_what_a_killed_test_left(workspace):
    """A command with a child of its own, and a server that it noted as deploy/lib.sh does."""
    folder = pathlib.Path(tempfile.mkdtemp(dir=workspace.dir))
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    command = subprocess.Popen([sys.executable, "-c", f"import subprocess; print(subprocess.Popen({sleeper}).pid, flush=True)"
                                f"; import time; time.sleep(600)"], stdout=subprocess.PIPE, text=True,
                               start_new_session=True)
    child = int(command.stdout.readline())
    servers = [subprocess.Popen(sleeper, start_new_session=True) for _ in range(2)]
    starts = [pathlib.Path(f"/proc/{s.pid}/stat").read_text().rpartition(") ")[2].split()[19] for s in servers]
    (folder / "kafka-1.pid").write_text(f"{servers[0].pid} {starts[0]}\n")
    (folder / "intake.pid").write_text(f"{servers[1].pid} {int(starts[1]) - 1}\n")  # an earlier process of that number
    (folder / "half.pid").write_text("77 \n")
    guard = subprocess.Popen([sys.executable, "-B", ROOT / "tests/support/guard.py"], stdin=subprocess.PIPE, text=True)
    guard.communicate(f"+{command.pid}\npids {folder}\n", timeout=30)
    try:
        assert command.wait(10) == servers[0].wait(10) == -signal.SIGKILL
        wait_until(lambda: not runs(child), 10, "its child is gone")
        assert servers[1].poll() is None, "not ours"
    finally:
        servers[1].kill()
        servers[1].wait(10)


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
    requests = [json.loads(p.read_text()) for p in (checkout.dir / "var/demo/webhook").glob("*.json")]
    assert requests and {r["method"] for r in requests} == {"POST"}, "health checks are no deliveries"


def test_the_receivers_keep_the_newest(workspace):
    folder = receivers.Folder(workspace.dir / "kept", kept_max=3)
    assert [folder.keep(".json", b"x") for _ in range(5)] == [1, 2, 3, 4, 5]
    again = receivers.Folder(workspace.dir / "kept", kept_max=3)  # a later start counts on
    assert again.keep("-to-a.eml", b"x") == 6
    assert sorted(p.name for p in folder.path.iterdir()) == ["0004.json", "0005.json", "0006-to-a.eml"]
    sink = receivers.HttpSink("127.0.0.1", free_port(), kept_max=2).start()
    for number in range(3):
        urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/").close()
        urllib.request.urlopen(f"http://127.0.0.1:{sink.port}/{number}", data=b"{}").close()
    sink.stop()
    assert [(r.method, r.path) for r in sink.requests] == [("POST", "/1"), ("POST", "/2")]


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


def test_a_reader_that_has_seen_enough_is_no_error(checkout, up):
    dsn = checkout.env()["TONGBAO_PG"]
    for command in ("deploy/status", "deploy/status --json", "deploy/demo/demo.py table --var var"):
        done = subprocess.run(["bash", "-c", f"{command} | true"], cwd=checkout.dir, input=dsn + "\n",
                              stderr=subprocess.PIPE, text=True, timeout=60)
        assert done.stderr == ""


def test_an_edited_policy_is_read_again(checkout, up):
    def loads():
        return (checkout.dir / "var/log/escalator.log").read_text("utf-8").count("policy loaded")
    services, before = {s["name"]: s["pid"] for s in checkout.status()["services"]}, loads()
    chains = checkout.dir / "deploy/policy/chains.json"
    good = chains.read_text("utf-8")
    edited = chains.with_suffix(".new")
    edited.write_text(good + "\n", "utf-8")
    os.utime(edited, (1, 1))  # moved there, and older than the service by its own account
    edited.rename(chains)
    assert re.search(r"services +all run, policy read again: classifier escalator", checkout.run("up"))
    wait_until(lambda: loads() > before, 10, "the escalator has read it; to the classifier the same rules once more are no news")
    assert re.search(r"services +all run$", checkout.run("up"), re.M), "once"
    for _ in range(2):
        chains.write_text("{", "utf-8")
        output = checkout.run("up", status=1)
        assert "chains.json" in output and "is refused" in output and "stopped at step" in output
    chains.write_text(good, "utf-8")
    assert "policy read again" in checkout.run("up")
    assert {s["name"]: s["pid"] for s in checkout.status()["services"]} == services


def test_ports_that_are_taken_stop_nothing(checkout, up):
    before = checkout.pids()
    other = free_hundred()
    with socket.create_server(("127.0.0.1", other + 10)):
        output = checkout.run("up", "--ports", str(other), status=1)
    assert f"port {other + 10} (PostgreSQL) is in use by" in output
    assert "stopping" not in output and checkout.pids() == before
    assert f"PORTS={checkout.ports}\n" in (checkout.dir / "var/conf/settings").read_text()


def test_up_at_once_after_postgresql_was_killed(checkout, up):
    killed = checkout.status()["postgres"]["pid"]
    os.kill(killed, signal.SIGKILL)
    checkout.run("up")
    assert checkout.status()["postgres"]["pid"] not in (killed, None)


def test_processes_are_found_without_their_pid_files(checkout, up):
    before = sorted(checkout.pids())
    shutil.rmtree(checkout.dir / "var/run")
    assert all(s["pid"] in before for s in checkout.status()["services"])
    assert re.search(r"services +all run", checkout.run("up"))
    assert sorted(checkout.pids()) == before
    shutil.rmtree(checkout.dir / "var/run")
    checkout.run("down")
    assert len(before) >= 8 and not [p for p in before if runs(p)]
    checkout.run("up")


def test_second_up_beside_the_first_is_refused(checkout, up):
    first = checkout.command("up")
    first.stdout.readline()  # it is at work
    second = checkout.run("up", status=1)
    first.communicate(timeout=120)
    checkout.ended(first)
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
