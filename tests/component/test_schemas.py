"""The contract holds together: the schemas in the tree are those of the tables, a real validator and the C decoder
agree on every example and on mutants of them, and the OpenAPI and AsyncAPI documents name what there is."""
import copy
import json
import os
import pathlib
import random
import shutil
import subprocess

import jsonschema
import pytest
import yaml

BIN = pathlib.Path(os.environ["TONGBAO_BUILD"]) / "bin"
PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
MUTANTS = 4000
SEED = 20260122


def load(path):
    return json.loads(path.read_text(encoding="utf-8"))


def contract():
    """(kind, name) -> (schema, example)"""
    out = {}
    for kind, examples in (("event", PROTO / "examples"), ("request", PROTO / "examples/requests")):
        for path in sorted((PROTO / f"schemas/{kind}s").glob("*.schema.json")):
            name = path.name.removesuffix(".schema.json")
            out[kind, name] = load(path), load(examples / f"{name}.json")
    return out


CONTRACT = contract()


# --- the schemas ---------------------------------------------------------------------------------


def printed(root):
    files = [root / "asyncapi.yaml", *root.glob("schemas/*/*")]
    return {str(path.relative_to(root)): path.read_text(encoding="utf-8") for path in files}


def test_what_is_printed_from_the_tables_is_current(tmp_path):
    subprocess.run([BIN / "schemas", tmp_path], check=True)
    fresh, kept = printed(tmp_path), printed(PROTO)
    stale = sorted(name for name in fresh.keys() | kept.keys() if fresh.get(name) != kept.get(name))
    assert not stale, f"run `schemas proto`: stale are {', '.join(stale)}"


def test_every_schema_is_one():
    for schema, _ in CONTRACT.values():
        jsonschema.Draft202012Validator.check_schema(schema)


# --- policies ------------------------------------------------------------------------------------
POLICY = PROTO.parent / "deploy/policy"
POLICY_FILES = {path.relative_to(POLICY): load(PROTO / f"schemas/policy/{name}.schema.json")
                for name, paths in (("regime", POLICY.glob("regimes/*.json")), ("taxonomy", [POLICY / "taxonomy.json"]),
                                    ("words", [POLICY / "words.json"]), ("figures", [POLICY / "figures.json"]))
                for path in paths}


def loads(folder):
    """Does the classifier take the policy? Its word when it does not."""
    done = subprocess.run([BIN / "tongbao-policy", "--policy", folder, "grade"], input="", capture_output=True, text=True,
                          timeout=60)
    assert done.returncode in (0, 78), done.stderr
    return done.returncode == 0, done.stderr


@pytest.mark.parametrize("name", POLICY_FILES, ids=str)
def test_the_deployed_policy_is_by_the_schema(name):
    jsonschema.Draft202012Validator.check_schema(POLICY_FILES[name])
    jsonschema.Draft202012Validator(POLICY_FILES[name]).validate(load(POLICY / name))


def objects(value):
    if isinstance(value, dict):
        yield value
    for child in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from objects(child)


def test_what_the_schema_refuses_the_loader_refuses(tmp_path):
    rng, refused = random.Random(SEED), 0
    for n in range(60):
        name = rng.choice([path for path in POLICY_FILES if str(path) not in ("words.json", "figures.json")])
        folder = tmp_path / str(n)
        shutil.copytree(POLICY, folder, ignore=shutil.ignore_patterns("texts", "cases", "model.bin"))
        doc = load(POLICY / name)
        place = rng.choice([o for o in objects(doc) if o])
        member = rng.choice(list(place))
        change = rng.choice(["remove", "null", "number", "list", "rename"])
        if change in ("remove", "rename"):
            value = place.pop(member)
            if change == "rename":
                place[member + "s"] = value
        else:
            place[member] = {"null": None, "number": -7, "list": []}[change]
        (folder / name).write_text(json.dumps(doc), encoding="utf-8")
        if jsonschema.Draft202012Validator(POLICY_FILES[name]).is_valid(doc):
            continue
        refused += 1
        taken, why = loads(folder)
        assert not taken, f"{name}: {member} {change} in {place} is taken"
        assert f"{name}:1:" in why, why
    assert refused > 20


def test_every_example_has_a_schema():
    examples = {("event", p.stem) for p in (PROTO / "examples").glob("*.json")}
    examples |= {("request", p.stem) for p in (PROTO / "examples/requests").glob("*.json")}
    assert examples == CONTRACT.keys()


# --- agreement -----------------------------------------------------------------------------------

TIMES = [
    "2026-11-22T03:00:00.000Z", "2026-11-22T03:00:00Z", "2026-11-22T03:00:00.1Z", "2026-11-22T03:00:00.123456Z",
    "2026-11-22T03:00:00+08:00", "2026-11-22T03:00:00.500-00:00", "2026-11-22T03:00:00.000+23:59",
    "2026-11-22T03:00:00+24:00", "2026-11-22T03:00:00+08:60", "2026-11-22T03:00:00+0800", "2026-11-22T03:00:00",
    "2026-11-22t03:00:00z", "2026-11-22t03:00:00.000z", "2026-11-22 03:00:00Z", "2026-11-22T24:00:00.000Z",
    "2026-11-22T23:60:00.000Z", "2026-11-22T23:59:60.000Z", "2026-02-28T00:00:00.000Z", "2026-02-29T00:00:00.000Z",
    "2026-02-30T00:00:00.000Z", "2024-02-29T00:00:00.000Z", "2024-02-30T00:00:00.000Z", "2000-02-29T00:00:00.000Z",
    "2100-02-29T00:00:00.000Z", "2400-02-29T00:00:00.000Z", "1972-02-29T12:00:00.000Z", "1974-02-29T12:00:00.000Z",
    "9996-02-29T12:00:00.000Z", "2026-04-31T00:00:00.000Z", "2026-11-31T00:00:00.000Z", "2026-12-31T00:00:00.000Z",
    "2026-00-10T00:00:00.000Z", "2026-13-10T00:00:00.000Z", "2026-01-00T00:00:00.000Z", "2026-01-32T00:00:00.000Z",
    "1969-12-31T23:59:59.999Z", "1970-01-01T00:00:00.000Z", "1971-01-01T00:00:00.000Z", "9998-12-31T23:59:59.999Z",
    "9999-12-31T23:59:59.999Z", "10000-01-01T00:00:00.000Z", "2026-11-22T03:00:00.000Z\n", " 2026-11-22T03:00:00.000Z",
    "٢٠٢٦-11-22T03:00:00.000Z", "2026-11-22T03:00:00.00٣Z", "2026-11-22T03:00:00.Z", "2026-11-22", "yesterday", "",
    "9998-12-31T23:59:59.999-23:59", "1971-01-01T00:00:00+23:59", "1970-12-31T23:59:59Z", "9999-01-01T00:00:00Z",
]
IDS = [
    "0192f0c1-2b3c-7d4e-8f50-61728394a5b6", "0192F0C1-2B3C-7D4E-8F50-61728394A5B6",
    "00000000-0000-0000-0000-000000000000", "0192f0c12b3c7d4e8f5061728394a5b6", "0192f0c1-2b3c-7d4e-8f50-61728394a5b",
    "0192f0c1-2b3c-7d4e-8f50-61728394a5b6\n", "0192f0c1-2b3c-7d4e-8f50-61728394a5bg", "{0192f0c1-2b3c-7d4e-8f50}", "",
]
OTHER_TYPES = [None, True, False, 0, -1, 1.5, 1e20, "", "文", [], [None], {}, {"nope": 1}]


def resolve(schema, root):
    """The schema of a value that is there: through $ref, and past the null that an optional one may be."""
    for branch in schema.get("anyOf", []):
        if branch != {"type": "null"}:
            return resolve(branch, root)
    if "$ref" in schema:
        return root["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    return schema


def values_for(schema):
    """Values at and around each bound of a schema, and of other types."""
    yield from OTHER_TYPES
    if "minimum" in schema:
        low, high = schema["minimum"], schema["maximum"]
        yield from (low, high, low - 1, high + 1, float(low), low + 0.5, float(min(high, 2**52)), 2**53, -(2**53))
    if "minLength" in schema:
        low, high = schema["minLength"], schema["maxLength"]
        for char in ("a", "é", "通", "😀"):
            yield from (char * low, char * (low - 1 if low else 0), char * high, char * (high + 1))
        yield from ("\n", " ", "a\tb\"\\/", "\u2028", "\ufffe", "e\u0301")
    if "date-time" == schema.get("format"):
        yield from TIMES
    elif "pattern" in schema:
        yield from IDS
    for text in schema.get("enum", []):
        if text is not None:
            yield from (text, text.upper(), text + " ", text[:-1])


def items_for(schema, old, root):
    item = resolve(schema["items"], root)
    one = old[0] if old else next(
        (v for v in values_for(item) if jsonschema.Draft202012Validator({**item, "$defs": root.get("$defs", {})}).is_valid(v)), {})
    most = schema["maxItems"]
    yield from ([], [one], [one, one], [one] * most, [one] * (most + 1), [one, None], one)
    for value in values_for(item):
        yield [value]
        yield [one, value]
    if "enum" in item:
        yield item["enum"]
        yield item["enum"] + item["enum"][:1]


def edits(value, schema, root, path=()):
    """(path, new value) of one change each; a missing new value is a deletion."""
    schema = resolve(schema, root)
    if isinstance(value, list):
        for i, item in enumerate(value):
            yield from edits(item, schema["items"], root, path + (i,))
        return
    if not isinstance(value, dict):
        return
    for key in ("unknown", "Summary", "", "incident_ids", "x" * 300, "~1/名"):
        yield path + (key,), "x"
    for key, sub in schema["properties"].items():
        here, inner = path + (key,), resolve(sub, root)
        if key in value:
            yield (here,)
            yield from edits(value[key], sub, root, here)
        if inner.get("type") in ("array", ["array", "null"]):
            for new in items_for(inner, value.get(key), root):
                yield here, new
        for new in values_for(inner):
            yield here, new


def apply(document, path, *new):
    out = copy.deepcopy(document)
    at = out
    for key in path[:-1]:
        at = at[key]
    if new:
        at[path[-1]] = new[0]
    else:
        del at[path[-1]]
    return out


def cases():
    for (kind, name), (schema, example) in CONTRACT.items():
        yield kind, name, example
        for whole in ({}, [], [example]):
            yield kind, name, whole
    mutants = [(kind, name, edit) for (kind, name), (schema, example) in CONTRACT.items()
               for edit in edits(example, schema, schema)]
    assert len(mutants) > MUTANTS
    for kind, name, edit in random.Random(SEED).sample(mutants, MUTANTS):
        yield kind, name, apply(CONTRACT[kind, name][1], *edit)


def decode_all(tasks):
    lines = "".join(json.dumps({"kind": k, "name": n, "document": t}, ensure_ascii=False) + "\n" for k, n, t in tasks)
    run = subprocess.run([BIN / "decode"], input=lines.encode(), capture_output=True, check=True)
    out = [json.loads(line) or "ok" for line in run.stdout.splitlines()]
    assert len(out) == len(tasks)
    return out


def test_validator_and_decoder_agree():
    all_cases = list(cases())
    answers = decode_all([(k, n, json.dumps(d, ensure_ascii=i % 2 == 0)) for i, (k, n, d) in enumerate(all_cases)])
    validators = {key: jsonschema.Draft202012Validator(schema) for key, (schema, _) in CONTRACT.items()}
    valid = 0
    for (kind, name, document), answer in zip(all_cases, answers):
        problem = jsonschema.exceptions.best_match(validators[kind, name].iter_errors(document))
        valid += problem is None
        assert (problem is None) == (answer == "ok"), (
            f"{kind} {name}: the validator says {problem.message[:300] if problem else 'ok'}, the decoder {answer}\n"
            f"{json.dumps(document, ensure_ascii=False)[:2000]}")
    assert valid > 500 and len(all_cases) - valid > 500  # both answers are really tried


def test_every_example_is_taken():
    tasks = [(kind, name, json.dumps(example)) for (kind, name), (_, example) in CONTRACT.items()]
    assert decode_all(tasks) == ["ok"] * len(tasks)


@pytest.mark.parametrize("text, part", [
    ('{"summary": "x", "discovered_at": "2026-11-22T03:00:00Z", "impact": {"outage_minutes": "two hours"}}',
     '/impact/outage_minutes must be a whole number from 0 to 5256000 (minutes that the system as a whole has been '
     'down); got the text "two hours"'),
    ('{"summary": "x", "discovered_at": "2026-11-22T03:00:00Z", "impact": {"outage_minute": 2}}',
     '/impact/outage_minute is not a field of impact: did you mean "outage_minutes"?'),
    ('{"summary": "x"}', "/discovered_at is missing (when it was noticed"),
    ('{"summary": "x", "summary": "y"}', 'column 29: the key "summary" stands twice'),
])
def test_a_refusal_says_what_to_do(text, part):
    assert part in decode_all([("request", "report", text)])[0]


# --- the documents -------------------------------------------------------------------------------


def references(node):
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            else:
                yield from references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def follow(document, pointer):
    for key in pointer.lstrip("/").split("/") if pointer else []:
        document = document[key.replace("~1", "/").replace("~0", "~")]
    return document


def document(name):
    with open(PROTO / name, encoding="utf-8") as f:
        return yaml.safe_load(f)


@pytest.mark.parametrize("name", ["openapi.yaml", "asyncapi.yaml"])
def test_every_reference_resolves(name):
    found = list(references(document(name)))
    assert found
    for ref in found:
        path, _, pointer = ref.partition("#")
        target = load(PROTO / path) if path else document(name)
        try:
            follow(target, pointer)
        except (KeyError, TypeError):
            pytest.fail(f"{name}: {ref} leads nowhere")


def table(name, macro):
    """The rows of a .def file."""
    for line in (PROTO / name).read_text(encoding="utf-8").splitlines():
        if line.startswith(macro + "("):
            yield [field.strip(' "') for field in line[len(macro) + 1:].split(",", 4)]


def test_asyncapi_names_every_topic_and_every_type_on_its_topic():
    doc = document("asyncapi.yaml")
    topics = {row[0]: row[1] for row in table("topics.def", "TOPIC")}
    assert {c["address"] for c in doc["channels"].values()} == set(topics.values())
    on_topic = {(c["address"], follow(doc, m["$ref"][1:])["name"])
                for c in doc["channels"].values() for m in c["messages"].values()}
    for _, name, topic, *_ in table("event_types.def", "EVENT"):
        assert (topics[topic], name) in on_topic
        message = next(m for m in doc["components"]["messages"].values() if m["name"] == name)
        assert message["payload"]["schema"]["$ref"] == f"./schemas/events/{name}.schema.json"


def test_openapi_names_every_operation_with_its_answers():
    paths = document("openapi.yaml")["paths"]
    want = {
        ("/", "get"): "200",
        ("/v1/reports", "post"): "202 400 401 403 405 413 415 422 503",
        ("/v1/incidents/{id}", "get"): "200 400 401 403 404 405 503",
        ("/v1/incidents/{id}/supplements", "post"): "202 400 401 403 404 405 413 415 422 503",
        ("/v1/incidents/{id}/actions", "post"): "202 400 401 403 404 405 413 415 422 503",
    }
    assert {(p, m) for p, item in paths.items() for m in item if m in ("get", "post", "put", "delete")} == want.keys()
    for (path, method), codes in want.items():
        assert set(codes.split()) <= paths[path][method]["responses"].keys()
        if method == "post":
            body = paths[path][method]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
            assert body.startswith("./schemas/requests/")
