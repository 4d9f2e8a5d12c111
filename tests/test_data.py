"""Question sets by name: fetched once, verified always, and never half."""

import json
import shutil
import signal
import ssl
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from conftest import Program, kill
from data_server import DataServer, mirror_folder, path_of, serve_data, upstream_files
from fake_openai import FakeOpenAI
from run_checks import check_run, read_jsonl

from mtbench_ko.bench import DataCache, data_root, find_set, load_bench, registry
from mtbench_ko.bench.differences import turn_digests
from mtbench_ko.errors import MtBenchError, UsageError

SETS = ["komt_bench", "mt_bench", "mt_bench_ko"]
KO = find_set("mt_bench_ko")
QUESTIONS, REFERENCES = (path_of(KO, path) for path in ("question.jsonl", "reference_answer/gpt-4.jsonl"))


@pytest.fixture
def mirror(upstream: Path) -> Iterator[DataServer]:
    with serve_data(upstream_files(upstream)) as server:
        yield server


@pytest.fixture
def online(program: Program, mirror: DataServer) -> Program:
    """The program with the mirror and an empty cache."""
    program.env["MTBENCH_KO_DATA_MIRROR"] = mirror.url
    return program


def cached(root: Path) -> list[str]:
    """The files that a cache holds, locks aside."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file() and path.suffix != ".lock")


def test_registry_is_upstreams_files(upstream: Path) -> None:
    """Hash, length and the digest of each turn are those of the files that the audit read."""
    files = upstream_files(upstream)
    for name in SETS:
        for file in registry()[name].files:
            content = files[path_of(registry()[name], file.path)]
            assert (file.sha256, file.bytes) == (sha256(content).hexdigest(), len(content))
            if file.turns:
                local = upstream / name / file.path
                assert turn_digests(local) == file.turns


def test_everything_is_fetched_verified_and_never_again(online: Program, mirror: DataServer) -> None:
    first = online("data", "fetch", "--all")
    assert first.returncode == 0, first.stderr
    files = [f"{name}/{file.path}" for name in SETS for file in registry()[name].files]
    assert cached(online.folder / "data-cache") == sorted(files)
    for words in ("licence: Apache-2.0", "to cite: Zheng et al.", "kuotient/FastChat at 4501056d6b6f"):
        assert words in first.stderr
    assert sum(mirror.requests.values()) == len(files) == 8
    again = online("data", "fetch", "--all")
    assert (again.returncode, again.stderr) == (0, "")
    assert again.stdout == first.stdout
    assert sum(mirror.requests.values()) == len(files)
    listed = online("data", "list").stdout
    assert listed.count("here: not yet") == 1  # FastChat's answers, whose hashes nobody has seen yet
    check = online("data", "check")
    assert (check.returncode, check.stdout.count("error")) == (0, 0), check.stdout
    assert "checked mt_bench_ko_native, komt_bench, mt_bench, mt_bench_ko: 0 errors" in check.stderr


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (404, "404 Not Found"),
        (503, "503 Service Unavailable"),
        ("loop", "redirected more than 5 times"),
        ("truncated", "peer closed connection"),
        ("silence", "nothing came for 1 s"),
        ("trickle", "not done after 1 s"),
    ],
)
def test_server_at_fault_is_told_and_nothing_half_is_left(
    mirror: DataServer, tmp_path: Path, fault: str | int, words: str
) -> None:
    mirror.faults[REFERENCES] = fault
    with pytest.raises(MtBenchError) as caught:
        DataCache(tmp_path, mirror=mirror.url, seconds=1).ensure(KO)
    assert "mt_bench_ko/reference_answer/gpt-4.jsonl could not be fetched" in str(caught.value)
    assert words in str(caught.value)
    assert cached(tmp_path) == ["mt_bench_ko/question.jsonl"]

    mirror.faults.clear()
    assert DataCache(tmp_path, mirror=mirror.url).missing(KO) == [KO.files[1]]
    DataCache(tmp_path, mirror=mirror.url).ensure(KO)
    assert mirror.requests[QUESTIONS] == 1  # what was there is not fetched again


def change(server: DataServer, path: str, old: str, new: str) -> None:
    assert server.files[path].count(old.encode()) == 1
    server.files[path] = server.files[path].replace(old.encode(), new.encode())


@pytest.mark.parametrize(
    ("path", "old", "new", "words"),
    [
        (QUESTIONS, '{"question_id":81,"category":"w', '{"question_id":81,"category":"v', "outside of the turns"),
        (QUESTIONS, "5권을 각 20달러", "6권을 각 20달러", "question 119, turn 1"),
        (REFERENCES, '"question_id": 101', '"question_id": 201', "question 101, turn 1; question 101, turn 2"),
        (REFERENCES, '"question_id": 101', '"question-id": 101', "line 1 cannot be read"),
    ],
)
def test_file_that_differs_in_one_byte_is_refused(
    mirror: DataServer, tmp_path: Path, path: str, old: str, new: str, words: str
) -> None:
    change(mirror, path, old, new)
    with pytest.raises(MtBenchError, match="not the pinned file") as caught:
        DataCache(tmp_path, mirror=mirror.url).ensure(KO)
    assert words in str(caught.value)
    assert cached(tmp_path) == ([] if path == QUESTIONS else ["mt_bench_ko/question.jsonl"])


def test_run_stops_at_a_byte_that_differs_and_names_its_turn(online: Program, mirror: DataServer) -> None:
    change(mirror, REFERENCES, "76,000원입니다.\\n\\n따라서", "77,000원입니다.\\n\\n따라서")
    result = online("run", "--model", "m", "--openai-api-base", "http://127.0.0.1:9/v1", "--judge-model", "j")
    assert result.returncode == 1
    assert "what differs: question 115, turn 2" in result.stderr
    assert "--data-mirror names" in result.stderr
    assert not (online.folder / "outputs").exists()


@pytest.mark.usefixtures("shared_ray")
def test_run_of_the_default_set_starts_from_nothing_and_judges_with_corrected_references(
    online: Program, model_endpoint: FakeOpenAI, judge_endpoint: FakeOpenAI
) -> None:
    result = online(
        "run", "--model", "m", "--openai-api-base", model_endpoint.url,
        "--judge-model", "judge", "--judge-api-base", judge_endpoint.url,
    )  # fmt: skip
    assert result.returncode == 0, result.stderr
    assert "fetching mt_bench_ko" in result.stderr
    assert "references corrected" in result.stdout
    outputs = online.folder / "outputs"
    assert check_run(outputs, "mt_bench_ko", questions=80) == {"turns": 160, "scored": 160}
    lines = read_jsonl(outputs / "mt_bench_ko" / "model_judgment" / "judge_single.jsonl")
    assert {line["references"]["source"] for line in lines} == {"corrected"}
    (shown,) = [line for line in lines if (line["question_id"], line["turn"]) == (111, 1)]
    assert "삼각형의 넓이는 3입니다." in shown["user_prompt"]
    errata = (data_root() / "errata" / "mt_bench_ko" / "errata.jsonl").read_bytes()
    hashes = json.loads((outputs / "mt_bench_ko" / "manifest.json").read_text())["bench"]["sha256"]
    assert hashes["errata/errata.jsonl"] == sha256(errata).hexdigest()
    assert hashes["question.jsonl"] == KO.files[0].sha256

    # The seven questions that are flawed themselves can be left out, and the table says so.
    shown = json.loads(online("show", "--format", "json", "--exclude-flawed").stdout)
    assert shown["excluded"] == [104, 125, 134, 136, 140, 156, 157]
    assert shown["models"]["m"]["counts"]["scored"] == 160 - 14
    assert "without 7 flawed questions" in " ".join(online("show", "--exclude-flawed").stdout.split())
    assert "flawed" not in online("show").stdout


def test_sets_without_severe_flaws_or_without_a_name_are_refused_by_exclude_flawed(
    program: Program, upstream: Path
) -> None:
    file = upstream / "upstream_judgments" / "single" / "gpt-4_single.jsonl"
    refused = program("show", "--input-file", file, "--exclude-flawed")
    assert (refused.returncode, "say with --bench-name" in refused.stderr) == (2, True)
    refused = program("show", "--input-file", file, "--exclude-flawed", "--bench-name", "mt_bench")
    assert (refused.returncode, "no question of mt_bench" in refused.stderr) == (2, True)


def test_folder_is_a_mirror_too_and_a_damaged_cache_is_mended(upstream: Path, tmp_path: Path) -> None:
    cache = DataCache(tmp_path / "cache", mirror=str(mirror_folder(upstream, tmp_path / "mirror")))
    folder = cache.ensure(KO)
    (folder / "question.jsonl").write_bytes(b"{}\n")
    (folder / ".question.jsonl.part").write_bytes(b"of a process that was killed")
    assert cache.missing(KO) == [KO.files[0]]
    assert cache.ensure(KO) == folder
    assert cache.missing(KO) == []
    assert sorted(path.name for path in folder.iterdir()) == ["question.jsonl", "reference_answer"]
    assert len(load_bench("mt_bench_ko", cache=cache, fetch=False).questions) == 80
    cut_off = DataCache(tmp_path / "cache", mirror=str(tmp_path / "nowhere"))
    assert cut_off.ensure(KO) == folder
    with pytest.raises(MtBenchError, match=r"nowhere.*No such file or directory"):
        DataCache(tmp_path / "other", mirror=str(tmp_path / "nowhere")).ensure(KO)
    with pytest.raises(UsageError, match=r"no question\.jsonl"):
        load_bench("mt_bench_ko", cache=DataCache(tmp_path / "other"), fetch=False)


def test_proxy_of_the_environment_is_used(mirror: DataServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("NO_PROXY", "no_proxy", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HTTP_PROXY", mirror.url)
    DataCache(tmp_path, mirror="http://mirror.invalid").ensure(KO)
    assert mirror.requests == {QUESTIONS: 1, REFERENCES: 1}


def test_private_certificate_authority_is_trusted_when_named(
    upstream: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("needs openssl")
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    made = "req -x509 -newkey rsa:2048 -nodes -days 1 -subj /CN=mirror -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([openssl, *made.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    handler = partial(SimpleHTTPRequestHandler, directory=str(mirror_folder(upstream, tmp_path / "served")))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        Thread(target=server.serve_forever, daemon=True).start()
        cache = DataCache(tmp_path / "cache", mirror=f"https://127.0.0.1:{server.server_port}")
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        with pytest.raises(MtBenchError, match="certificate verify failed"):
            cache.ensure(KO)
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert cache.missing(KO) == KO.files
        cache.ensure(KO)
        assert cache.missing(KO) == []
        server.shutdown()


def test_second_source_is_searched_by_content(mirror: DataServer, tmp_path: Path) -> None:
    """A Hugging Face repository whose file names are unknown: the file of the right length and hash is taken."""
    assert KO.by_content is not None
    content, other = mirror.files.pop(QUESTIONS), b"x" * len(mirror.files[REFERENCES])
    entries = [("README.md", b"#"), ("data/ko set.jsonl", content), ("wrong.jsonl", other), ("data/r.jsonl", b"")]
    entries[3] = ("data/r.jsonl", mirror.files.pop(REFERENCES))
    listing = [{"type": "file", "path": path, "size": len(text)} for path, text in entries]
    mirror.files[f"/api/{KO.by_content}/tree/main"] = json.dumps(listing).encode()
    mirror.files |= {f"/{KO.by_content}/resolve/main/{path}": text for path, text in entries}
    folder = DataCache(tmp_path, mirror=mirror.url).ensure(KO)
    assert (folder / "question.jsonl").read_bytes() == content

    mirror.files[f"/{KO.by_content}/resolve/main/data/ko set.jsonl"] = content[:-2] + b"]\n"
    with pytest.raises(MtBenchError, match=r"404 Not Found.*ko%20set\.jsonl: not the pinned file"):
        DataCache(tmp_path / "empty", mirror=mirror.url).ensure(KO)


def test_unknown_hashes_are_pinned_by_the_first_download(tmp_path: Path) -> None:
    given = find_set("mt_bench_pregenerated")
    data_set = given.model_copy(update={"files": given.files[:2]})
    first, second = data_set.files
    commit, later = "a" * 40, "b" * 40
    api = f"/api/{data_set.repo}/revision/main"

    def path(index: int, revision: str) -> str:
        return f"/{data_set.repo}/resolve/{revision}/data/mt_bench/{data_set.files[index].remote}"

    files = {api: json.dumps({"sha": commit}).encode(), path(0, commit): b'{"question_id": 1}\n', path(1, commit): b"{"}
    with serve_data(files) as server:
        cache = DataCache(tmp_path, mirror=server.url)
        with pytest.raises(MtBenchError, match="not JSON Lines"):  # a login page, say
            cache.ensure(data_set)
        assert cache.missing(data_set) == [second]

        server.files[api] = json.dumps({"sha": later}).encode()
        server.files[path(1, commit)] = b'{"question_id": 2}\n'
        folder = cache.ensure(data_set)  # of the commit that the first file came from
        pins = json.loads((folder / "pins.json").read_text())
        assert pins["revision"] == commit
        assert pins["sha256"][first.path] == sha256(b'{"question_id": 1}\n').hexdigest()

        (folder / first.path).unlink()
        server.files[path(0, commit)] = b'{"question_id": 3}\n'
        with pytest.raises(MtBenchError, match="not the pinned file"):
            cache.ensure(data_set)
        assert not (folder / first.path).exists()


def test_two_processes_fetch_a_set_once(mirror: DataServer, tmp_path: Path) -> None:
    caches = [DataCache(tmp_path, mirror=mirror.url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        assert len({*pool.map(lambda cache: cache.ensure(KO), caches)}) == 1
    assert mirror.requests == {QUESTIONS: 1, REFERENCES: 1}


def test_killed_fetch_leaves_nothing_that_is_taken_for_the_file(online: Program, mirror: DataServer) -> None:
    mirror.faults[REFERENCES] = "silence"
    process = online.start("data", "fetch", "mt_bench_ko")
    while not any(path.endswith(".part") for path in cached(online.folder / "data-cache")):
        assert process.poll() is None
    kill(process)
    assert process.returncode == -signal.SIGKILL
    mirror.faults.clear()
    assert online("data", "fetch", "mt_bench_ko").returncode == 0
    assert cached(online.folder / "data-cache") == [f"mt_bench_ko/{file.path}" for file in KO.files]
