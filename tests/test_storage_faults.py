"""A store in trouble: busy, away, without rights without its bucket: nothing is lost, and it is said what is wrong."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from bucket_journal import line, write_journal
from s3_server import S3Server, TroubleProxy, trouble_proxy

from mtbench_ko.errors import Stopped, UsageError
from mtbench_ko.store.objects import Objects, Place
from mtbench_ko.store.output import BucketOutput
from mtbench_ko.store.remote import RemoteRun


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


@pytest.fixture(autouse=True)
def _server_is_up(s3: S3Server) -> Iterator[None]:
    yield
    assert s3.client().list_buckets()["Buckets"]


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
