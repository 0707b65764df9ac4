"""grades - bodies of incident.classified as the classifier would write them, without a classifier: for what reads past grades."""
import datetime
import json
import subprocess
import uuid

from servers import ROOT
from stack import SANITIZED, program

PROFILE = {"code": "ACME", "name": "艾克米汽车制造有限公司", "sector": "manufacturing", "staff": 2600, "is_cii": False, "is_listed": True}


def now():
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.000Z")


def classified(report, policy=ROOT / "deploy/policy", **fields):
    """The body of the grade of a report ({"summary": …, facts}) by a policy; fields replace or add members."""
    done = subprocess.run([program("tongbao"), "grade", "--policy", str(policy)], text=True, capture_output=True, timeout=60,
                          input=json.dumps({**report, "profile": PROFILE}), env=SANITIZED, check=True)
    decision = json.loads(done.stdout)
    regimes = [{"regime": name, **{k: v for k, v in grade.items() if v is not None}} for name, grade in decision.pop("regimes").items()]
    missing = decision.pop("missing")
    facts = {k: v for k, v in report.items() if k != "summary"}
    return {"enterprise_id": str(uuid.uuid4()), "incident_id": str(uuid.uuid4()), "occurred_at": now(), "drill": False,
            "reference": "TB-" + uuid.uuid4().hex[:13].upper(), "revision": 0, "parent_event_id": str(uuid.uuid4()),
            **decision, "regimes": regimes, **({"missing": missing} if missing else {}), "decided_by": "system",
            "summary": report["summary"], "discovered_at": now(), "profile": PROFILE, "facts": facts, **fields}
