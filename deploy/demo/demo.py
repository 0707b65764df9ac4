#!/usr/bin/python3
"""demo - the demonstration's own steps, called by deploy/up and by whoever runs it in containers.

    demo.py park  --var DIR --hooks URL    writes DIR/demo/park.json: park.json, with this receiver and a rota from now on
    demo.py env   --var DIR --url … --brokers … --bin …   < DSN   writes DIR/tongbao.env from DIR/conf/keys.json
    demo.py post  --var DIR --url …        posts reports.jsonl; what was answered is kept in DIR/demo/receipts.jsonl
    demo.py wait  --var DIR                < DSN   waits until every one is in PostgreSQL
    demo.py table --var DIR                < DSN   prints what became of them

DSN on standard input is the analyst's connection string: it holds a password, and arguments can be seen by everybody.
Each step may be repeated: times count from the first run, so a report that is posted again is the same report.
"""
import argparse
import datetime
import http.client
import json
import os
import pathlib
import re
import signal
import sys
import time
import unicodedata
import urllib.error
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]


def fail(*lines):
    for line in lines:
        print(line, file=sys.stderr)
    sys.exit(1)


def write_private(path, text):
    """Whole or not at all, readable by its owner only."""
    part = path.with_name(path.name + ".part")
    with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as f:
        f.write(text)
    part.rename(path)


# --- the registry and its keys ---------------------------------------------------------------------

def park(options):
    text = (HERE / "park.json").read_text(encoding="utf-8").replace("http://127.0.0.1:7431", options.hooks)
    registry = json.loads(text)
    officers = [p["name"] for e in registry["enterprises"] if e["is_park"] for p in e["people"]
                if any(r["role"] == "duty_officer" for r in p["roles"])]
    shift = datetime.timedelta(hours=8)
    begin = datetime.datetime.now(datetime.timezone.utc).replace(hour=0, minute=0, second=0, microsecond=0)
    registry["duty"] = [{"person_name": officers[n % len(officers)], "from": (begin + n * shift).isoformat(),
                         "to": (begin + (n + 1) * shift).isoformat()} for n in range(3 * 14)]
    for enterprise in registry["enterprises"]:  # a key's text is shown once: an attempt that lost it makes another
        for key in enterprise["keys"]:
            key["label"] += datetime.datetime.now().strftime(" %Y-%m-%d %H:%M:%S")
    (options.var / "demo/park.json").write_text(json.dumps(registry, ensure_ascii=False, indent=1), encoding="utf-8")


def keys(var):
    """{code: key} as `tongbao enterprise add` printed them, once."""
    return {k["code"]: k["key"] for k in json.loads((var / "conf/keys.json").read_text())["keys"]}


def park_code():
    registry = json.loads((HERE / "park.json").read_text(encoding="utf-8"))
    return next(e["code"] for e in registry["enterprises"] if e["is_park"])


def env(options):
    duty = park_code()
    values = {"TONGBAO_URL": options.url, "TONGBAO_KAFKA_BROKERS": options.brokers, "TONGBAO_PG": options.dsn,
              "TONGBAO_BIN": options.bin, "TONGBAO_POLICY": str(HERE.parent / "policy")}
    for code, key in sorted(keys(options.var).items()):
        values["TONGBAO_DUTY_KEY" if code == duty else f"TONGBAO_KEY_{code}"] = key
    quoted = {name: value.replace("'", "'\\''") for name, value in values.items()}
    write_private(options.var / "tongbao.env", "".join(f"export {n}='{v}'\n" for n, v in quoted.items()))


# --- posting ---------------------------------------------------------------------------------------

def started_at(folder):
    """The moment that the reports' times count from: the first run's."""
    path = folder / "started_at"
    if not path.exists():
        write_private(path, datetime.datetime.now().astimezone().replace(microsecond=0).isoformat())
    return datetime.datetime.fromisoformat(path.read_text())


def body_of(row, start):
    def ago(minutes):
        return (start - datetime.timedelta(minutes=minutes)).isoformat()
    body = {"discovered_at": ago(row["minutes_ago"]), **row["report"]}
    if "began_minutes_ago" in body:
        body["began_at"] = ago(body.pop("began_minutes_ago"))
    return body


PATIENCE_S = {503: 30, 401: 5}  # "try again"; and a key that was made just now is not known everywhere at once


def post_one(url, key, row, body):
    """The receipt. What broke or was put off is sent again: the same Idempotency-Key makes it the same report."""
    request = urllib.request.Request(f"{url}/v1/reports", json.dumps(body).encode(), {
        "Authorization": f"Bearer {key}", "Idempotency-Key": row["key"], "Content-Type": "application/json"})
    begin = time.monotonic()
    while True:
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as problem:
            if time.monotonic() - begin > PATIENCE_S.get(problem.code, 0):
                fail(f"{row['key']} of {row['enterprise']}: {problem.code} {problem.read().decode(errors='replace')}")
        except (OSError, http.client.HTTPException) as problem:
            if time.monotonic() - begin > PATIENCE_S[503]:
                fail(f"{row['key']}: no answer from {url}: {problem}")
        time.sleep(0.2)


def receipts(folder):
    path = folder / "receipts.jsonl"
    lines = path.read_text().split("\n")[:-1] if path.exists() else []  # a line cut short was not written
    return {r["key"]: r for r in map(json.loads, lines)}


def post(options):
    folder = options.var / "demo"
    rows = [json.loads(line) for line in (HERE / "reports.jsonl").read_text(encoding="utf-8").splitlines()]
    start, known, access = started_at(folder), receipts(folder), keys(options.var)
    fresh = [row for row in rows if row["key"] not in known]
    with open(folder / "receipts.jsonl", "a", encoding="utf-8") as f:
        for row in fresh:
            receipt = post_one(options.url, access[row["enterprise"]], row, body_of(row, start))
            f.write(json.dumps({"key": row["key"], **receipt}) + "\n")
            f.flush()
    print(f"{len(fresh)} accepted" if fresh else "there")


# --- what became of them ---------------------------------------------------------------------------

ARRIVED = """
WITH call AS (SELECT incident_id, person_id IS NULL OR EXISTS (
                  SELECT FROM analytics.notification n
                  WHERE n.escalation_id = e.escalation_id AND n.state IN ('sent', 'dead')) AS done
              FROM analytics.escalation e)
SELECT count(*) FILTER (WHERE EXISTS (SELECT FROM analytics.timeline t
                                      WHERE t.incident_id = i.id AND t.type = 'report.submitted')),
       count(*) FILTER (WHERE EXISTS (SELECT FROM analytics.incident g
                                      WHERE g.incident_id = i.id AND g.level IS NOT NULL)),
       count(*) FILTER (WHERE (SELECT bool_and(done) FROM call WHERE call.incident_id = i.id))
FROM unnest(%s::uuid[]) AS i(id)"""

TABLE = """
SELECT i.reference, i.enterprise_name, i.category, i.level, i.drill, o.due_at, o.duty, n.roles
FROM analytics.incident i
LEFT JOIN LATERAL (SELECT due_at, duty FROM analytics.obligation o
                   WHERE o.incident_id = i.incident_id AND due_at IS NOT NULL
                     AND o.state IN ('running', 'warned', 'overdue')
                   ORDER BY o.state = 'overdue', due_at LIMIT 1) o ON true
LEFT JOIN LATERAL (SELECT array_agg(DISTINCT e.role) AS roles
                   FROM analytics.notification n JOIN analytics.escalation e USING (escalation_id)
                   WHERE n.incident_id = i.incident_id AND n.state = 'sent') n ON true
WHERE i.incident_id = ANY(%s::uuid[])
ORDER BY array_position('{extreme,major,larger,general}', i.level), o.due_at"""


def connect(dsn):
    import psycopg2
    return psycopg2.connect(dsn, connect_timeout=5)


def wait(options):
    ids = [r["incident_id"] for r in receipts(options.var / "demo").values()]
    db = connect(options.dsn)
    end = time.monotonic() + 60
    while True:
        with db, db.cursor() as cursor:
            cursor.execute(ARRIVED, (ids,))
            stored, graded, told = cursor.fetchone()
        if stored == graded == told == len(ids):
            break
        if time.monotonic() > end:
            fail(f"of {len(ids)} reports, after 60 s: {stored} stored, {graded} graded, {told} with everybody told.",
                 "deploy/status says which service is behind; its log is in var/log.")
        time.sleep(0.1)
    print(f"{stored} stored, graded, told")


def width(text):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def fit(text, columns):
    """Cut or filled to so many columns; a Chinese character takes two."""
    if width(text) > columns:
        while width(text) > columns - 1:
            text = text[:-1]
        text += "…"
    return text + " " * (columns - width(text))


def words():
    """{(set, value): Chinese} from proto/enums.def, where the values are declared."""
    text = (ROOT / "proto/enums.def").read_text("utf-8")
    rows = re.findall(r'^ENUM_VALUE\((\w+), \w+, "([^"]*)", "([^"]*)"', text, re.M)
    return {(name, value): zh for name, value, zh in rows}


def clock_text(due_at, duty):
    """Hours and minutes until the clock runs out; with a minus since it did."""
    if not due_at:
        return "-"
    minutes = round((due_at - datetime.datetime.now(datetime.timezone.utc)).total_seconds() / 60)
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else ''}{hours}:{rest:02} {duty}"


def table(options):
    zh = words()
    ids = [r["incident_id"] for r in receipts(options.var / "demo").values()]
    with connect(options.dsn) as db, db.cursor() as cursor:
        cursor.execute(TABLE, (ids,))
        rows = cursor.fetchall()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # the reader may have seen enough, as `head` has
    columns = (16, 16, 8, 8, 15, 32)
    for cells in [("reference", "enterprise", "category", "level", "next clock", "told")] + [
            (reference, ("[演练]" if drill else "") + name.removesuffix("有限公司"),
             zh.get(("category", category), category or "-"), zh.get(("level", level), level or "-"),
             clock_text(due_at, duty), " ".join(zh.get(("role", r), r) for r in roles or []) or "-")
            for reference, name, category, level, drill, due_at, duty, roles in rows]:
        print(" ".join(fit(cell, n) for cell, n in zip(cells, columns)).rstrip())


def main():
    steps = {f.__name__: f for f in (park, env, post, wait, table)}
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("step", choices=steps)
    parser.add_argument("--var", type=pathlib.Path, required=True)
    for name in ("url", "brokers", "bin", "hooks"):
        parser.add_argument(f"--{name}")
    options = parser.parse_args()
    if options.step in ("env", "wait", "table"):
        options.dsn = sys.stdin.readline().strip()
    steps[options.step](options)


if __name__ == "__main__":
    main()
