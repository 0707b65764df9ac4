"""`tongbao grade`, `tongbao policy`, `tongbao model`: the classifier's decisions with no broker and no database."""
import json
import os
import shutil
import subprocess

import pytest
from grades import classified
from servers import ROOT
from stack import program, tongbao

POLICY = ROOT / "deploy/policy"
LEAK = {"summary": "我行系统遭人非法侵入,侵入者从中获取储户信息1300余万条。"}
VIRUS = {"summary": "一台办公电脑感染病毒"}


def grade(*lines, policy=ROOT / "deploy/policy"):
    """The answers, one for each line that is not empty, and the exit status with what standard error says."""
    text = "".join((line if isinstance(line, str) else json.dumps(line, ensure_ascii=False)) + "\n" for line in lines)
    done = subprocess.run([program("tongbao"), "grade", "--policy", str(policy)], input=text, capture_output=True, text=True,
                          timeout=60)
    return [json.loads(line) for line in done.stdout.splitlines()], done.returncode, done.stderr


def test_a_decision_names_its_reasons_and_what_is_missing():
    (got,), status, stderr = grade({"summary": "我行系统遭人非法侵入,侵入者从中获取储户信息1300余万条。"})
    assert status == 0 and stderr == ""
    assert got["category"] == "data_leak" and got["gbt20986"]["name"] == "data_security" and got["gbt20986"]["zh"] == "数据安全"
    assert got["level"] == "major" and got["regimes"]["cac-2025"]["level"] == "major"
    why, = [r for r in got["reasons"] if r["rule"] == "cac.5.major"]
    assert why["source"]["article"] == "第5项 重大"
    said, = [f for f in why["fields"] if f["pointer"] == "/said/personal_records_persons"]
    assert json.loads(said["value"]) == {"at_least": 13000000, "at_most": 14000000}
    assert any(m["level"] == "extreme" and m["regime"] == "cac-2025" for m in got["missing"])
    assert len(got["policy_version"]) == 64


def test_what_cannot_be_told_is_null_and_the_level_never_is():
    (got,), status, _ = grade({"summary": "今天网络有点慢。"})
    assert status == 0 and got["level"] == "general" and got["needs_human"]
    assert got["regimes"]["cac-2025"] == {"level": None, "needs_human": False}


def test_facts_and_profile_count_as_when_they_are_posted():
    down = {"summary": "调度系统整体中断。", "system": {"is_cii": True}, "impact": {"outage_minutes": 60}}
    (plain, cii), status, _ = grade(down, {**down, "profile": {"is_cii": True}})
    assert status == 0 and cii["regimes"]["cac-2025"]["level"] == "major" and plain["category"] == cii["category"]


def test_a_line_that_is_no_report_does_not_stop_the_others():
    answers, status, stderr = grade({"summary": "官网打不开"}, "", "no report", {"summary": ""}, {"summary": "x", "impakt": {}},
                                    {"summary": "x", "profile": {"staff": "many"}}, {"summary": "客户资料泄露"})
    assert [a.get("line") for a in answers] == [None, 3, 4, 5, 6, None]
    assert [a.get("pointer") for a in answers[1:5]] == ["", "/summary", "/impakt", "/profile"]
    assert "/staff" in answers[4]["error"] and answers[5]["category"] == "data_leak"
    assert status == 1 and "4 of 7 lines" in stderr


def test_the_same_report_gives_the_same_bytes():
    report = {"summary": "约一百二十万条客户信息外泄,官网中断3个半小时,损失600万元。", "ongoing": True}
    turned = dict(reversed(report.items()))
    (a, b, c), _, _ = grade(report, turned, report)
    assert a == b == c and a["regimes"]["cac-2025"]["level"] == "larger"


def test_the_environment_of_a_deployment_names_the_policy(tmp_path):
    done = subprocess.run([program("tongbao"), "grade"], input='{"summary": "客户资料泄露"}\n', capture_output=True, text=True,
                          cwd=tmp_path, env={"PATH": "/usr/bin", "TONGBAO_POLICY": str(ROOT / "deploy/policy")}, timeout=60)
    assert done.returncode == 0 and json.loads(done.stdout)["category"] == "data_leak"


def model(command, policy):
    return subprocess.run([program("tongbao"), "model", command, "--policy", str(policy)], capture_output=True, text=True, timeout=120)


def test_the_shipped_model_is_what_its_texts_make(tmp_path):
    policy = tmp_path / "policy"
    shutil.copytree(ROOT / "deploy/policy", policy)
    shipped = (policy / "model.bin").read_bytes()
    (policy / "model.bin").unlink()
    told, = grade({"summary": "物业的一个保安把门禁后台的东西拍给了装修公司"}, policy=policy)[0]
    assert told["reasons"][0]["rule"] == "category.otherwise"
    done = model("train", policy)
    assert done.returncode == 0 and "1000 texts" in done.stdout, done.stderr
    assert (policy / "model.bin").read_bytes() == shipped
    now, = grade({"summary": "物业的一个保安把门禁后台的东西拍给了装修公司"}, policy=policy)[0]
    assert now["reasons"][0]["rule"] == "category.model-data-leak" and now["category"] == "data_leak"
    assert json.loads(now["reasons"][0]["fields"][0]["value"])["probability"] >= 0.5
    assert now["policy_version"] != told["policy_version"] and now["level"] == told["level"]


def test_the_model_is_tested_on_texts_that_it_has_not_seen():
    done = model("test", ROOT / "deploy/policy")
    right = [float(line.split("texts, ")[1].split(" ")[0]) for line in done.stdout.splitlines()]
    assert done.returncode == 0 and len(right) == 4 and min(right) > 0.6 and max(right) < 0.95


def test_texts_that_cannot_be_learned_from_are_named(tmp_path):
    policy = tmp_path / "policy"
    shutil.copytree(ROOT / "deploy/policy", policy)
    with open(policy / "texts/mine.jsonl", "w") as f:
        f.write('{"text": "x", "category": "intrusion"}\n{"text": "y", "category": "fire"}\n')
    done = model("train", policy)
    assert done.returncode == 78 and "mine.jsonl:2" in done.stderr and "category" in done.stderr
    (policy / "model.bin").write_bytes(b"no model")
    told = grade({"summary": "x"}, policy=policy)[2]
    assert "model.bin" in told and "remove it, then train it" in told


def test_one_file_of_texts_cannot_be_tested_and_an_empty_one_is_none(tmp_path):
    policy = tmp_path / "policy"
    shutil.copytree(ROOT / "deploy/policy", policy)
    for path in sorted((policy / "texts").glob("*.jsonl"))[1:]:
        path.unlink()
    (policy / "texts/empty.jsonl").write_text("")
    done = model("test", policy)
    assert done.returncode == 78 and "by those of the others" in done.stderr and done.stdout == "", done


def test_a_bad_policy_is_named(tmp_path):
    answers, status, stderr = grade({"summary": "x"}, policy=tmp_path)
    assert answers == [] and status == 78 and str(tmp_path) in stderr


# --- tongbao policy ------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path):
    """A copy of the deployed policy, to be changed."""
    shutil.copytree(POLICY, tmp_path / "policy")
    return tmp_path / "policy"


def edit(path, change):
    doc = json.loads(path.read_text())
    change(doc)
    path.write_text(json.dumps(doc, ensure_ascii=False))


def rule(doc, name):
    one, = [r for r in doc["rules"] if r["id"] == name]
    return one


def policy(*args, **kwargs):
    return tongbao("policy", *args, **{"check": False, **kwargs})


def refused(done, status, *words):
    assert done.returncode == status and done.stdout == "", done
    assert done.stderr.startswith("tongbao: ") and done.stderr.count("\n") == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr


def test_policy_help_lists_its_commands():
    text = policy("--help").stdout
    assert all(f"policy {name}" in text for name in ("check", "test", "explain", "diff")) and "migrate" not in text


# check

def test_check_says_what_a_good_folder_holds():
    done = policy("check", POLICY)
    assert done.returncode == 0 and done.stdout.startswith(f"{POLICY}: good\n") and done.stderr == ""
    told = json.loads(policy("check", POLICY, "--json").stdout)
    (graded,), _, _ = grade(VIRUS)
    assert told["version"] == graded["policy_version"] and told["version"] in done.stdout
    for name in ("cac-2025", "park-lingang"):
        doc = json.loads((POLICY / f"regimes/{name}.json").read_text())
        one, = [r for r in told["regimes"] if r["id"] == name]
        assert one["rules"] == len(doc["rules"]) and f"{name}: {len(doc['rules'])} rules" in done.stdout
    cases = [c for f in (POLICY / "cases").glob("*.json") for c in json.loads(f.read_text())["cases"]]
    assert told["cases"] == len(cases) and told["cases_failed"] == 0
    assert told["word_lists"] > 50 and told["figures"] > 3 and told["category_rules"] > 20


def test_the_rules_that_the_benches_grade_by_are_good():
    done = policy("check", ROOT / "tests/bench/streams/policy")
    assert done.returncode == 0 and "park-lingang: 3 rules" in done.stdout, done


def test_check_names_rules_that_no_case_shows(folder):
    before = json.loads(policy("check", folder, "--json").stdout)
    new = {"id": "cac.new", "level": "extreme", "when": {"at": "/facts/system/workstations_hit", "ge": 123456}, "zh": "新",
           "en": "new", "source": {"document": "d"}, "verified": True}
    edit(folder / "regimes/cac-2025.json", lambda d: d["rules"].append(new))
    after = json.loads(policy("check", folder, "--json").stdout)
    assert set(after["unshown"]) - set(before["unshown"]) == {"cac-2025/cac.new"}
    assert "cac-2025/cac.new" in policy("check", folder).stdout
    case = {"name": "新规则", "report": {"summary": "x", "system": {"workstations_hit": 200000}},
            "expected": {"category": "intrusion", "gbt20986": "other", "level": "extreme"}}
    (folder / "cases/mine.json").write_text(json.dumps({"cases": [case]}))
    shown = json.loads(policy("check", folder, "--json").stdout)
    assert "cac-2025/cac.new" not in shown["unshown"] and shown["cases"] == before["cases"] + 1


def test_check_refuses_a_rule_that_can_never_decide(folder):
    edit(folder / "regimes/cac-2025.json", lambda d: d["rules"].append({**rule(d, "cac.5.major"), "id": "cac.twin"}))
    refused(policy("check", folder), 78, "regimes/cac-2025.json:", '"cac.twin" can never decide anything', '"cac.5.major"')


@pytest.mark.parametrize("change, words", [
    (lambda d: d.update(cases=[]), ["/cases"]), (lambda d: d.update(more=1), ["/more"]),
    (lambda d: d["cases"][0].pop("report"), ["/cases/0", "/report"]),
    (lambda d: d["cases"][1].update(nmae="x"), ["/cases/1", "/nmae"]),
    (lambda d: d["cases"][0]["expected"].update(level="grave"), ["/expected: /level", "general, larger, major, extreme"]),
    (lambda d: d["cases"][0]["expected"]["regimes"].update(mars="major"), ["/regimes: /mars", "no such regime"]),
    (lambda d: d["cases"][0]["expected"].update(needs_human="yes"), ["/needs_human"]),
    (lambda d: d["cases"][0]["report"].update(impakt={}), ["/report/impakt"])])
def test_check_and_test_refuse_cases_that_are_none(folder, change, words):
    edit(folder / "cases/told.json", change)
    for command in ("check", "test"):
        done = policy(command, folder)
        assert done.returncode == 78 and "cases/told.json" in done.stderr, done
        assert all(word in done.stderr for word in words), done.stderr


@pytest.mark.parametrize("command", ["check", "test"])
def test_a_folder_that_is_none_is_named(command, folder):
    refused(policy(command, "/nowhere"), 78, "/nowhere", "there is no such folder")
    refused(policy(command, folder / "words.json"), 78, "words.json")
    refused(policy(command), 78, f"usage: tongbao policy {command} DIR")
    refused(policy(command, folder, folder), 78, "usage")
    (folder / "taxonomy.json").write_text("")
    refused(policy(command, folder), 78, "taxonomy.json")
    edit(folder / "regimes/cac-2025.json", lambda d: d["rules"][0].update(level="nonsense"))
    shutil.copy(POLICY / "taxonomy.json", folder)
    refused(policy(command, folder), 78, "regimes/cac-2025.json", "level")


# test

def test_the_deployed_policy_passes_its_cases():
    done = policy("test", POLICY)
    assert done.returncode == 0 and done.stderr == ""
    passed = int(done.stdout.split(" passed, 0 failed\n")[0])
    assert passed >= 150 and done.stdout.count("\n") == 1


def test_a_case_that_fails_is_one_line(folder):
    edit(folder / "regimes/cac-2025.json", lambda d: rule(d, "cac.5.major").update(when={"is": "persons_open"}))
    done = policy("test", folder)
    *failed, total = done.stdout.splitlines()
    assert done.returncode == 1 and failed and total.endswith(f" passed, {len(failed)} failed")
    line, = [line for line in failed if "cn-027" in line]
    assert line.startswith("cases/published.json: cn-027: cac-2025: major expected, ") and " came; by category." in line and "cac.5." in line
    assert f"{len(failed)} of " in done.stderr
    told = json.loads(policy("test", folder, "--json").stdout)
    assert told["failed"] == len(failed) == len(told["failures"])
    assert {"what": "cac-2025", "expected": "major"}.items() <= [f for f in told["failures"] if f["name"] == "cn-027"][0]["wrong"][0].items()


def test_no_cases_test_nothing(folder):
    shutil.rmtree(folder / "cases")
    refused(policy("test", folder), 78, "no cases")
    assert "without cases" in policy("check", folder, check=True).stdout


# explain

def test_explain_tells_a_report_in_both_languages():
    both = policy("explain", "-", input=json.dumps(LEAK), check=True).stdout
    zh, en = both.split("\n----------------------------------------\n\n")
    assert zh == policy("explain", "-", "--lang", "zh", input=json.dumps(LEAK)).stdout
    assert en == policy("explain", "--lang=en", "-", input=json.dumps(LEAK)).stdout
    assert "级别  重大\n" in zh and "类别  数据泄露(国标 GB/T 20986:数据安全" in zh and "决定  规则" in zh
    assert "level     major\n" in en and "decided   by the rules" in en
    for text in (zh, en):
        assert "[cac.5.major]" in text and "第5项 重大" in text and "https://www.cac.gov.cn/" in text
        assert "personal_records_persons = 13,000,000" in text and "/impact/personal_records_persons  " in text
    assert "国家网络安全事件报告管理办法  [cac-2025]" in zh


def test_explain_reads_what_submit_posts(tmp_path):
    path = tmp_path / "report.json"
    path.write_text(json.dumps({**LEAK, "discovered_at": "2026-11-22T03:00:00+08:00"}, indent=2))
    told = json.loads(policy("explain", path, "--json", check=True).stdout)
    (graded,), _, _ = grade(LEAK)
    assert told == graded


@pytest.mark.parametrize("text, words", [
    ("", ["not a report"]), ("no json", ["not a report"]), ("{}", ["/summary"]), ('{"summary": "x", "impakt": {}}', ["/impakt", "impact"]),
    ('{"summary": "x", "impact": {"outage_minutes": "2 h"}}', ["/impact/outage_minutes"])])
def test_explain_names_what_is_no_report(tmp_path, text, words):
    path = tmp_path / "report.json"
    path.write_text(text)
    refused(policy("explain", path), 1, str(path), *words)
    refused(policy("explain", "-", input=text), 1, "standard input", *words)


def test_explain_held_wrong(tmp_path):
    refused(policy("explain", "nowhere.json"), 78, "neither a file nor an incident")
    refused(policy("explain", "TB-2GDXFJ47YJNTH"), 78, "check character")
    refused(policy("explain", tmp_path), 78, str(tmp_path))
    refused(policy("explain", "-", "--lang", "fr", input="{}"), 78, "zh, en or both")
    refused(policy("explain", "-", "--policy", "/nowhere", input=json.dumps(LEAK)), 78, "/nowhere")


# diff

def changed(folder):
    edit(folder / "regimes/cac-2025.json", lambda d: (rule(d, "cac.5.major").update(when={"at": "/said/personal_records_persons", "ge": "50000000 persons"}, zh="改了"),
                                                      d["rules"].remove(rule(d, "cac.5.larger"))))
    edit(folder / "regimes/park-lingang.json", lambda d: d["rules"].append({**rule(d, "park.core-database"), "id": "park.new",
                                                                                  "when": {"at": "/facts/place", "exists": True}}))
    edit(folder / "words.json", lambda d: d["lists"]["ransomware"].append("锁盘敲诈"))
    edit(folder / "taxonomy.json", lambda d: d["rules"].insert(5, d["rules"].pop([r["id"] for r in d["rules"]].index("category.intrusion"))))
    (folder / "model.bin").unlink()
    return folder


def test_diff_of_the_same_policy_says_so():
    done = policy("diff", POLICY, POLICY, check=True)
    assert "the same policy" in done.stdout and done.stdout.count("\n") == 3
    told = json.loads(policy("diff", POLICY, POLICY, "--json").stdout)
    assert told["rules"] == told["lists"] == told["files"] == []


def test_diff_of_files_that_grade_nothing_names_them(folder):
    edit(folder / "obligations/cac-2025.json", lambda d: d["obligations"].pop())
    with open(folder / "texts/callers.jsonl", "a") as f:
        f.write('{"text": "x", "category": "intrusion"}\n')
    done = policy("diff", POLICY, folder, check=True)
    assert "the same policy" not in done.stdout and "the same rules of grading" in done.stdout
    told = json.loads(policy("diff", POLICY, folder, "--json").stdout)
    assert {f["file"]: f["change"] for f in told["files"]} == {"obligations/cac-2025.json": "changed", "texts/callers.jsonl": "changed"}


def test_diff_tells_rules_words_and_files(folder):
    changed(folder)
    told = json.loads(policy("diff", POLICY, folder, "--json", check=True).stdout)
    rules = {(r["regime"], r.get("rule")): r for r in told["rules"]}
    assert rules["cac-2025", "cac.5.larger"]["change"] == "went" and rules["park-lingang", "park.new"]["change"] == "came"
    assert rules["cac-2025", "cac.5.major"]["members"]["zh"][1] == "改了"
    assert set(rules["cac-2025", "cac.5.major"]["members"]) == {"when", "zh"}
    assert rules["taxonomy", None]["change"] == "other order" and len(rules) == 4
    assert told["lists"] == [{"list": "ransomware", "came": ["锁盘敲诈"], "went": []}]
    assert {f["file"]: f["change"] for f in told["files"]} == {
        "words.json": "changed", "taxonomy.json": "changed", "regimes/cac-2025.json": "changed", "regimes/park-lingang.json": "changed",
        "model.bin": "went"}
    text = policy("diff", POLICY, folder).stdout
    assert told["old"]["version"] in text and told["new"]["version"] in text
    for line in ("  + park.new  larger  ", "  - cac.5.larger  larger  ", "  ~ cac.5.major\n", "  ransomware: +锁盘敲诈\n", "another order"):
        assert line in text, text


def lines(*bodies):
    return "".join(json.dumps(b, ensure_ascii=False) + "\n" for b in bodies)


def test_diff_grades_the_past_by_both(folder, tmp_path):
    changed(folder)
    leak, virus = classified(LEAK), classified(VIRUS)
    again = {**leak, "revision": 1, "policy_version": "0" * 64}
    person = {**virus, "revision": 1, "decided_by": "park", "actor": {"scope": "park", "id": "k"}, "why": "x"}
    path = tmp_path / "grades"
    path.write_text(lines(leak, again, virus, person))
    done = policy("diff", POLICY, folder, "--file", path, check=True)
    line, total, verified, passed_over = done.stdout.splitlines()
    assert line.startswith(f"{leak['reference']}  {leak['incident_id']}  ") and "cac-2025 major -> none" in line
    assert "; category data_leak -> " in line and " +category." in line and " -category." in line
    assert total == "2 graded, 1 differ: 0 higher, 0 lower, 1 other category"
    assert verified == "2 first grades are of the old policy: 2 follow from it, 0 do not" and passed_over.startswith("1 grades that people")
    piped = policy("diff", POLICY, folder, "--file", "-", "--json", input=path.read_text()).stdout.splitlines()
    assert json.loads(piped[0])["changes"]["cac-2025"] == ["major", "none"] and json.loads(piped[-1])["graded"] == 2


@pytest.mark.parametrize("level, sums", [("extreme", "1 higher, 0 lower"), ("general", "0 higher, 1 lower")])
def test_diff_counts_higher_and_lower(folder, level, sums):
    def change(doc):
        if level == "extreme":
            doc["rules"][0]["level"] = level
        else:
            doc["rules"] = [one for one in doc["rules"] if one.get("level") == level]
    (folder / "regimes/miit-2024.json").unlink()
    for name in ("cac-2025", "park-lingang"):
        edit(folder / f"regimes/{name}.json", change)
    done = policy("diff", POLICY, folder, "--file", "-", input=lines(classified(LEAK)))
    assert f"level major -> {level}" in done.stdout and f"1 graded, 1 differ: {sums}, 0 other category" in done.stdout


def test_diff_by_itself_differs_nowhere():
    done = policy("diff", POLICY, POLICY, "--file", "-", input=lines(classified(LEAK), classified(VIRUS)), check=True)
    assert done.stdout.splitlines()[0] == "2 graded, 0 differ: 0 higher, 0 lower, 0 other category"


@pytest.mark.parametrize("field, value", [("level", "larger"), ("category", "malware"), ("needs_human", True), ("reasons", []),
                                          ("missing", []), ("summary", "客户资料外泄")])
def test_a_first_grade_that_does_not_follow_is_a_fault(field, value):
    good, bad = classified(VIRUS), {**classified(LEAK), field: value}
    done = policy("diff", POLICY, POLICY, "--file", "-", input=lines(good, bad))
    fault = [line for line in done.stdout.splitlines() if line.startswith("FAULT")]
    assert done.returncode == 1 and len(fault) == 1 and bad["reference"] in fault[0] and good["reference"] not in fault[0]
    assert ("reasons" if field == "summary" else field) in fault[0]
    assert "2 first grades are of the old policy: 1 follow from it, 1 do not" in done.stdout and "do not follow" in done.stderr
    other = {**bad, "policy_version": "0" * 64}  # of a policy that is not here: nothing to compare with
    assert policy("diff", POLICY, POLICY, "--file", "-", input=lines(good, other)).returncode == 0


def test_diff_held_wrong(folder, tmp_path):
    refused(policy("diff", POLICY), 78, "usage: tongbao policy diff OLD NEW")
    refused(policy("diff", POLICY, "/nowhere"), 78, "/nowhere")
    refused(policy("diff", "/nowhere", POLICY, "--file", "-", input=""), 78, "/nowhere")
    refused(policy("diff", POLICY, POLICY, "--file", "/nowhere"), 78, "/nowhere")
    refused(policy("diff", POLICY, POLICY, "--file", "x", "--replay", "7d"), 78, "not both")
    for since in ("yesterday", "7", "d", "-3d", "7w", "2026-13-01", "2026-11-22 03:00"):
        refused(policy("diff", POLICY, POLICY, f"--replay={since}"), 78, "7d", since)
    (tmp_path / "empty").write_text("\n")
    empty = policy("diff", POLICY, POLICY, "--file", tmp_path / "empty", check=True).stdout
    assert empty.startswith("0 graded, 0 differ") and "nothing was compared" in empty
    done = policy("diff", POLICY, POLICY, "--file", "-", input="no json\n{}\n" + lines(classified(VIRUS)))
    assert done.returncode == 1 and "line 1 is no grade" in done.stdout and "line 2 is no grade: /" in done.stdout
    assert "1 graded" in done.stdout and "2 lines are no grades" in done.stderr


@pytest.mark.parametrize("args", [("test", POLICY), ("check", POLICY), ("explain", "-"), ("diff", POLICY, POLICY, "--file", "-")])
def test_an_output_that_is_closed_or_full_is_an_error(args):
    for out in (os.open("/dev/full", os.O_WRONLY), None):
        if out is None:
            read, out = os.pipe()
            os.close(read)
        done = subprocess.run([program("tongbao"), "policy", *map(str, args)], input=lines(LEAK if args[0] == "explain" else classified(VIRUS)),
                              stdout=out, stderr=subprocess.PIPE, text=True, timeout=60)
        os.close(out)
        assert done.returncode != 0 and "Sanitizer" not in done.stderr, done
