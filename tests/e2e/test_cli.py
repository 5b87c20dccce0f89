"""The commands besides `up`, options, settings and logs, as real processes."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from redis import Redis

from duestream import __version__
from duestream.keys import Keys
from duestream.settings import Settings
from tests import requires
from tests.e2e.commands import Running, answers, http, run
from tests.serving import served
from tests.stores import Node, Store, eventually, free_port

NOWHERE = "redis://somebody:s3cret@127.0.0.1:1/0"


@contextmanager
def going(folder: Path, *words: str, module: str = "duestream", **settings: object) -> Iterator[Running]:
    """A command that goes on while the block runs."""
    running = Running(folder, *words, module=module, **settings)
    try:
        yield running
    finally:
        running.discard()


def entry(store: Store, model: str, field: str, value: str) -> None:
    """Change a field of a read model behind everybody's back."""
    with closing(Redis.from_url(store.url)) as client:
        client.hset(model, field, value)


def test_verify_says_how_much_it_looked_at_and_names_every_difference(valkey: Store) -> None:
    with served(valkey) as url:
        for n in range(3):
            http(f"{url}/v1/tasks", {"title": f"task {n}"})

        clean = run("verify", redis_url=valkey.url)
        entry(valkey, Keys(0).task("2"), "create_dt", "tampered with")
        wrong = run("verify", redis_url=valkey.url)
        rebuilt = run("rebuild", redis_url=valkey.url)
        mended = run("verify", redis_url=valkey.url)

        assert "tampered" not in http(f"{url}/v1/tasks/2")["create_dt"]
    # three tasks, and the queue `cats`
    assert (clean.returncode, clean.stdout) == (0, "4 entries, 4 entities: the read models equal the journal\n")
    assert wrong.returncode == 1
    difference, total = wrong.stdout.splitlines()
    assert difference.startswith("tasks 2 (shard 0): create_dt is 'tampered with', journal says '20")
    assert total == "4 entries, 4 entities: 1 differ"
    assert (rebuilt.returncode, rebuilt.stdout) == (0, "4 read models written\n")
    assert (mended.returncode, mended.stdout) == (0, clean.stdout)


def test_verify_says_so_when_no_projector_brings_the_models_up(valkey: Store) -> None:
    with served(valkey) as url:
        http(f"{url}/v1/tasks", {"title": "task"})
    with closing(Redis.from_url(valkey.url)) as client:
        client.xadd(Keys(0).journal("tasks"), {"type": "task.deleted"})

    behind = run("verify", redis_url=valkey.url)

    assert (behind.returncode, behind.stdout) == (2, "")
    assert "duestream: the read models have not caught up with the journal\n" in behind.stderr


def test_resend_makes_deliveries_that_were_given_up_due_again(valkey: Store) -> None:
    keys = Keys(0)
    with closing(Redis.from_url(valkey.url, decode_responses=True)) as client:
        for n in range(3):
            client.xadd(keys.dead_webhooks(), {"entry": f"{n + 1}-0", "endpoint": "abc", "attempts": 8, "reason": "no"})

        done = run("resend", redis_url=valkey.url)

        assert (done.returncode, done.stdout) == (0, "3 deliveries are due again\n")
        assert client.zrange(keys.due_webhooks("abc"), 0, -1) == ["1-0", "2-0", "3-0"]
        assert client.xlen(keys.dead_webhooks()) == 0
    assert run("resend", redis_url=valkey.url).stdout == "0 deliveries are due again\n"


def test_unban_lets_an_address_in_again(valkey: Store) -> None:
    with Redis.from_url(valkey.url) as client:
        client.hset(Keys(0).bans(), "203.0.113.7", "0 1 cheated")
        client.hset(Keys(0).heads("tokens"), "@203.0.113.7/1", "1 banned")

        first = run("unban", "203.0.113.7", redis_url=valkey.url)
        again = run("unban", "203.0.113.7", redis_url=valkey.url)

        assert (first.returncode, first.stdout) == (0, "203.0.113.7 is let in again\n")
        assert (again.returncode, again.stdout) == (1, "203.0.113.7 is not banned\n")
        [(_, entry)] = client.xrange(Keys(0).journal("tokens"))
        assert (entry[b"type"], entry[b"by"]) == (b"client.unbanned", b"cli")


@pytest.mark.parametrize("command", ["verify", "rebuild", "tail", "resend"])
def test_a_command_says_within_seconds_that_nothing_answers_and_never_the_password(command: str) -> None:
    failed = run(command, redis_url=NOWHERE)

    assert failed.returncode == 2
    assert "duestream: nothing answers at redis://127.0.0.1:1/0\n" in failed.stderr
    assert "s3cret" not in failed.stderr + failed.stdout


def test_a_process_that_waits_for_redis_says_so_and_stops_when_it_is_told_to(tmp_path: Path) -> None:
    for role in ("api", "projector", "scheduler", "runner"):
        with going(tmp_path, module=role, redis_url=NOWHERE, port=free_port()) as waiting:
            waiting.says("waiting for Redis")

            assert waiting.interrupt() == 0
            assert "s3cret" not in waiting.said()


def test_commands_name_what_they_do_and_modules_are_the_same_commands() -> None:
    overview = run("--help")

    assert overview.returncode == 0
    for command in ("up", "api", "projector", "scheduler", "runner", "tail", "verify", "rebuild", "resend", "version"):
        assert re.search(rf"^[│ ]*{command} ", overview.stdout, re.MULTILINE), command
    for role in ("api", "projector", "runner"):
        one, other = run(role, "--help"), run("--help", module=role)
        assert one.returncode == other.returncode == 0
        assert _options(one.stdout) == _options(other.stdout)
        assert {"--config", "--debug", "--release"} <= _options(one.stdout)
    assert {"--host", "--port"} <= _options(run("api", "--help").stdout)
    assert {"--concurrency", "--containers", "--queues"} <= _options(run("runner", "--help").stdout)
    assert run("version").stdout == f"{__version__}\n"


def _options(text: str) -> set[str]:
    return set(re.findall(r"--[a-z-]+", text))


def test_a_flag_goes_before_the_environment_which_goes_before_the_file(tmp_path: Path, valkey: Store) -> None:
    file, flag, variable, in_file = tmp_path / "duestream.toml", free_port(), free_port(), free_port()
    file.write_text(f'port = {in_file}\nredis_url = "{valkey.url}"\nbody_limit = 1024\n')
    words = ("api", "-c", str(file))

    with going(tmp_path, *words) as by_file:
        by_file.says(f"port={in_file}")
    with going(tmp_path, *words, port=variable) as by_environment:
        by_environment.says(f"port={variable}")
    with going(tmp_path, *words, "--port", str(flag), "--host", "127.0.0.2", port=variable) as by_flag:
        by_flag.says(f"host=127.0.0.2 port={flag}")
        assert http(f"http://127.0.0.2:{flag}/livez")["status"] == "live"
        assert by_flag.interrupt() == 0


@pytest.mark.parametrize(
    ("words", "settings", "reason"),
    [
        ((), {"prot": 1}, "DUESTREAM_PROT is no setting; the nearest one is DUESTREAM_PORT"),
        ((), {"port": "many"}, "DUESTREAM_PORT: "),
        ((), {"redis_url": "http://localhost"}, "DUESTREAM_REDIS_URL: expected redis://"),
        ((), {"redis_url": "redis://:pa/s3cret@host"}, "DUESTREAM_REDIS_URL: expected redis://"),
        ((), {"redis_url": "redis://127.0.0.1:1?s3cret=1"}, "DUESTREAM_REDIS_URL: one of the options"),
        (("--host", "0.0.0.0"), {}, "listening on 0.0.0.0 lets other hosts in"),
        (("--host", "no.such.host.invalid"), {"insecure_no_auth": "true"}, "cannot listen on port 8888 of no.such"),
        (("-c", "missing.toml"), {}, "--config: missing.toml cannot be read: "),
    ],
)
def test_a_bad_setting_ends_a_process_with_the_reason(
    words: tuple[str, ...], settings: dict[str, str], reason: str
) -> None:
    for refused in (run("api", *words, **settings), run(*words, module="api", **settings)):  # type: ignore[arg-type]
        assert refused.returncode == 2
        assert refused.stderr.startswith(f"duestream: {reason}")
        assert "Traceback" not in refused.stderr
        assert "s3cret" not in refused.stderr


def test_another_number_of_shards_than_the_datas_is_refused_by_every_process(valkey: Store) -> None:
    with closing(Redis.from_url(valkey.url)) as client:
        client.hset("ds:{0}:meta", "shards", "4")

    for command in ("api", "projector", "scheduler", "runner", "verify", "tail"):
        refused = run(command, redis_url=valkey.url, port=free_port(), shards=2)
        assert refused.returncode == 2
        assert "DUESTREAM_SHARDS is 2, but this data was written with 4 shards" in refused.stderr


def test_logs_are_lines_for_people_or_json_lines_and_debug_says_more(tmp_path: Path, valkey: Store) -> None:
    with going(tmp_path, "projector", redis_url=valkey.url) as readable:
        readable.says("projecting")
        assert readable.interrupt() == 0
    with going(tmp_path, "projector", "--release", redis_url=valkey.url) as release:
        release.says("projecting")
        assert release.interrupt() == 0
    with going(tmp_path, "up", "--debug", data_dir=tmp_path / "data", port=0) as debug:
        debug.says("debug   up: started child=projector pid=", "Ctrl-C")
        assert debug.interrupt() == 0

    assert re.match(
        r"\d\d:\d\d:\d\d\.\d{3} info    projector: projecting worker=projector@\S+ shards=1\n", readable.said()
    )
    lines = [json.loads(line) for line in release.said().splitlines()]
    assert [(line["level"], line["logger"], line["message"]) for line in lines] == [
        ("info", "duestream.projector", "projecting"),
        ("info", "duestream.projector", "stopped"),
    ]
    assert lines[0]["shards"] == 1


def test_a_store_behind_a_password_is_used_and_the_password_is_not_shown(tmp_path: Path, valkey: Store) -> None:
    with closing(Redis.from_url(valkey.url)) as client:
        client.acl_setuser("due", enabled=True, passwords=["+s3cret"], keys=["*"], channels=["*"], commands=["+@all"])
        try:
            host = valkey.url.removeprefix("redis://")
            with going(tmp_path, "up", "--debug", redis_url=f"redis://due:s3cret@{host}", port=0) as running:
                running.says("Ctrl-C")
                assert f"redis-cli -u redis://{host} " in running.said()
                assert running.interrupt() == 0
                assert "s3cret" not in running.said()
            refused = run("verify", redis_url=f"redis://due:wr0ng@{host}")
        finally:
            client.acl_deluser("due")
    assert refused.returncode == 2
    assert "the server refuses this user name or password" in refused.stderr
    assert "wr0ng" not in refused.stderr


def test_a_store_behind_tls_or_on_a_unix_socket_is_used(tmp_path: Path) -> None:
    program = requires.redis_server()
    requires.need("redis", found=shutil.which("openssl") is not None, why="there is no openssl on this machine")
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
         "-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost",
         "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    cert, key, path, tls = tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "redis.sock", free_port()
    options = {
        "tls-port": tls, "tls-cert-file": cert, "tls-key-file": key, "tls-ca-cert-file": cert,
        "tls-auth-clients": "no", "unixsocket": path,
    }  # fmt: skip
    node = Node(program, tmp_path, free_port(), *(f"{part}" for n, v in options.items() for part in (f"--{n}", v)))
    node.start()
    try:
        for url in (f"rediss://localhost:{tls}/0?ssl_ca_certs={cert}", f"unix://{path}"):
            with going(tmp_path, "up", redis_url=url, port=0) as running:
                running.says("Ctrl-C")
                found = re.search(r"API +(\S+)/v1/tasks", running.said())
                assert found is not None
                eventually(lambda found=found: answers(found[1]), "it is ready", 30)  # type: ignore[misc]
                created = http(f"{found[1]}/v1/tasks", {"title": "far away"})
                assert http(f"{found[1]}/v1/tasks/{created['id']}") == created
                assert running.interrupt() == 0
        untrusted = run("verify", redis_url=f"rediss://localhost:{tls}/0")
    finally:
        node.kill()
    assert untrusted.returncode == 2
    assert "DUESTREAM_REDIS_URL: the server's certificate is not trusted" in untrusted.stderr


def test_every_setting_can_be_given_to_a_child_of_up() -> None:
    from duestream.up import _environment

    given = _environment(Settings(time_zone="Europe/Berlin", debug=True, shards=3), "redis://here")

    ours = {name: value for name, value in given.items() if name.startswith("DUESTREAM_")}
    assert len(ours) == len(Settings.__struct_fields__)
    assert (ours["DUESTREAM_DEBUG"], ours["DUESTREAM_REDIS_URL"]) == ("true", "redis://here")
    assert given["PATH"] == os.environ["PATH"]
