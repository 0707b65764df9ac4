"""`tongbao grade`: reports in, decisions out, with no broker and no database."""
import json
import shutil
import subprocess

from servers import ROOT
from stack import program


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
    assert "model.bin" in grade({"summary": "x"}, policy=policy)[2]


def test_a_bad_policy_is_named(tmp_path):
    answers, status, stderr = grade({"summary": "x"}, policy=tmp_path)
    assert answers == [] and status == 78 and str(tmp_path) in stderr
