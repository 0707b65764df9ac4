"""tongbao, the operators' command, against a real PostgreSQL, Kafka and intake."""
import json
import os
import re
import shutil
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor

import confluent_kafka
import psycopg2
import pytest
from grades import classified
from servers import ROOT, free_port, kafka_jars
from stack import SANITIZED, Service, migrate, program, tongbao

SCHEMAS = {"registry", "classifier", "escalator", "notifier", "archive", "analytics"}
ROLES = {"tongbao_intake", "tongbao_classifier", "tongbao_escalator", "tongbao_notifier", "tongbao_archiver",
         "tongbao_analyst"}


@pytest.fixture(scope="module")
def env(kafka, migrated):
    return {"TONGBAO_CTL_PG": migrated.dsn, "TONGBAO_CTL_KAFKA_BROKERS": kafka.brokers}


def run_json(*args, env, **kwargs):
    return json.loads(tongbao(*args, "--json", env=env, **kwargs).stdout)


def fails(*args, env=None, word="", status=None, **kwargs):
    done = tongbao(*args, env=env, check=False, **kwargs)
    assert done.returncode != 0 and (status is None or done.returncode == status), done
    assert done.stderr.startswith("tongbao: ") and word in done.stderr, done.stderr
    assert done.stdout == ""
    return done.stderr


# --- words ---------------------------------------------------------------------------------------

def test_help_is_there_for_every_command():
    text = tongbao("--help").stdout
    names = re.findall(r"^  ([a-z]+(?: [a-z]+)?) ", text, re.M)
    assert {"migrate", "topics create", "topics check", "enterprise add", "enterprise list", "enterprise key", "submit",
            "incident show", "policy check", "policy test", "policy explain", "policy diff", "replay", "offsets accept"} <= set(names)
    for name in names:
        own = tongbao(*name.split(), "--help").stdout
        assert own.startswith(f"tongbao {name} - ") and "--json" in own


@pytest.mark.parametrize("args, word", [
    (["eat"], "tongbao --help"), (["enterprise", "eat"], "tongbao --help"), ([], "no command"), (["submit"], "usage: tongbao submit FILE"),
    (["submit", "a", "b"], "usage"), (["submit", "a", "--group", "g"], "group"), (["migrate", "--nonsense"], "--nonsense"),
    (["offsets", "accept"], "--group"), (["replay", "--all", "--id", "x"], "not both"),
    (["enterprise", "key", "ACME", "--scopes", "fly"], "report, act, read"), (["enterprise", "add", "/nowhere"], "/nowhere"),
    (["submit", "a", "--as"], "--as needs a value, --as=VALUE"), (["submit", "a", "--as", "--json"], "--as needs a value"),
    (["incident"], '"incident show ID" is one'), (["incident", "TB-1"], '"incident show ID" is one'),
    (["incident", "show", "x", "--url", "127.0.0.1:9600", "--key", "k"], "write http://127.0.0.1:9600"),
    (["incident", "show", "x", "--as", "chipfab"], "TONGBAO_KEY_CHIPFAB is not set")])
def test_wrong_words_say_what_is_right(args, word):
    done = tongbao(*args, check=False)
    assert done.returncode != 0 and word in done.stderr, done.stderr


# --- migrate -------------------------------------------------------------------------------------

def test_migrate_makes_everything_once(postgres, env, migrated):
    again = run_json("migrate", env=env)
    assert again and not any(row["applied"] for row in again)
    assert [row["schema"] for row in again] == sorted((row["schema"] for row in again), key=["registry", "classifier", "escalator",
                                                                                            "notifier", "archive"].index)
    files = {row["file"] for row in again if row["schema"] == "archive"}
    assert {"flow/0001_flow.sql"} | {f"archiver/{p.name}" for p in (ROOT / "services/archiver/sql").glob("*.sql")} == files
    assert SCHEMAS <= {row["nspname"] for row in migrated.rows("SELECT nspname FROM pg_namespace")}
    roles = {row["rolname"]: row for row in migrated.rows(
        "SELECT rolname, rolsuper, rolcanlogin, rolconfig FROM pg_roles WHERE rolname LIKE 'tongbao_%%'", )}
    assert ROLES <= roles.keys()
    for name in ROLES:
        assert roles[name]["rolcanlogin"] and not roles[name]["rolsuper"]
        assert {"idle_in_transaction_session_timeout=3s", "lock_timeout=2s"} <= set(roles[name]["rolconfig"])
    assert {"statement_timeout=30s", "default_transaction_read_only=on", "temp_file_limit=1GB"} <= set(roles["tongbao_analyst"]["rolconfig"])


def test_each_role_may_do_its_work_and_no_other(migrated):
    for schema, role in (("classifier", "classifier"), ("escalator", "escalator"), ("notifier", "notifier"), ("archive", "archiver")):
        assert migrated.value(f"SELECT count(*) FROM {schema}.outbox", role=f"tongbao_{role}") == 0
        for other in ROLES - {f"tongbao_{role}"}:
            with pytest.raises(Exception, match="permission denied"):
                migrated.rows(f"SELECT 1 FROM {schema}.outbox", role=other)
    assert migrated.value("SELECT count(*) FROM analytics.incident", role="tongbao_analyst") == 0
    for role in ("tongbao_analyst", "tongbao_intake"):
        with pytest.raises(Exception, match="permission denied"):
            migrated.rows("UPDATE registry.credential SET revoked_at = now()", role=role)


def test_a_changed_migration_is_refused(env, migrated):
    before = migrated.value("SELECT sha256 FROM registry.migration WHERE name = 'ctl/0001_registry.sql'")
    migrated.rows("UPDATE registry.migration SET sha256 = 'x' WHERE name = 'ctl/0001_registry.sql'")
    try:
        fails("migrate", env=env, word="changed after it was applied", status=78)
    finally:
        migrated.rows("UPDATE registry.migration SET sha256 = %s WHERE name = 'ctl/0001_registry.sql'", before)
    assert not any(row["applied"] for row in run_json("migrate", env=env))


def test_two_databases_may_be_migrated_at_once(postgres):
    databases = [postgres.postgres.database(f"t_{uuid.uuid4().hex[:8]}") for _ in range(2)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(migrate, databases * 2))
    files = len(list((ROOT / "services/ctl/sql").glob("*.sql")))
    assert files > 1 and [db.value("SELECT count(*) FROM registry.migration") for db in databases] == [files, files]


def test_without_postgresql_it_says_so(env):
    said = fails("enterprise", "list", env={"TONGBAO_CTL_PG": "host=127.0.0.1 port=1 dbname=x"}, word="not reached")
    assert "--pg" not in said
    fails("enterprise", "list", env={"PGPORT": "1"}, word="--pg")
    said = fails("enterprise", "list", "--pg", "garbage", word="(--pg)")
    assert said.count("\n") == 1


# --- topics --------------------------------------------------------------------------------------

def test_topics_are_created_once_and_checked(env):
    fails("topics", "check", env=env, word="topics create")
    made = run_json("topics", "create", env=env)
    assert made["created"] == len(made["topics"]) == 7
    assert run_json("topics", "create", env=env)["created"] == 0
    tongbao("topics", "check", env=env)


# --- enterprises ---------------------------------------------------------------------------------

PARK = {"enterprises": [
    {"code": "PARK", "name": "园区响应中心", "sector": "public", "staff": 9, "is_park": True,
     "people": [{"name": "值班一", "roles": [{"role": "duty_officer"}], "contacts": [{"channel": "email", "address": "d@park.test"}]}],
     "keys": [{"label": "desk"}]},
    {"code": "ACME", "name": "艾克米", "name_en": "Acme", "sector": "manufacturing", "staff": 260, "is_listed": True,
     "data_kinds": ["customer"],
     "people": [{"name": "王安", "roles": [{"role": "security_lead"}, {"role": "it", "rank": 2}],
                 "contacts": [{"channel": "email", "address": "w@acme.test"},
                              {"channel": "webhook", "address": "http://127.0.0.1:9/x", "secret": "s", "priority": 2}]},
                {"name": "Li", "language": "en", "roles": [{"role": "deputy"}]}],
     "keys": [{"label": "reporting", "scopes": ["report", "read"]}, {"label": "all"}]}],
    "duty": [{"person_name": "值班一", "from": "2026-11-22T08:00:00+08:00", "to": "2026-11-23T08:00:00+08:00"}]}


@pytest.fixture(scope="module")
def registered(env, workspace):
    path = workspace.dir / "park.json"
    path.write_text(json.dumps(PARK, ensure_ascii=False))
    return path, run_json("enterprise", "add", path, env=env)


TABLES = ("enterprise", "person", "contact", "role_holder", "duty", "credential")


def dump(database):
    return {t: sorted(map(str, database.rows(f"SELECT * FROM registry.{t}"))) for t in TABLES if t != "enterprise"} | {
        "enterprise": sorted(r["code"] + str(r["enterprise_id"]) for r in database.rows("SELECT * FROM registry.enterprise"))}


def test_enterprise_add_registers_all_and_twice_changes_nothing(env, migrated, registered):
    path, added = registered
    assert (added["enterprises"], added["people"], added["contacts"], added["duty"]) == (2, 3, 3, 1)
    keys = {(k["code"], k["label"]): k for k in added["keys"]}
    assert keys.keys() == {("PARK", "desk"), ("ACME", "reporting"), ("ACME", "all")}
    assert keys["ACME", "reporting"]["scopes"] == ["report", "read"] and keys["ACME", "all"]["scopes"] == ["report", "act", "read"]
    assert all(re.fullmatch(r"tbk_[a-z0-9]{12}_[0-9a-f]{64}", k["key"]) and k["key_id"] in k["key"] for k in added["keys"])
    secrets = {r["secret_sha256"] for r in migrated.rows("SELECT secret_sha256 FROM registry.credential")}
    assert not any(k["key"].split("_")[2] in str(secrets) for k in added["keys"])
    before = dump(migrated)
    again = run_json("enterprise", "add", path, env=env)
    assert again["keys"] == [] and dump(migrated) == before
    holders = {(r["role"], r["rank"]) for r in migrated.rows("SELECT role, rank FROM registry.role_holder")}
    assert holders == {("duty_officer", 1), ("security_lead", 1), ("it", 2), ("deputy", 1)}
    assert migrated.value("SELECT to_char(from_at AT TIME ZONE 'UTC', 'HH24:MI') FROM registry.duty") == "00:00"


def test_enterprise_add_brings_up_to_date(env, migrated, registered, workspace):
    path = workspace.dir / "changed.json"
    changed = json.loads(json.dumps(PARK))
    changed["enterprises"][1]["staff"] = 300
    changed["enterprises"][1]["people"][1]["roles"] = [{"role": "security_lead", "rank": 2}]
    del changed["enterprises"][1]["people"][0]["contacts"][1]["secret"]
    path.write_text(json.dumps(changed))
    tongbao("enterprise", "add", path, env=env)
    assert migrated.value("SELECT staff FROM registry.enterprise WHERE code = 'ACME'") == 300
    assert migrated.value("SELECT secret FROM registry.contact WHERE channel = 'webhook'") == "s"  # absent: kept
    tongbao("enterprise", "add", registered[0], env=env)


def test_enterprise_add_is_all_or_nothing(env, migrated, registered, workspace):
    path = workspace.dir / "bad.json"
    before = dump(migrated)
    more = {"code": "NEW", "name": "新", "sector": "x", "staff": 1}
    for bad, word in (({"enterprises": [more], "duty": [{**PARK["duty"][0], "person_name": "nobody"}]}, "nobody"),
                      ({"enterprises": [more, {**more, "code": "small"}, {**more, "code": "Small"}]}, "/enterprises/1/code"),
                      ({"enterprises": [more, {**more, "code": "P2", "is_park": True}]}, "P2")):
        path.write_text(json.dumps(bad))
        fails("enterprise", "add", path, env=env, word=word)
        assert dump(migrated) == before


def test_enterprise_add_reads_standard_input(env, migrated):
    text = json.dumps({"enterprises": [{"code": "PIPED", "name": "管道", "sector": "x", "staff": 1, "keys": [{"label": "k"}]}]})
    shown = tongbao("enterprise", "add", "-", env=env, input=text).stdout
    assert re.search(r"\btbk_[a-z0-9]{12}_[0-9a-f]{64}$", shown, re.M) and "never shown again" in shown
    assert migrated.value("SELECT name FROM registry.enterprise WHERE code = 'PIPED'") == "管道"


def test_enterprise_list(env, registered):
    rows = {row["code"]: row for row in run_json("enterprise", "list", env=env)}
    assert rows["ACME"]["people"] == 2 and rows["ACME"]["keys"] >= 2 and rows["PARK"]["is_park"] is True
    table = tongbao("enterprise", "list", env=env).stdout.splitlines()
    assert table[0].split()[:3] == ["code", "name", "sector"] and any("艾克米" in line for line in table)


def test_keys_are_made_and_revoked(env, migrated, registered):
    made = run_json("enterprise", "key", "ACME", "--label", "new", "--scopes", "read", env=env)
    assert made["scopes"] == ["read"] and made["key"].startswith("tbk_" + made["key_id"])
    fails("enterprise", "key", "NOBODY", env=env, word="enterprise list")
    fails("enterprise", "key", "ACME", "--label", "钥" * 101, env=env, word="100 characters", status=78)
    assert run_json("enterprise", "key", "ACME", "--label", "钥" * 100, env=env)["label"] == "钥" * 100
    with pytest.raises(psycopg2.errors.CheckViolation):  # the console has to keep to it too
        migrated.rows("UPDATE registry.credential SET label = repeat('x', 101) WHERE key_id = %s", made["key_id"])
    fails("enterprise", "key", "PARK", "--revoke", made["key_id"], env=env, word="PARK has no key")
    for _ in range(2):
        assert run_json("enterprise", "key", "ACME", "--revoke", made["key_id"], env=env)["revoked"] is True
    assert migrated.value("SELECT revoked_at IS NOT NULL FROM registry.credential WHERE key_id = %s", made["key_id"])


# --- as an enterprise ----------------------------------------------------------------------------

@pytest.fixture(scope="module")
def intake(workspace, kafka, migrated, env, registered):
    tongbao("topics", "create", env=env)
    port = free_port()
    service = Service(workspace, "intake", {"listen": f"127.0.0.1:{port}", "kafka_brokers": kafka.brokers,
                                            "pg": migrated.dsn_as("tongbao_intake")})
    service.start()
    yield f"http://127.0.0.1:{port}"
    service.stop()
    assert not service.check_health()


def key_of(registered, code, label):
    [key] = [k["key"] for k in registered[1]["keys"] if (k["code"], k["label"]) == (code, label)]
    return key


def test_submit_and_show(intake, migrated, registered, workspace):
    report = workspace.dir / "report.json"
    report.write_text('{"summary": "数据库异常", "discovered_at": "2026-11-22T03:00:00+08:00"}')
    env = {"TONGBAO_URL": intake, "TONGBAO_KEY_ACME": key_of(registered, "ACME", "all")}
    receipt = run_json("submit", report, "--as", "ACME", env=env)
    assert receipt["reference"] in tongbao("submit", "--as", "ACME", report, env=env).stdout
    piped = run_json("submit", "-", "--url", intake + "/", "--key", env["TONGBAO_KEY_ACME"], env={}, input=report.read_text())
    assert piped["incident_id"] == receipt["incident_id"]
    fails("incident", "show", receipt["reference"], "--as", "ACME", env=env, word="404")
    migrated.rows("INSERT INTO archive.incident (incident_id, enterprise_id, drill, reference, summary, level) SELECT %s, enterprise_id,"
                  " false, %s, '数据库异常', 'larger' FROM registry.enterprise WHERE code = 'ACME'", receipt["incident_id"],
                  receipt["reference"])
    env["TONGBAO_DUTY_KEY"] = key_of(registered, "PARK", "desk")
    for name in (receipt["incident_id"], receipt["reference"], receipt["reference"].replace("-", " ").lower()):
        assert run_json("incident", "show", name, env=env)["incident_id"] == receipt["incident_id"]
    migrated.rows(
        'INSERT INTO archive.event ("offset", appended_at, occurred_at, event_id, incident_id, enterprise_id, partition, incarnation,'
        " is_repeat, is_conflict, topic, type, headers, value) SELECT 7, now(), now(), %s, %s, enterprise_id, 0, 1, false, false,"
        " 'tongbao.escalation.v1', 'escalation.state', '{}', %s FROM registry.enterprise WHERE code = 'ACME'", str(uuid.uuid4()),
        receipt["incident_id"], json.dumps({"applied": False, "refused_why": "nothing is open"}).encode())
    shown = tongbao("incident", "show", receipt["reference"], env=env).stdout
    assert re.search(r"escalation.state .* no +nothing is open", shown), shown
    assert "larger" in shown and "数据库异常" in shown and "clocks: 0" in shown


def test_submit_says_what_is_wrong(intake, registered, workspace):
    report = workspace.dir / "bad-report.json"
    report.write_text('{"summary": "x", "discovered_at": "2026-11-22T03:00:00+08:00", "impact": {"outage_minutes": "two hours"}}')
    env = {"TONGBAO_URL": intake}
    fails("submit", report, env=env, word="--as CODE")
    fails("submit", report, "--as", "ACME", env=env, word="TONGBAO_KEY_ACME")
    fails("submit", report, "--key", "tbk_x", env=env, word="401")
    said = fails("submit", report, "--key", key_of(registered, "ACME", "all"), env=env, word="/impact/outage_minutes")
    assert "two hours" in said and "422" in said
    large = workspace.dir / "list.json"
    large.write_text("[]")
    assert "object is wanted. " in fails("submit", large, "--key", key_of(registered, "ACME", "all"), env=env)
    for length, word in ((300_000, "413"), (2_000_000, "has more than 393216 bytes")):
        large.write_text(json.dumps({"summary": "x" * length}))
        said = fails("submit", large, "--key", key_of(registered, "ACME", "all"), env=env, word=word)
        assert "evidence[].url" in said
    fails("submit", report, "--key", "x", env={"TONGBAO_URL": "http://127.0.0.1:1"}, word="TONGBAO_URL")


# --- past grades ---------------------------------------------------------------------------------

DEPLOYED = ROOT / "deploy/policy"
ID, REFERENCE = "141bd7c8-87f4-8aba-b020-476223bff445", "TB-2GDXFJ47YJNTG"


def archive(database, body, kind="incident.classified", minutes_ago=5, projected=True):
    """As the archiver would: the event, and what it comes to."""
    event = str(uuid.uuid4())
    database.rows(
        'INSERT INTO archive.event ("offset", appended_at, occurred_at, event_id, incident_id, enterprise_id, partition, incarnation,'
        " is_repeat, is_conflict, topic, type, headers, value) SELECT coalesce(max(\"offset\"), 0) + 1, now() - %s * interval '1 minute',"
        " now(), %s, %s, %s, 0, 1, false, false, 'tongbao.incident.v1', %s, '{}', %s FROM archive.event",
        minutes_ago, event, body["incident_id"], body["enterprise_id"], kind, json.dumps(body).encode())
    database.rows("INSERT INTO archive.incident (incident_id, enterprise_id, drill, reference) VALUES (%s, %s, false, %s)"
                  " ON CONFLICT DO NOTHING", body["incident_id"], body["enterprise_id"], body["reference"])
    if projected and "refused_why" not in body:
        database.rows(
            "INSERT INTO archive.classification (event_id, incident_id, enterprise_id, revision, category, level, gbt20986, gbt20986_zh, regimes,"
            " reasons, needs_human, decided_by, policy_version, decided_at) VALUES (%s, %s, %s, %s, %s, %s, 'x', 'x', '[]', '[]', false, %s,"
            " %s, now() - %s * interval '1 minute')", event, body["incident_id"], body["enterprise_id"], body["revision"], body["category"],
            body["level"], body["decided_by"], body["policy_version"], minutes_ago)
    return event


@pytest.fixture(scope="module")
def grades(migrated):
    """An incident with three grades, the last a person's, one with one, and one of last month; read as an analyst."""
    first = classified({"summary": "一台办公电脑感染病毒"}, incident_id=ID, reference=REFERENCE)
    same = {k: first[k] for k in ("incident_id", "enterprise_id", "reference")}
    second = classified({"summary": "客户资料泄露,约一百二十万条", "reporter": {"name": "王磊", "phone": "021"}}, revision=1, **same)
    third = {**second, "revision": 2, "level": "larger", "decided_by": "park", "needs_human": False,
             "actor": {"scope": "park", "id": "k", "name": "值班员 周敏"}, "why": "只有测试数据"}
    refused = {**third, "refused_why": "the park has decided", "answers_event_id": str(uuid.uuid4())}
    other = classified({"summary": "客户资料泄露"})
    old = classified({"summary": "客户资料泄露"})
    for minutes, body in ((30, first), (20, second), (10, third), (9, refused), (25, other), (60 * 24 * 20, old)):
        archive(migrated, body, "incident.reclassified" if body["revision"] else "incident.classified", minutes)
    return {"first": first, "second": second, "third": third, "other": other, "old": old,
            "env": {"TONGBAO_PG": migrated.dsn_as("tongbao_analyst")}}


def test_explain_tells_the_grade_that_stands_and_those_before(grades):
    told = run_json("policy", "explain", ID, env=grades["env"])
    assert told["grade"]["revision"] == 2 and told["grade"]["why"] == "只有测试数据" and "refused_why" not in told["grade"]
    assert [e["revision"] for e in told["earlier"]] == [1, 0]
    text = tongbao("policy", "explain", ID, "--lang", "zh", env=grades["env"]).stdout
    assert f"事件  {REFERENCE}  {ID}\n" in text and "级别  较大\n" in text and "决定  园区 值班员 周敏:只有测试数据\n" in text
    assert "级别由人决定;按规则则为\n  重大  按 " in text and "[park.customer-data-leaked]" in text and "021" not in text
    one, two = text.split("以前的定级\n")[1].splitlines()
    assert one.startswith("  第 1 版  ") and "重大" in one and two.startswith("  第 0 版  ") and "决定:规则" in two
    english = tongbao("policy", "explain", ID, "--lang", "en", "--policy", "/nowhere", env=grades["env"]).stdout
    assert "revision 2, " in english and "by park-lingang" in english  # without a policy the regimes have no names, that is all


@pytest.mark.parametrize("name", [ID.upper(), REFERENCE.lower(), "TB 2GDX FJ47 YJNT G", "tb-2gdxfj47yjntg "])
def test_explain_knows_an_incident_in_any_writing(grades, name):
    assert run_json("policy", "explain", name, env=grades["env"])["grade"]["incident_id"] == ID


def test_explain_of_what_is_not_there(grades, migrated):
    fails("policy", "explain", str(uuid.uuid4()), env=grades["env"], word="the archive knows no incident", status=1)
    ungraded = str(uuid.uuid4())
    migrated.rows("INSERT INTO archive.incident (incident_id, enterprise_id, drill, reference) VALUES (%s, %s, false, 'TB-X')", ungraded,
                  str(uuid.uuid4()))
    fails("policy", "explain", ungraded, env=grades["env"], word="has no grade yet", status=1)


@pytest.mark.parametrize("args", [("explain", ID), ("diff", DEPLOYED, DEPLOYED, "--replay", "7d")])
def test_without_rights_or_database_it_says_so(grades, migrated, args):
    said = fails("policy", *args, "--pg", migrated.dsn_as("tongbao_notifier"), env=grades["env"], word="permission denied", status=78)
    assert "tongbao_analyst" in said and said.count("\n") == 1
    fails("policy", *args, env={"TONGBAO_PG": "host=127.0.0.1 port=1 dbname=x"}, word="not reached", status=1)
    fails("policy", *args, env={"TONGBAO_CTL_PG": "host=127.0.0.1 port=1 dbname=x", **grades["env"]}, word="not reached", status=1)


def test_corrections_are_texts_to_train_on(grades):
    third = grades["third"]
    done = tongbao("model", "corrections", "1h", env=grades["env"])
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"text": third["summary"], "category": third["category"], "gbt20986": third["gbt20986"]["name"], "reference": third["reference"]}]
    assert tongbao("model", "corrections", "2026-01-01T00:00:00Z", env=grades["env"]).stdout == done.stdout
    assert tongbao("model", "corrections", "0h", env=grades["env"]).stdout == ""
    fails("model", "corrections", "yesterday", env=grades["env"], word="7d")


def test_diff_replays_the_past(grades, workspace):
    policy = workspace.dir / "other-policy"
    shutil.copytree(DEPLOYED, policy)
    path = policy / "regimes/park-lingang.json"
    text = json.loads(path.read_text())
    one, = [r for r in text["rules"] if r["id"] == "park.customer-data-leaked"]
    one["level"] = "extreme"
    path.write_text(json.dumps(text))
    done = tongbao("policy", "diff", DEPLOYED, policy, "--replay", "7d", env=grades["env"])
    *changes, total, verified = done.stdout.splitlines()
    assert [c.split("  ")[0] for c in changes] == [REFERENCE, grades["other"]["reference"]], "the oldest first, the last grade by rules of each"
    assert all("level major -> extreme; park-lingang major -> extreme" in c for c in changes) and done.stderr == ""
    assert total == "2 graded, 2 differ: 2 higher, 0 lower, 0 other category"
    assert verified == "2 first grades are of the old policy: 2 follow from it, 0 do not"
    *_, month = tongbao("policy", "diff", DEPLOYED, policy, "--replay", "30d", "--json", env=grades["env"]).stdout.splitlines()
    assert json.loads(month)["graded"] == 3
    later = tongbao("policy", "diff", DEPLOYED, policy, "--replay", "2100-01-01", env=grades["env"]).stdout
    assert later.startswith("0 graded, 0 differ")


def test_diff_finds_a_first_grade_that_does_not_follow(grades, migrated):
    bad = classified({"summary": "客户资料泄露"}, level="general")
    event = archive(migrated, bad)
    done = tongbao("policy", "diff", DEPLOYED, DEPLOYED, "--replay", "1h", env=grades["env"], check=False)
    assert done.returncode == 1 and f"FAULT  {bad['reference']}  {bad['incident_id']}" in done.stdout and "level" in done.stdout
    assert done.stderr.startswith("tongbao: 1 first grades do not follow") and done.stderr.count("\n") == 1
    migrated.rows("DELETE FROM archive.event WHERE event_id = %s", event)
    done = tongbao("policy", "diff", DEPLOYED, DEPLOYED, "--replay", "1h", env=grades["env"])
    assert "tongbao: 1 grades were left out" in done.stderr and "2 graded" in done.stdout
    migrated.rows("DELETE FROM archive.classification WHERE event_id = %s", event)


def test_diff_of_many_pages_is_complete_and_may_be_cut_short(grades, migrated):
    body = classified({"summary": "客户资料泄露"})
    n = 450
    for _ in range(n):
        archive(migrated, {**body, "incident_id": str(uuid.uuid4())}, minutes_ago=2)
    done = tongbao("policy", "diff", DEPLOYED, DEPLOYED, "--replay", "7d", env=grades["env"])
    assert f"{n + 2} graded, 0 differ" in done.stdout and f"{n + 2} follow from it, 0 do not" in done.stdout
    read, out = os.pipe()
    os.close(read)
    cut = subprocess.run([program("tongbao"), "policy", "diff", str(DEPLOYED), str(DEPLOYED), "--replay", "7d"], stdout=out,
                         stderr=subprocess.PIPE, text=True, timeout=60, env={**os.environ, **SANITIZED, **grades["env"]})
    os.close(out)
    assert cut.returncode == 1 and cut.stderr == "tongbao: the output could not be written\n"


# --- dead letters, gaps --------------------------------------------------------------------------

def test_dead_letters_are_listed_and_put_back(kafka, env, intake):
    key, event = str(uuid.uuid4()), [str(uuid.uuid4()) for _ in range(3)]
    for i, origin in enumerate(("tongbao.report.v1", "tongbao.action.v1", "elsewhere")):
        kafka.produce("tongbao.dead.v1", key, b"\x00\xff not json %d" % i, {
            "ce_id": event[i], "ce_type": "report.submitted", "own": "kept", "reason": "不是 JSON", "group": "archiver",
            "origin-topic": origin, "origin-partition": "3", "origin-offset": "7"})
    listed = run_json("replay", env=env)
    assert {(row["ce_id"], row["reason"], row["put_back"]) for row in listed} == {(e, "不是 JSON", False) for e in event}
    assert "3 dead letters" in tongbao("replay", env=env).stdout
    fails("replay", "--id", str(uuid.uuid4()), env=env, word="no dead letter")
    assert run_json("replay", "--id", event[0], env=env)["put_back"] == 1
    [back] = [r for r in kafka.records("tongbao.report.v1") if r.id == event[0]]
    assert back.key == key and back.value == b"\x00\xff not json 0"
    assert back.headers == {"ce_id": event[0], "ce_type": "report.submitted", "own": "kept",
                            "replayed-from": "tongbao.report.v1/3/7"}
    assert {row["ce_id"]: row["put_back"] for row in run_json("replay", env=env)} == {
        event[0]: True, event[1]: False, event[2]: False}
    done = tongbao("replay", "--all", "--json", env=env)
    assert json.loads(done.stdout) == {"put_back": 1, "put_back_before": 1} and "left where it is" in done.stderr
    assert [r.value for r in kafka.records("tongbao.action.v1") if r.id == event[1]] == [b"\x00\xff not json 1"]


def test_one_poison_record_is_put_back_once(kafka, env, intake):
    """Three groups refuse it, and its copy too: --all again, and again, makes no more of it."""
    topic, event, poison = "tongbao.report.v1", str(uuid.uuid4()), b"\xff poison"
    copies = lambda: [r for r in kafka.records(topic) if r.value == poison]
    own = {"ce_id": event, "ce_type": "report.submitted"}

    def refuse(partition, offset, headers):
        for group in ("classifier.grade", "classifier.case", "escalator"):
            kafka.produce("tongbao.dead.v1", "k", poison, {
                **headers, "reason": "x", "group": group, "origin-topic": topic, "origin-partition": str(partition),
                "origin-offset": str(offset)})

    refuse(5, 123456, own)
    assert run_json("replay", "--all", env=env)["put_back"] == 1
    assert run_json("replay", "--all", env=env)["put_back"] == 0  # before anybody has read the copy
    [copy] = copies()
    assert copy.headers == {**own, "replayed-from": f"{topic}/5/123456"}
    refuse(copy.partition, copy.offset, copy.headers)
    assert run_json("replay", "--all", env=env)["put_back"] == 0
    assert len(copies()) == 1
    assert "put back before" in tongbao("replay", "--all", env=env).stdout
    assert run_json("replay", "--id", event, env=env)["put_back"] == 1  # named
    assert {r.headers["replayed-from"] for r in copies()} == {f"{topic}/5/123456"} and len(copies()) == 2


def test_hard_case_06_a_gap_is_accepted(env, migrated):
    """What retention removed before it was read is let go only by a person."""
    migrated.rows("INSERT INTO escalator.kafka_offset (consumer_group, topic, partition, next_offset, last_event_id, starts)"
                  " VALUES ('escalator', 'tongbao.action.v1', 2, 10, 'x', 3), ('escalator', 'tongbao.action.v1', 3, 99, 'y', 0)")
    fails("offsets", "accept", "--group", "escalator", env=env, word="no gap")
    migrated.rows("INSERT INTO escalator.kafka_gap (consumer_group, topic, partition, from_offset, to_offset)"
                  " VALUES ('escalator', 'tongbao.action.v1', 2, 10, 40), ('escalator', 'tongbao.action.v1', 3, 20, 40)")
    rows = run_json("offsets", "accept", "--group", "escalator", env=env)
    assert {(row["partition"], row["from_offset"], row["to_offset"]) for row in rows} == {(2, 10, 40), (3, 20, 40)}
    kept = {r["partition"]: r for r in migrated.rows("SELECT * FROM escalator.kafka_offset")}
    assert kept[2]["next_offset"] == 40 and kept[2]["last_event_id"] is None and kept[2]["starts"] == 0
    assert kept[3]["next_offset"] == 99 and kept[3]["last_event_id"] == "y"  # it was behind the gap already
    assert migrated.value("SELECT count(*) FROM escalator.kafka_gap WHERE accepted_at IS NULL") == 0
    fails("offsets", "accept", "--group", "escalator", env=env, word="no gap")


def test_hard_case_06_a_gap_of_a_pipe_is_accepted(kafka, env, intake, workspace):
    topic, at = "tongbao.report.v1", confluent_kafka.TopicPartition
    while kafka.produce(topic, "k", b"{}", partition=6) < 5:
        pass
    consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka.brokers, "group.id": "classifier.grade", "log_level": 0})
    consumer.commit(offsets=[at(topic, 6, 1)], asynchronous=False)
    consumer.close()
    fails("offsets", "accept", "--group", "classifier.grade", env=env, word="no gap")
    removed = workspace.dir / "removed.json"
    removed.write_text(json.dumps({"version": 1, "partitions": [{"topic": topic, "partition": 6, "offset": 4}]}))
    subprocess.run(["java", "org.apache.kafka.tools.DeleteRecordsCommand", "--bootstrap-server", kafka.brokers,
                    "--offset-json-file", removed], env={**os.environ, "CLASSPATH": f"{kafka_jars()}/*"}, check=True,
                   capture_output=True)
    [row] = run_json("offsets", "accept", "--group", "classifier.grade", env=env)
    assert (row["partition"], row["from_offset"], row["to_offset"]) == (6, 1, 4)
    assert kafka.committed("classifier.grade", topic)[6] == 4
