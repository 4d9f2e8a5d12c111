"""What of a run lies in a bucket beside its journal: results, and manifests of runs that were stopped."""

import json
from pathlib import Path

import pytest
from bucket_journal import journal, line, write_journal
from s3_server import S3Server

from mtbench_ko.store import RunStore, pull, write_atomically
from mtbench_ko.store.objects import Objects, Place
from mtbench_ko.store.output import BucketOutput
from mtbench_ko.store.remote import RemoteRun, is_result


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
