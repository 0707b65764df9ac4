"""Fixtures of the component and end-to-end tests. What they start ends with the tests: support/servers.py."""
import uuid

import pytest

from servers import Kafka, Postgres, Workspace, start_together
from stack import Stack, migrate

_workspaces = []


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        for workspace in _workspaces:
            workspace.keep_logs()
            report.sections.append(("logs", workspace.tails()))


@pytest.fixture(scope="session")
def workspace():
    """The temporary folder of this run; it stays when a test fails."""
    space = Workspace()
    _workspaces.append(space)
    yield space
    space.close()


@pytest.fixture(scope="session")
def _cluster(workspace):
    return Postgres(workspace)


@pytest.fixture(scope="module")
def _servers(workspace, _cluster):
    broker = Kafka(workspace, f"kafka-{uuid.uuid4().hex[:6]}")
    if _cluster.running():
        start_together(broker)
    else:
        start_together(_cluster, broker)
    yield broker, _cluster
    broker.kill()


@pytest.fixture(scope="module")
def kafka(_servers):
    """A broker of this module's own, without topics."""
    return _servers[0]


@pytest.fixture(scope="module")
def postgres(_cluster):
    """An empty database of this module's own."""
    if not _cluster.running():
        start_together(_cluster)
    return _cluster.database(f"t_{uuid.uuid4().hex[:8]}")


@pytest.fixture(scope="module")
def migrated(postgres):
    """That database with all schemas and roles."""
    migrate(postgres)
    return postgres


@pytest.fixture(scope="module")
def make_stack(workspace, _servers):
    """make_stack(policy=None) starts the whole system with the park registered; once in a module."""
    broker, cluster = _servers
    made = []

    def make(**kwargs):
        system = Stack(workspace, broker, cluster.database(f"t_{uuid.uuid4().hex[:8]}"), **kwargs)
        made.append(system)
        return system.start()

    yield make
    trouble = [line for system in made for line in system.close()]
    assert not trouble, "\n".join(trouble)


@pytest.fixture(scope="module")
def stack(make_stack):
    """The whole system, running, with the park registered."""
    return make_stack()
