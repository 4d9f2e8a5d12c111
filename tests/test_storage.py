"""A run in a bucket: fenced writers, verified parts, commits that name what they hold. Against a real S3 server."""

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from s3_server import S3Server, TroubleProxy, trouble_proxy

from mtbench_ko.errors import Stopped, UsageError
from mtbench_ko.store import RunStore, pull, write_atomically
from mtbench_ko.store.objects import Conflict, ObjectError, Objects, Place
from mtbench_ko.store.output import BucketOutput, spool_folder
from mtbench_ko.store.remote import Fenced, RemoteRun, is_result


@pytest.fixture
def place(s3: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch) -> Place:
    for name, value in s3.env.items():
        monkeypatch.setenv(name, value)
    return Place(f"s3://{bucket}/runs/one", s3.url)


@pytest.fixture
def objects(place: Place) -> Objects:
    return Objects(place)


def line(number: int, text: str = "답") -> bytes:
    """A journal line: turn 1 of question `number`."""
    record = {
        "kind": "turn", "bench": "b", "question_id": number, "choice": 0, "turn": 1, "key": "k", "tstamp": 1.0,
        "model_id": "m", "messages_sha256": "x", "text": text, "finish_reason": "stop",
    }  # fmt: skip
    return json.dumps(record, ensure_ascii=False).encode() + b"\n"


def write_journal(spool: Path, *lines: bytes) -> None:
    (spool / "_state").mkdir(parents=True, exist_ok=True)
    with (spool / "_state" / "journal.jsonl").open("ab") as stream:
        stream.write(b"".join(lines))


def journal(spool: Path) -> list[bytes]:
    return (spool / "_state" / "journal.jsonl").read_bytes().splitlines(keepends=True)


def test_created_once_by_one_of_many(objects: Objects) -> None:
    won: list[int] = []

    def race(number: int) -> None:
        try:
            objects.create("raced", str(number).encode())
            won.append(number)
        except Conflict:
            pass

    threads = [threading.Thread(target=race, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [str(number).encode() for number in won] == [objects.read("raced")]
    objects.create("raced", objects.read("raced"))  # the reply to our own request was lost: the same again is once
    assert objects.creates_once()
    assert list(objects.keys("_state/")) == []  # the probe leaves nothing behind


def test_versioned_or_indifferent_store_is_refused_unless_told(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put = Objects._put
    monkeypatch.setattr(Objects, "_put", lambda self, key, body, **_: put(self, key, body))  # ignores If-None-Match
    with pytest.raises(UsageError, match="--single-writer"):
        BucketOutput(place, tmp_path).open(write=True)
    BucketOutput(place, tmp_path, single_writer=True).open(write=True)


def test_journal_goes_on_from_the_bucket_alone(place: Place, tmp_path: Path) -> None:
    first = BucketOutput(place, tmp_path / "a")
    first.open(write=True)
    write_journal(tmp_path / "a", line(1), line(2))
    first.send()
    write_journal(tmp_path / "a", line(3), line(4)[:20])  # a record that is being written is not sent
    first.send()

    second = BucketOutput(place, tmp_path / "b")
    second.open(write=True)
    assert journal(tmp_path / "b") == [line(1), line(2), line(3)]
    write_journal(tmp_path / "b", line(4))
    second.send()
    assert RemoteRun(Objects(place)).lines() == [line(1), line(2), line(3), line(4)]


def test_stale_writer_is_fenced_and_damages_nothing(place: Place, tmp_path: Path) -> None:
    old, new = BucketOutput(place, tmp_path / "old"), BucketOutput(place, tmp_path / "new")
    old.open(write=True)
    write_journal(tmp_path / "old", line(1))
    old.send()
    new.open(write=True)
    write_journal(tmp_path / "new", line(2, "새 답"))
    new.send()
    write_journal(tmp_path / "old", line(2, "헌 답"), line(3))
    with pytest.raises(Fenced, match="being written by another run"):
        old.send()
    with pytest.raises(Fenced):
        old.commit()
    new.commit()
    assert RemoteRun(Objects(place)).lines() == [line(1), line(2, "새 답")]

    # Woken up again, the old machine takes the other's work over its own, and keeps what only it has.
    old.open(write=True)
    assert journal(tmp_path / "old") == [line(1), line(2, "새 답"), line(3)]


def test_what_did_not_reach_the_bucket_before_a_kill_is_sent_next_time(place: Place, tmp_path: Path) -> None:
    output = BucketOutput(place, tmp_path)
    output.open(write=True)
    write_journal(tmp_path, line(1))
    output.send()
    write_journal(tmp_path, line(1, "고친 답"), line(2), line(3)[:30])
    again = BucketOutput(place, tmp_path)
    again.open(write=True)
    assert journal(tmp_path) == [line(1), line(1, "고친 답"), line(2)]  # nobody else wrote: the newer answer holds
    again.send()
    assert RemoteRun(Objects(place)).lines() == journal(tmp_path)


def test_commit_names_every_file_and_part_and_is_verified(place: Place, tmp_path: Path, s3: S3Server) -> None:
    output = BucketOutput(place, tmp_path)
    output.open(write=True)
    write_journal(tmp_path, line(1), line(2))
    store = RunStore(tmp_path)
    store.write_views()
    store.close()
    output.commit()
    remote = RemoteRun(Objects(place))
    manifest = remote.committed()
    assert manifest is not None
    assert [entry["name"] for entry in manifest["files"]] == ["b/model_answer/m.jsonl"]
    assert len(manifest["parts"]) == 1
    assert remote.problems(manifest) == []
    answers = (tmp_path / "b" / "model_answer" / "m.jsonl").read_bytes()
    assert remote.read_finals(manifest) == {"b/model_answer/m.jsonl": answers}
    assert remote.objects.read("b/model_answer/m.jsonl") == answers

    # A bit flips in a part, a final is cut short: each is named, and nothing goes on from them.
    for key in (manifest["parts"][0]["name"], f"_state/finals/{manifest['files'][0]['sha256']}"):
        damage(s3, place, key)
        assert any(key in problem for problem in remote.problems(manifest))
    with pytest.raises(ObjectError, match="is damaged"):
        BucketOutput(place, tmp_path / "b").open(write=True)


def damage(server: S3Server, place: Place, key: str) -> None:
    """Change the bytes of an object and leave its metadata."""
    full = f"{place.prefix}/{key}"
    client = server.client()
    found = client.get_object(Bucket=place.bucket, Key=full)
    body = bytearray(found["Body"].read())
    body[len(body) // 2] ^= 1
    client.put_object(Bucket=place.bucket, Key=full, Body=bytes(body), Metadata=found["Metadata"])


def test_finished_run_is_extended_by_a_new_generation(place: Place, tmp_path: Path) -> None:
    for number in (1, 2):
        output = BucketOutput(place, tmp_path / str(number))
        output.open(write=True)
        write_journal(tmp_path / str(number), line(number))
        store = RunStore(tmp_path / str(number))
        store.write_views()
        store.close()
        output.commit()
    manifest = RemoteRun(Objects(place)).committed()
    assert manifest is not None
    assert (manifest["generation"], len(manifest["parts"])) == (2, 2)
    assert RemoteRun(Objects(place)).problems(manifest) == []


def test_pull_beside_a_newer_writer_is_what_was_committed_and_says_so(
    place: Place, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    output = BucketOutput(place, tmp_path / "first")
    output.open(write=True)
    write_journal(tmp_path / "first", line(1))
    store = RunStore(tmp_path / "first")
    store.write_views()
    store.close()
    output.commit()
    other = BucketOutput(place, tmp_path / "other")
    other.open(write=True)
    write_journal(tmp_path / "other", line(1, "새 답"), line(2).replace(b'"m"', b'"second"'))
    other.send()
    pull(RemoteRun(Objects(place)), tmp_path / "pulled")
    assert journal(tmp_path / "pulled") == [line(1)]
    assert [path.name for path in (tmp_path / "pulled" / "b" / "model_answer").iterdir()] == ["m.jsonl"]
    assert "is being extended; this is what was committed before" in caplog.text


def test_store_that_goes_away_and_returns_gets_everything(
    place: Place, tmp_path: Path, s3: S3Server, caplog: pytest.LogCaptureFixture
) -> None:
    output = BucketOutput(place, tmp_path)
    output.open(write=True)
    write_journal(tmp_path, line(1))
    output.try_to_send()
    s3.kill()
    try:
        write_journal(tmp_path, line(2))
        output.try_to_send()
        output.try_to_send()
        write_journal(tmp_path, line(3))
    finally:
        s3.start()
    output.try_to_send()
    assert [record.message.partition(".")[0] for record in caplog.records if "object store" in record.message] == [
        f"the object store does not take anything; going on locally, in {tmp_path}",
        "the object store is back, and has everything so far",
    ]
    assert RemoteRun(Objects(place)).lines() == [line(1), line(2), line(3)]


def test_part_whose_reply_was_lost_is_sent_once_though_the_journal_has_grown(
    place: Place, tmp_path: Path, s3: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with trouble_proxy(s3.url) as proxy:
        output = BucketOutput(replace(place, endpoint_url=proxy.url), tmp_path)
        output.open(write=True)
        write_journal(tmp_path, line(1))
        check = output._remote.check
        monkeypatch.setattr(output._remote, "check", lambda: None)  # reads are well, the part's own reply is lost
        proxy.error, proxy.deaf = (503, "SlowDown"), True
        output.try_to_send()
        assert list(Objects(place).keys("_state/parts/")) == ["_state/parts/000001-000000.jsonl"]
        proxy.error = None
        monkeypatch.setattr(output._remote, "check", check)
        write_journal(tmp_path, line(2))
        output.send()
        output.commit()
    assert RemoteRun(Objects(place)).lines() == [line(1), line(2)]


@pytest.mark.parametrize("trouble", ["busy", "credentials", "bucket"])
def test_store_in_trouble_until_the_end_loses_nothing_and_a_push_finishes(
    place: Place,
    tmp_path: Path,
    s3: S3Server,
    trouble: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """503 for everything, credentials that are refused half-way, a bucket that vanishes."""
    with trouble_proxy(s3.url) as proxy:
        place = replace(place, endpoint_url=proxy.url)
        output = BucketOutput(place, tmp_path)
        output.open(write=True)
        write_journal(tmp_path, line(1))
        output.try_to_send()
        begin_trouble(trouble, proxy, place, s3, monkeypatch)
        output._remote.objects.renew()  # as after every failure, or when a run starts
        write_journal(tmp_path, line(2))
        output.try_to_send()
        assert "going on locally" in caplog.text
        with pytest.raises(Stopped, match=f"Nothing is lost: it is in {tmp_path}") as caught:
            output.commit()
        assert f"mtbench-ko sync push --output {place.url}" in str(caught.value)

        proxy.error = None
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", s3.env["AWS_SECRET_ACCESS_KEY"])
        if trouble == "bucket":
            s3.client().create_bucket(Bucket=place.bucket)
        push = BucketOutput(place, tmp_path)
        push.open(write=True)
        push.commit()
        remote = RemoteRun(Objects(place))
        manifest = remote.committed()
        assert manifest is not None
        assert remote.problems(manifest) == []
        assert remote.lines() == [line(1), line(2)]


def test_parts_that_vanish_are_missed_at_the_commit_and_sent_again_by_a_push(
    place: Place, tmp_path: Path, s3: S3Server
) -> None:
    output = BucketOutput(place, tmp_path)
    output.open(write=True)
    write_journal(tmp_path, line(1))
    output.send()
    s3.client().delete_object(Bucket=place.bucket, Key=f"{place.prefix}/_state/parts/000001-000000.jsonl")
    write_journal(tmp_path, line(2))
    with pytest.raises(Stopped, match=r"000001-000000.jsonl has vanished.*sync push"):
        output.commit()
    push = BucketOutput(place, tmp_path)
    push.open(write=True)
    push.commit()
    assert RemoteRun(Objects(place)).lines() == [line(2), line(1)]


def write_manifest(folder: Path, *starts: float) -> None:
    runs = [{"started": start, "gpu_hours": 1.0, "engines": {"m": {}}} for start in starts]
    manifest = {"models": {"m": {"seen": max(starts)}}, "gpu_hours": len(starts), "runs": runs}
    write_atomically(folder / "b" / "manifest.json", json.dumps(manifest))


def manifest_of(folder: Path) -> tuple[list[float], float, float]:
    """When its runs started, their GPU hours, and what it says of the model."""
    manifest = json.loads((folder / "b" / "manifest.json").read_text())
    return [run["started"] for run in manifest["runs"]], manifest["gpu_hours"], manifest["models"]["m"]["seen"]


def test_manifest_of_a_stopped_run_is_taken_up_by_the_next_one_anywhere(place: Place, tmp_path: Path) -> None:
    for number, commit in enumerate([True, False, False], start=1):
        spool = tmp_path / str(number)  # a new pod each time
        output = BucketOutput(place, spool)
        output.open(write=True)
        write_journal(spool, line(number))
        write_manifest(spool, *(range(1, number + 1)))
        output.commit() if commit else output.try_to_send()
    committed = RemoteRun(Objects(place)).committed()
    assert committed is not None
    assert RemoteRun(Objects(place)).problems(committed) == []  # what was left touches no committed file
    last = BucketOutput(place, tmp_path / "last")
    last.open(write=True)
    assert manifest_of(tmp_path / "last") == ([1, 2, 3], 3.0, 3)
    last.commit()
    BucketOutput(place, tmp_path / "after").open(write=True)
    assert manifest_of(tmp_path / "after") == ([1, 2, 3], 3.0, 3)


def test_newer_manifest_and_report_of_a_spool_or_a_folder_outlive_the_open(place: Place, tmp_path: Path) -> None:
    spool, folder = tmp_path / "spool", tmp_path / "folder"
    page = Path("b", "report", "index.html")
    output = BucketOutput(place, spool)
    output.open(write=True)
    write_manifest(spool, 1)
    write_atomically(spool / page, "old")
    output.commit()
    write_manifest(spool, 1, 3)  # the store was away when this run ended
    write_atomically(spool / page, "new")
    BucketOutput(place, spool).open(write=True)
    assert (manifest_of(spool), (spool / page).read_text()) == (([1, 3], 2.0, 3), "new")

    write_manifest(folder, 2)  # 'sync push FOLDER' of a run that was never in the bucket
    write_journal(folder, line(1))
    write_atomically(folder / page, "the folder's")
    push = BucketOutput(place, folder)
    push.open(write=True)
    assert (manifest_of(folder), (folder / page).read_text()) == (([1, 2], 2.0, 2), "the folder's")
    push.commit()
    BucketOutput(place, spool).open(write=True)  # others have written since: theirs is the newer report
    assert (manifest_of(spool), (spool / page).read_text()) == (([1, 2, 3], 3.0, 3), "the folder's")


def test_only_files_of_the_run_itself_are_fetched_and_committed(place: Place, tmp_path: Path, s3: S3Server) -> None:
    inner = ["other/b/manifest.json", "other/b/model_answer/m.jsonl", "other/_state/parts/000001-000000.jsonl"]
    for key in ["", *inner, "b/", "b/model_answer/m.jsonl"]:
        s3.client().put_object(Bucket=place.bucket, Key=f"{place.prefix}/{key}", Body=b"{}\n")
    spool = tmp_path / "deep" / "spool"
    output = BucketOutput(place, spool)
    output.open(write=True)
    write_journal(spool, line(1))
    write_atomically(spool / "other" / "b" / "manifest.json", "a run below this one")
    output.commit()
    mine = sorted(path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file())
    assert [name for name in mine if "_state" not in name] == [
        "deep/spool/b/model_answer/m.jsonl",
        "deep/spool/other/b/manifest.json",
    ]
    committed = RemoteRun(Objects(place)).committed()
    assert committed is not None
    assert [entry["name"] for entry in committed["files"]] == ["b/model_answer/m.jsonl"]
    assert Objects(place).read("other/b/manifest.json") == b"{}\n"
    for name in (
        "../b/manifest.json",
        "../model_answer/m.jsonl",
        "b/report/..",
        "b/report/x/y",
        "_state/manifest.json",
    ):
        assert not is_result(name)  # some servers take such keys


def begin_trouble(
    trouble: str, proxy: TroubleProxy, place: Place, server: S3Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy.error = (503, "SlowDown") if trouble == "busy" else None
    if trouble == "credentials":
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "revoked")
    if trouble == "bucket":
        server.delete_bucket(place.bucket)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"AWS_SECRET_ACCESS_KEY": "wrong"}, "the secret key is wrong"),
        ({"AWS_ACCESS_KEY_ID": "nobody"}, "the server does not know this access key"),
        ({"bucket": "absent"}, "there is no such bucket"),
        ({"endpoint": "http://127.0.0.1:9"}, "Could not connect to the endpoint URL"),
    ],
)
def test_what_is_wrong_with_a_store_is_said_before_any_work(
    s3: S3Server, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changes: dict[str, str], words: str
) -> None:
    for name in changes.keys() & s3.env.keys():
        monkeypatch.setenv(name, changes[name])
    wrong = Place(f"s3://{changes.get('bucket', place.bucket)}/runs", changes.get("endpoint", s3.url))
    with pytest.raises(UsageError, match=f"--output {wrong.url}") as caught:
        BucketOutput(wrong, tmp_path).open(write=True)
    assert words in str(caught.value)


def test_clock_that_is_20_minutes_off_is_named(place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.auth

    now = botocore.auth.get_current_datetime
    from datetime import timedelta

    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *a, **k: now(*a, **k) - timedelta(minutes=20))
    with pytest.raises(UsageError, match="clock is more than 15 minutes off"):
        BucketOutput(place, tmp_path).open(write=True)


@pytest.mark.parametrize(("encryption", "kms_key"), [("AES256", None), ("aws:kms", "our-key")])
def test_objects_are_encrypted_as_told(place: Place, s3: S3Server, encryption: str, kms_key: str | None) -> None:
    Objects(Place(place.url, place.endpoint_url, encryption, kms_key)).create(f"secret-{encryption}", b"text")
    head: dict[str, Any] = s3.client().head_object(Bucket=place.bucket, Key=f"{place.prefix}/secret-{encryption}")
    assert head["ServerSideEncryption"] == encryption
    assert Objects(place).read(f"secret-{encryption}") == b"text"


def test_spools_of_two_places_are_apart(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MTBENCH_KO_SPOOL", str(tmp_path))
    places = [Place("s3://a/x"), Place("s3://a/y"), Place("s3://b/x"), Place("s3://a/x", "http://127.0.0.1:1")]
    folders = [spool_folder(place) for place in places]
    assert len(set(folders)) == 4
    assert all(folder.parent == tmp_path for folder in folders)
    assert spool_folder(Place("s3://a/x/")) == folders[0]


@pytest.fixture(autouse=True)
def _server_is_up(s3: S3Server) -> Iterator[None]:
    yield
    assert s3.client().list_buckets()["Buckets"]
