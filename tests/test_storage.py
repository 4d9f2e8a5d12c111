"""A run in a bucket: fenced writers, verified parts, commits that name what they hold. Against a real S3 server."""

import threading
from pathlib import Path
from typing import Any

import pytest
from bucket_journal import journal, line, write_journal
from s3_server import S3Server

from mtbench_ko.errors import UsageError
from mtbench_ko.store import RunStore
from mtbench_ko.store.objects import Conflict, ObjectError, Objects, Place
from mtbench_ko.store.output import BucketOutput, spool_folder
from mtbench_ko.store.remote import Fenced, RemoteRun


@pytest.fixture
def objects(place: Place) -> Objects:
    return Objects(place)


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
