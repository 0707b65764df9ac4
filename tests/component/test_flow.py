"""The pipe and the sink, killed between any two of their steps (tests/support/programs/flow_driver.c owns them)."""
import collections
import os
import pathlib
import re
import shutil
import signal
import subprocess
import time
import uuid

import confluent_kafka
import pytest

from servers import ROOT, FallsSilent, Hopeless, Process, wait_until
from stack import SANITIZED, program

TOPICS = ("flow.in", "flow.later", "flow.out", "flow.dead")
PARTITIONS = 4
PIPE_STEPS = ("pipe.polled", "pipe.produced", "pipe.acked", "pipe.committed")
SINK_STEPS = ("sink.polled", "sink.begun", "sink.applied", "sink.written", "sink.committed", "outbox.sent",
              "sink.relayed", "outbox.acked")


class Driver(Process):
    def __init__(self, workspace, shape, kafka, database=None, instance="1"):
        args = [program("flow_driver"), shape, instance, kafka.brokers]
        if database:
            args.append(database.dsn)
        super().__init__(workspace, f"{shape}-{uuid.uuid4().hex[:6]}", args, env=SANITIZED)

    def start_whole(self):
        """Starts it, and waits until it has its partitions: before, a SIGTERM may find no handler."""
        before = self.log_text().count("partitions assigned")
        self.start()
        wait_until(lambda: self.log_text().count("partitions assigned") > before, 20, "partitions assigned")
        return self

    def dies_at(self, failpoint):
        """Starts it, waits until the failpoint has killed it, and takes the failpoint away."""
        self.env["TONGBAO_FAILPOINTS"] = failpoint
        self.start()
        wait_until(lambda: not self.running(), 30, f"death at {failpoint}")
        self.kill()
        del self.env["TONGBAO_FAILPOINTS"]


@pytest.fixture
def topics(kafka):
    """Fresh topics for each test; partitions as in the product."""
    admin = kafka.admin()
    there = [t for t in TOPICS if t in admin.list_topics(timeout=10).topics]
    if there:
        for future in admin.delete_topics(there).values():
            future.result(20)
        wait_until(lambda: not set(TOPICS) & set(kafka.admin().list_topics(timeout=10).topics), 20, "topics gone")
    groups = ["flow.pipe", "flow.sink"]
    for topic in TOPICS:
        kafka.create_topic(topic, PARTITIONS)
    return groups


@pytest.fixture
def database(postgres, topics):
    text = (ROOT / "common/flow/sql/0001_flow.sql").read_text()
    postgres.script("DROP SCHEMA IF EXISTS flow_test CASCADE; CREATE SCHEMA flow_test; SET search_path TO flow_test;"
                    + text + "CREATE TABLE effect (event_id uuid NOT NULL, amount int NOT NULL); CREATE TABLE door (open int);"
                      "CREATE TABLE beat AS SELECT clock_timestamp() AS at;")
    return postgres


def send(kafka, values, topic="flow.in"):
    """Sends each value under a fresh event id; returns the ids."""
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers, "log_level": 0})
    ids = []
    for value in values:
        ids.append(str(uuid.uuid4()))
        producer.produce(topic, key=ids[-1], value=value, headers=[("ce_id", ids[-1])])
    assert producer.flush(20) == 0
    return ids


def distinct(records):
    return {r.id for r in records}


def settled(kafka, group, total):
    return sum(kafka.committed(group, "flow.in").values()) == total


def test_the_pipe_killed_after_each_step_loses_nothing(kafka, topics, workspace):
    driver = Driver(workspace, "pipe", kafka)
    total = 0
    for round_number, step in enumerate(PIPE_STEPS):
        total += len(send(kafka, [f"{step} {i}" for i in range(60)]))
        driver.dies_at(f"{step}=kill@{1 if step in ('pipe.acked', 'pipe.committed') else 7}")
        driver.start()
        wait_until(lambda want=total: len(distinct(kafka.records("flow.out"))) == want, 20, f"all after {step}")
        assert driver.stop() == 0
    by_id = collections.Counter(r.id for r in kafka.records("flow.out"))
    assert len(by_id) == total
    # What repeats is what was in flight at a kill, never what was committed.
    assert sum(by_id.values()) - total <= 60 * len(PIPE_STEPS)
    assert not kafka.records("flow.dead")


@pytest.mark.parametrize("shape, topics_of_it", [("sink", ["flow.in"]), ("gather", ["flow.in", "flow.later"]),
                                                 ("gather", ["flow.later"])])
def test_the_sink_killed_after_each_step_applies_once(kafka, database, workspace, shape, topics_of_it):
    driver = Driver(workspace, shape, kafka, database)
    ids = []
    for step in SINK_STEPS:
        for topic in topics_of_it:
            ids += send(kafka, [f"{step} {i}" for i in range(60)], topic)
        driver.dies_at(f"{step}=kill@{5 if step.startswith('outbox') else 1}")
        driver.start_whole()
        wait_until(lambda: database.value("SELECT count(*) FROM flow_test.effect") == len(ids), 20, f"all after {step}")
        wait_until(lambda: len(distinct(kafka.records("flow.out"))) == len(ids), 20, f"relayed after {step}")
        assert driver.stop() == 0
    rows = database.rows("SELECT event_id::text AS id, count(*) AS n FROM flow_test.effect GROUP BY 1")
    assert {row["id"] for row in rows} == set(ids)
    assert all(row["n"] == 1 for row in rows)
    driver.start_whole()  # what the last one dead had sent, and nobody had marked, is swept after 5 s
    wait_until(lambda: database.value("SELECT count(*) FROM flow_test.outbox WHERE acked_at IS NULL") == 0, 20, "all is marked")
    assert driver.stop() == 0
    assert not kafka.records("flow.dead")


@pytest.mark.parametrize("before, after", [("sink", "gather"), ("gather", "sink")])
def test_an_upgrade_that_reads_other_topics_gets_them(kafka, database, workspace, before, after):
    """A static member that comes back at once is handed its predecessor's partitions."""
    old = Driver(workspace, before, kafka, database).start()
    send(kafka, ["before"])
    wait_until(lambda: database.value("SELECT count(*) FROM flow_test.effect") == 1, 20, "the old version runs")
    assert old.stop() == 0
    new = Driver(workspace, after, kafka, database).start()
    wanted = send(kafka, ["now"] * 8)
    later = send(kafka, ["later"] * 8, "flow.later")
    if after == "gather":
        wanted += later
    wait_until(lambda: database.value("SELECT count(*) FROM flow_test.effect") == 1 + len(wanted), 5, "the new one has them")
    assert new.stop() == 0
    ids = {row["id"] for row in database.rows("SELECT event_id::text AS id FROM flow_test.effect")}
    assert set(wanted) < ids and (after == "gather" or not set(later) & ids)


def test_what_is_urgent_never_waits_for_what_was_gathered(kafka, database, workspace):
    driver = Driver(workspace, "gather", kafka, database).start()
    count = "SELECT count(*) FROM flow_test.effect WHERE event_id = ANY (%s::uuid[])"
    transactions = "SELECT DISTINCT xmin::text AS x FROM flow_test.effect WHERE event_id = ANY (%s::uuid[])"
    for _ in range(5):
        later, urgent = send(kafka, ["quiet"] * 40, "flow.later"), send(kafka, ["quiet"] * 3)
        wait_until(lambda want=urgent: database.value(count, want) == 3, 20, "the urgent ones are applied")
        assert database.value(count, later) == 0
        wait_until(lambda want=later: database.value(count, want) == 40, 20, "the gathered ones are applied")
        together, alone = ({row["x"] for row in database.rows(transactions, ids)} for ids in (later, urgent))
        assert not together & alone
        assert len(together) <= 3, "they were not gathered"
    assert driver.stop() == 0


@pytest.mark.parametrize("shape", ["pipe", "sink"])
def test_hard_case_04_poison_leaves_its_neighbours_alone(kafka, topics, database, workspace, shape):
    driver = Driver(workspace, shape, kafka, database)
    ids = send(kafka, ["poison" if i % 25 == 3 else f"good {i}" for i in range(100)])
    driver.start()
    wait_until(lambda: len(distinct(kafka.records("flow.out"))) == 96, 20, "the neighbours went on")
    wait_until(lambda: len(kafka.records("flow.dead")) == 4, 20, "the poison is dead-lettered")
    assert driver.stop() == 0
    for dead in kafka.records("flow.dead"):
        assert dead.value == b"poison" and dead.id in ids and dead.key == dead.id
        assert "it says poison" in dead.headers["reason"]
        assert dead.headers["origin-topic"] == "flow.in" and dead.headers["group"] == f"flow.{shape}"
        assert int(dead.headers["origin-partition"]) in range(PARTITIONS)
        assert int(dead.headers["origin-offset"]) >= 0


@pytest.mark.parametrize("shape", ["pipe", "sink"])
def test_hard_case_04_a_killer_is_found_at_the_third_start(kafka, topics, database, workspace, shape):
    driver = Driver(workspace, shape, kafka, database)
    send(kafka, [f"good {i}" for i in range(20)] + ["abort"] + [f"after {i}" for i in range(20)])
    deaths = 0
    while not kafka.records("flow.dead"):
        driver.start()
        wait_until(lambda: not driver.running() or kafka.records("flow.dead"), 30, "dies or buries the killer")
        deaths += not driver.running()
        if not driver.running():
            driver.kill()
        assert deaths <= 3, "the killer was not found"
    wait_until(lambda: len(distinct(kafka.records("flow.out"))) == 40, 30, "the neighbours went on")
    assert driver.stop() == 0
    dead = kafka.records("flow.dead")
    assert [d.value for d in dead] == [b"abort"]
    assert re.search(r"signal 6|status", dead[0].headers["reason"])


@pytest.mark.parametrize("shape", ["pipe", "sink"])
def test_hard_case_04_ten_dead_letters_in_a_row_pause_the_partition(kafka, topics, database, workspace, shape):
    driver = Driver(workspace, shape, kafka, database)
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers, "log_level": 0})
    # One batch; runs of uneven length, so that its halves begin inside the paused partition's and end in a neighbour's.
    good = [str(uuid.uuid4()) for _ in range(9)]
    for _ in range(13):
        producer.produce("flow.in", value="poison", partition=0, headers=[("ce_id", str(uuid.uuid4()))])
    for i, event_id in enumerate(good):
        producer.produce("flow.in", value="good", partition=1 + i % 3, headers=[("ce_id", event_id)])
    assert producer.flush(20) == 0
    driver.start()
    wait_until(lambda: len(kafka.records("flow.out")) == len(good), 20, "the other partitions go on")
    wait_until(lambda: "paused until a restart" in driver.log_text(), 20, "it says so")
    assert driver.stop() == 0
    assert len(kafka.records("flow.dead")) == 10
    assert kafka.committed(f"flow.{shape}", "flow.in")[0] == 10
    if shape == "sink":
        assert {r["id"] for r in database.rows("SELECT event_id::text AS id FROM flow_test.effect")} == set(good)
        assert database.value("SELECT next_offset FROM flow_test.kafka_offset WHERE partition = 0") == 10


def test_hard_case_04_poison_with_a_key_that_no_index_takes(kafka, database, workspace):
    driver = Driver(workspace, "sink", kafka, database).start()
    producer, key = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers, "log_level": 0}), os.urandom(4000)
    producer.produce("flow.in", key=key, value="poison", headers=[("ce_id", str(uuid.uuid4()))])
    assert producer.flush(20) == 0
    send(kafka, ["a neighbour"] * 8)
    wait_until(lambda: len(kafka.records("flow.dead")) == 1, 20, "it is dead-lettered")
    wait_until(lambda: database.value("SELECT count(*) FROM flow_test.effect") == 8, 20, "its neighbours went on")
    assert database.value("SELECT key FROM flow_test.outbox WHERE topic = 'flow.dead'").tobytes() == key
    assert driver.stop() == 0


def test_poison_is_only_what_the_bytes_cause(kafka, database, workspace):
    """SQLSTATE 22 is the record's fault; a missing table is not, and nothing is dead-lettered for it."""
    driver = Driver(workspace, "sink", kafka, database)
    send(kafka, ["good", "data", "good too"])
    driver.start()
    wait_until(lambda: len(kafka.records("flow.dead")) == 1, 20, "the bad row's record is dead-lettered")
    database.script("ALTER TABLE flow_test.effect ADD CONSTRAINT no_room CHECK (amount = 0) NOT VALID;")
    send(kafka, ["waits"])
    wait_until(lambda: driver.log_text().count("runs again") >= 2, 20, "it tries again")
    assert len(kafka.records("flow.dead")) == 1
    database.script("ALTER TABLE flow_test.effect DROP CONSTRAINT no_room;")
    wait_until(lambda: database.value("SELECT count(*) FROM flow_test.effect") == 3, 20, "it goes on")
    assert driver.stop() == 0


@pytest.mark.parametrize("shape", ["pipe", "sink"])
def test_hard_case_06_a_group_begins_at_the_beginning(kafka, topics, database, workspace, shape):
    send(kafka, [f"early {i}" for i in range(30)])
    driver = Driver(workspace, shape, kafka, database).start()
    wait_until(lambda: len(distinct(kafka.records("flow.out"))) == 30, 20, "all that was there before the first start")
    assert driver.stop() == 0


@pytest.mark.parametrize("shape", ["pipe", "sink"])
def test_hard_case_06_removed_records_stop_it_by_name(kafka, topics, database, workspace, shape):
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers, "log_level": 0})
    for i in range(20):
        producer.produce("flow.in", value=f"{i}", partition=2, headers=[("ce_id", str(uuid.uuid4()))])
    producer.flush(20)
    # What retention does, at once: the log of partition 2 begins at 10.
    script = workspace.dir / "delete.json"
    script.write_text('{"partitions":[{"topic":"flow.in","partition":2,"offset":10}],"version":1}')
    kafka_delete = Process(workspace, "delete-records",
                           ["java", "org.apache.kafka.tools.DeleteRecordsCommand",
                            "--bootstrap-server", kafka.brokers, "--offset-json-file", script], env=kafka.env)
    kafka_delete.start()
    assert kafka_delete.stop(deadline_s=60, number=0) == 0, kafka_delete.log_text()
    driver = Driver(workspace, shape, kafka, database).start()
    wait_until(lambda: not driver.running(), 20, "it stops")
    assert driver.kill() == 78
    assert "records 0 to 9 of flow.in[2]" in driver.log_text()
    if shape == "sink":
        assert database.rows("SELECT from_offset, to_offset FROM flow_test.kafka_gap") == [{"from_offset": 0, "to_offset": 10}]


def copy_files(source, target):
    """Holes stay holes: the broker's indexes are 10 MB each and almost empty."""
    subprocess.run(["cp", "-a", "--sparse=always", source, target], check=True)


def put_back(kafka, copy):
    """The broker's files of flow.in as they were in the copy."""
    kafka.stop()
    for folder in list(kafka.data.glob("flow.in-*")):
        shutil.rmtree(folder)
        copy_files(copy / folder.name, folder)
    for name in ("recovery-point-offset-checkpoint", "replication-offset-checkpoint", "log-start-offset-checkpoint"):
        if (copy / name).exists():
            (kafka.data / name).unlink(missing_ok=True)
    kafka.start()


@pytest.mark.parametrize("shape", ["pipe", "sink"])
def test_hard_case_07_a_log_that_regrew_to_just_before_the_offset(kafka, topics, database, workspace, shape):
    """It ends where the record to compare should stand: nothing is out of range, and nothing comes."""
    def send_here(values):
        producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers, "log_level": 0})
        for value in values:
            event_id = str(uuid.uuid4())
            producer.produce("flow.in", key=event_id, value=value, partition=1, headers=[("ce_id", event_id)])
        assert producer.flush(20) == 0
    send_here(["kept 0", "kept 1"])
    kafka.stop()
    copy = workspace.dir / f"copy-{uuid.uuid4().hex[:6]}"
    copy_files(kafka.data, copy)
    kafka.start()
    send_here(["lost 0", "lost 1", "lost 2"])
    driver = Driver(workspace, shape, kafka, database).start()
    wait_until(lambda: len(distinct(kafka.records("flow.out"))) == 5, 20, "all read")
    assert driver.stop() == 0
    put_back(kafka, copy)
    send_here(["grown 0", "grown 1"])  # 4 records; the one before the offset would be the fifth
    driver.start()
    wait_until(lambda: {"grown 0", "grown 1"} <= {r.value.decode() for r in kafka.records("flow.out")}, 20, "read")
    assert driver.stop() == 0


@pytest.mark.parametrize("shape", ["pipe", "sink"])
def test_hard_case_07_another_log_is_read_from_its_start(kafka, topics, database, workspace, shape):
    """The broker's files are put back to an earlier copy and grow again: nothing of the new growth is skipped."""
    before = send(kafka, [f"kept {i}" for i in range(12)])
    kafka.stop()
    copy = workspace.dir / f"copy-{uuid.uuid4().hex[:6]}"
    copy_files(kafka.data, copy)
    kafka.start()
    lost = send(kafka, [f"lost {i}" for i in range(12)])
    driver = Driver(workspace, shape, kafka, database).start()
    wait_until(lambda: len(distinct(kafka.records("flow.out"))) == 24, 20, "all read")
    assert driver.stop() == 0
    put_back(kafka, copy)
    grown = send(kafka, [f"grown {i}" for i in range(40)])
    driver.start()

    def handled():
        return {r.value.decode() for r in kafka.records("flow.out")}
    wait_until(lambda: {f"grown {i}" for i in range(40)} <= handled(), 30, "the new growth is read")
    assert driver.stop() == 0
    if shape == "sink":
        rows = database.rows("SELECT event_id::text AS id, count(*) AS n FROM flow_test.effect GROUP BY 1")
        assert {r["id"] for r in rows} == set(before) | set(lost) | set(grown)
        assert all(r["n"] == 1 for r in rows), "no second effect"


def test_hard_case_02_a_dead_relays_rows_are_sent_first(kafka, database, workspace):
    """One process dies between commit and relay; another writes for the same incident: all rows, in order."""
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers, "log_level": 0})

    def one(value):
        producer.produce("flow.in", key="incident", value=value, headers=[("ce_id", str(uuid.uuid4()))])
        producer.flush(20)
    one("first")
    first = Driver(workspace, "sink", kafka, database, instance="a")
    first.dies_at("sink.committed=kill")
    database.script("UPDATE flow_test.outbox SET written_at = clock_timestamp() + interval '1 min'")  # too young for the sweep
    one("second")
    second = Driver(workspace, "sink", kafka, database, instance="b").start()
    wait_until(lambda: len(kafka.records("flow.out")) >= 2, 30, "both rows are relayed")
    assert second.stop() == 0
    assert [r.value for r in kafka.records("flow.out")] == [b"first", b"second"]


def test_hard_case_14_a_fenced_instance_ends_with_78(kafka, database, workspace):
    first = Driver(workspace, "sink", kafka, database).start()
    wait_until(lambda: "partitions assigned" in first.log_text(), 20, "the first has its partitions")
    second = Driver(workspace, "sink", kafka, database).start()
    wait_until(lambda: not first.running(), 30, "the first is fenced")
    assert first.kill() == 78
    assert "give each instance its own name" in first.log_text()
    ids = send(kafka, ["x"] * 10)
    wait_until(lambda: database.value("SELECT count(*) FROM flow_test.effect") == len(ids), 20, "the second goes on")
    assert second.stop() == 0


def test_two_sinks_share_and_take_over(kafka, database, workspace):
    a = Driver(workspace, "sink", kafka, database, instance="a").start()
    b = Driver(workspace, "sink", kafka, database, instance="b").start()
    ids = send(kafka, [f"{i}" for i in range(200)])
    wait_until(lambda: database.value("SELECT count(*) FROM flow_test.effect") == len(ids), 30, "both apply")
    a.kill()
    ids += send(kafka, [f"more {i}" for i in range(200)])
    wait_until(lambda: database.value("SELECT count(*) FROM flow_test.effect") == len(ids), 30, "one takes over")
    assert b.stop() == 0
    assert database.value("SELECT count(DISTINCT event_id) FROM flow_test.effect") == len(ids)


def test_hard_case_01_caught_up_to_is_not_silence(kafka, database, workspace):
    """A frozen broker must not look like "nothing new"."""
    driver = Driver(workspace, "sink", kafka, database).start()
    sql = "SELECT coalesce(min(extract(epoch FROM caught_up_to)), 0)::float FROM flow_test.kafka_offset"
    wait_until(lambda: database.value(sql) > 0, 20, "caught up")
    first = database.value(sql)
    wait_until(lambda: database.value(sql) > first, 5, "refreshed")
    kafka.freeze()
    try:
        frozen_at = database.value("SELECT extract(epoch FROM clock_timestamp())::float")
        wait_until(lambda: database.value("SELECT extract(epoch FROM clock_timestamp())::float") > frozen_at + 3, 10, "3 s")
        assert database.value(sql) <= frozen_at + 0.1
    finally:
        kafka.thaw()
    wait_until(lambda: database.value(sql) > frozen_at + 1, 20, "caught up again")
    assert driver.stop() == 0


def test_hard_case_01_heard_moves_on_while_records_come(kafka, database, workspace):
    """A sink that is always a little behind hears all the same: an end holds until it is reached."""
    driver = Driver(workspace, "sink", kafka, database)
    driver.env["TONGBAO_FAILPOINTS"] = "sink.applied=sleep:400@*"
    driver.start()
    sql = "SELECT extract(epoch FROM min(caught_up_to))::float FROM flow_test.kafka_offset"
    wait_until(lambda: database.value(sql) is not None, 20, "caught up once")
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers, "log_level": 0, "linger.ms": 0})
    began, last = time.monotonic(), None
    while time.monotonic() - began < 8:
        for partition in range(PARTITIONS):
            producer.produce("flow.in", value="quiet", partition=partition, headers=[("ce_id", str(uuid.uuid4()))])
        producer.poll(0)
        time.sleep(0.04)
        last = last or (time.monotonic() - began > 2 and database.value(sql)) or None
    assert database.value(sql) > last + 2, "it stood still while records came"
    producer.flush(20)
    assert driver.stop() == 0


def test_time_goes_on_without_partitions(kafka, database, workspace):
    """A frozen broker takes the partitions away after the session's 6 s; what is due is due all the same."""
    driver = Driver(workspace, "sink", kafka, database).start()
    sql = "SELECT extract(epoch FROM clock_timestamp() - at)::float FROM flow_test.beat"
    wait_until(lambda: "partitions assigned" in driver.log_text(), 20, "it has its partitions")

    def beats_until(event, deadline_s, what):
        def look():
            if database.value(sql) > 3:
                raise Hopeless("the clock stands")
            return event()
        wait_until(look, deadline_s, what, pause_s=0.1)

    kafka.freeze()
    try:
        beats_until(lambda: "SESSTMOUT" in driver.log_text(), 30, "the session's end")
        lost = database.value("SELECT clock_timestamp()")
        beats_until(lambda: (database.value("SELECT at FROM flow_test.beat") - lost).total_seconds() > 4, 10, "time without partitions")
    finally:
        kafka.thaw()
    ids = send(kafka, ["after"])
    wait_until(lambda: database.value("SELECT count(*) FROM flow_test.effect") == len(ids), 30, "it goes on")
    assert driver.stop() == 0


def test_hard_case_05_a_silent_postgres_is_given_up(kafka, database, workspace):
    """A backend that answers nothing, on a connection that stays open: another one within seconds."""
    driver = Driver(workspace, "sink", kafka, database).start()
    sql = "SELECT pid, state FROM pg_stat_activity WHERE application_name = 'flow.sink' AND pid <> {}"
    wait_until(lambda: "partitions assigned" in driver.log_text(), 20, "it has its partitions")
    while True:
        backend = database.rows(sql.format(0))[0]["pid"]
        os.kill(backend, signal.SIGSTOP)
        if database.rows(sql.format(0))[0]["state"] == "idle":
            break  # between two transactions: it holds no lock
        os.kill(backend, signal.SIGCONT)
    try:
        ids = send(kafka, ["goes on"])
        wait_until(lambda: database.value("SELECT count(*) FROM flow_test.effect") == len(ids), 30, "on another connection")
        assert database.rows(sql.format(backend))
        assert "did not answer within" in driver.log_text()
    finally:
        os.kill(backend, signal.SIGCONT)
    assert driver.stop() == 0


@pytest.mark.parametrize("word", [b"outbox_mark", b"sink_advance"])
def test_hard_case_05_a_postgres_that_falls_silent_on_the_way_is_given_up(kafka, database, workspace, word):
    """While the statements are made ready (the first that name it), or in the midst of a transaction."""
    door = FallsSilent(database)
    driver = Driver(workspace, "sink", kafka, database)
    driver.argv[-1] = door.dsn_as("owner")
    if word == b"outbox_mark":
        door.arm(word)
    driver.start()
    if word == b"sink_advance":
        wait_until(lambda: "partitions assigned" in driver.log_text(), 20, "it has its partitions")
        door.arm(word)
    ids = send(kafka, ["goes on"])
    wait_until(lambda: database.value("SELECT count(*) FROM flow_test.effect") == len(ids), 30, "on another connection")
    assert door.silenced.is_set() and "did not answer within" in driver.log_text()
    assert driver.stop() == 0
    door.close()


def test_a_refused_event_may_come_back(kafka, database, workspace):
    """What was refused for its time is applied when it is put back under its id; and then no more."""
    driver = Driver(workspace, "sink", kafka, database).start()
    [event_id] = send(kafka, ["early"])
    wait_until(lambda: kafka.records("flow.dead"), 20, "refused")
    [dead] = kafka.records("flow.dead")
    assert (dead.id, dead.value, dead.headers["reason"]) == (event_id, b"early", "the door is closed")
    database.script("INSERT INTO flow_test.door VALUES (1)")
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.brokers, "log_level": 0})
    for _ in range(2):
        producer.produce("flow.in", key=event_id, value="early", headers=[("ce_id", event_id)])
    assert producer.flush(20) == 0
    wait_until(lambda: sum(kafka.committed("flow.sink", "flow.in").values()) == 3, 20, "all read")
    assert driver.stop() == 0
    assert [r["id"] for r in database.rows("SELECT event_id::text AS id FROM flow_test.effect")] == [event_id]
    assert len(kafka.records("flow.dead")) == 1


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_postgres_away_and_back(kafka, database, workspace, _cluster):
    driver = Driver(workspace, "sink", kafka, database).start()
    # Quiet ones are committed without waiting for the disk: what the crash takes is read again.
    ids = send(kafka, [f"{i}" for i in range(50)] + [f"quiet {i}" for i in range(50)])
    wait_until(lambda: database.value("SELECT count(*) FROM flow_test.effect") == 100, 20, "applied")
    _cluster.kill()
    ids += send(kafka, [f"away {i}" for i in range(50)])
    wait_until(lambda: "waits for the offsets" in driver.log_text(), 20, "it waits and polls")
    before, began, tries = cpu_s(driver.pid), time.monotonic(), driver.log_text().count("waits for the offsets")
    wait_until(lambda: driver.log_text().count("waits for the offsets") > tries + 2, 20, "it tries again, and again")
    assert cpu_s(driver.pid) - before < 0.5 * (time.monotonic() - began), "it spins"
    _cluster.start()
    wait_until(lambda: database.value("SELECT count(*) FROM flow_test.effect") == len(ids), 30, "it goes on")
    assert driver.stop() == 0
    assert {r["id"] for r in database.rows("SELECT event_id::text AS id FROM flow_test.effect")} == set(ids)
    assert not kafka.records("flow.dead")
