"""The report in a real browser: every control does what it says, and what models wrote does nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from browser import chromium, opened
from report_outputs import (
    BENCH,
    DO,
    HOSTILE,
    MODEL,
    OTHER,
    QUESTIONS,
    write_answers,
    write_bench,
    write_failure,
    write_games,
    write_grades,
)

from mtbench_ko.bench import DataCache, QuestionNote
from mtbench_ko.lines import well_formed
from mtbench_ko.report import gather, open_questions, write_report

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

EVIL = f'</script><script>{DO}</script>"><img src=x onerror={DO}>/악성'


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    with chromium() as started:
        yield started


def made(folder: Path, hostile: bool) -> Path:
    """The page of two models with grades and games."""
    bench, output = write_bench(folder, hostile), folder / "outputs"
    models = (EVIL, OTHER) if hostile else (MODEL, OTHER)
    text = HOSTILE if hostile else "글입니다."
    for model in models:
        write_answers(output, model, text, thinking=f"곰곰이 생각합니다. {text}")
    write_grades(output, dict(zip(models, (9, 7), strict=True)), text)
    write_games(output, [models], text)
    write_failure(output, OTHER, 4, text)
    reason = f"전제가 어긋납니다. {well_formed(text)}"
    note = QuestionNote(question_id=6, severity="high", reason=reason, question_sha256=["-"])
    questions = replace(open_questions(str(bench), DataCache()), flaws={6: note})
    report = gather({"outputs": output}, questions)
    return write_report(report, output / BENCH / "report")


@pytest.fixture(scope="module")
def page_file(browser: "Browser", tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("report"), hostile=False)


def unfold(page: "Page") -> None:
    page.evaluate("for (const part of document.querySelectorAll('details')) part.open = true")


def wait_for(page: "Page", questions: list[int]) -> None:
    """Until the list holds exactly these."""
    listed = "[...document.querySelectorAll('#list .top:first-child > span')].map((row) => parseInt(row.textContent))"
    page.wait_for_function(
        f"(wanted) => JSON.stringify({listed}) === wanted", arg=json.dumps(questions, separators=(",", ":"))
    )


def test_hostile_text_does_nothing(browser: "Browser", tmp_path: Path) -> None:
    """In a model's name, questions, answers, thinking, judgments of both kinds and the reason of a failure."""
    file = made(tmp_path, hostile=True)
    with opened(browser, file) as page:
        before = page.evaluate("Object.keys(window).length")
        page.select_option("[name=b]", index=2)
        for number in QUESTIONS:
            page.locator("#detail-title", has_text=str(number)).wait_for()
            unfold(page)
            active = "script, style, iframe, img, form, [onerror], [onclick], [onload], [style]"
            assert page.evaluate(f"document.querySelectorAll('#detail :is({active})').length") == 0
            links = page.evaluate("[...document.querySelectorAll('#detail .prose a')].map((link) => link.href)")
            assert links
            assert all(link.startswith("http://127.0.0.1:9/") for link in links)
            following = page.get_by_role("button", name="다음 문항")
            if following.is_enabled():
                following.click()
        assert "onerror" in page.locator("#detail .answer h5").first.inner_text()  # it is there, as text
        page.fill("[name=s]", "<script>")
        page.locator("#found", has_text="8개").wait_for()
        assert page.evaluate("[typeof window.hacked, Object.keys(window).length]") == ["undefined", before]
        assert page.locator("#leaderboard").is_visible()
    for text in (file.read_text(encoding="utf-8"), *(path.read_text() for path in file.parent.glob("*.svg"))):
        assert f"<script>{HOSTILE[8:20]}" not in text


def test_policy_stops_what_would_slip_through(browser: "Browser", page_file: Path) -> None:
    """The second line of defence: even markup that reached the page could neither run nor call home."""
    attack = """() => new Promise((done) => {
      const refused = [], kinds = ["img-src", "style-src-elem", "frame-src", "script-src-elem", "connect-src"];
      document.addEventListener("securitypolicyviolation", (event) => refused.push(event.effectiveDirective));
      document.getElementById("detail").innerHTML =
        "<img src=x onerror='window.hacked=1'><img src='http://127.0.0.1:9/'><style>*{}</style><iframe src='http://127.0.0.1:9/'></iframe>";
      const script = document.createElement("script");
      script.textContent = "window.hacked=1";
      document.body.append(script);
      const waiting = setInterval(() => {
        if (!kinds.every((kind) => refused.includes(kind))) return;
        clearInterval(waiting);
        done(typeof window.hacked);
      }, 20);
      fetch("http://127.0.0.1:9/").catch(() => {});
    })"""
    page = browser.new_page()
    page.goto(page_file.as_uri())
    assert page.evaluate(attack) == "undefined"
    page.close()


def test_filters_search_and_side_by_side(browser: "Browser", page_file: Path) -> None:
    with opened(browser, page_file) as page:
        everything = list(QUESTIONS)
        wait_for(page, everything)
        page.locator("#list a").nth(5).click()
        page.locator("#detail-title", has_text="문항 6").wait_for()
        page.select_option("[name=cat]", label="수학")
        wait_for(page, [1, 5])
        assert page.locator("#detail-title").inner_text() == "문항 1"  # the one that was open is not among them
        page.select_option("[name=cat]", label="우리 분야")
        wait_for(page, [3, 7])
        page.get_by_role("button", name="모두 풀기").click()
        wait_for(page, everything)
        page.select_option("[name=min]", "8")
        wait_for(page, [1, 2])  # 9 and 8
        page.select_option("[name=min]", "")
        page.select_option("[name=max]", "3")
        wait_for(page, [7, 8])
        page.get_by_role("button", name="모두 풀기").click()
        for label, questions in (("잘린 답변", [3]), ("흠 있는 문항", [6]), ("미채점", [5]), ("순서에 따라 갈림", [2])):
            page.select_option("[name=flag]", label=label)
            wait_for(page, questions)
        page.select_option("[name=a]", "")
        page.select_option("[name=flag]", label="실패")
        wait_for(page, [4])
        assert "context_overflow" in page.locator("#detail").inner_text()
        page.get_by_role("button", name="모두 풀기").click()

        for words, questions in (
            ("6-2번", [6]),
            ("둘째 차례 8", [8]),
            ("채점 3-1: 글입니다", []),
            ("글입니다 3-1:", [3]),
            ("없는말", []),
        ):
            page.fill("[name=s]", words)
            wait_for(page, questions)
        page.fill("[name=s]", "")
        wait_for(page, everything)

        page.select_option("[name=b]", OTHER)
        assert page.locator(".turn").first.locator(".answer h5").all_inner_texts() == [MODEL, OTHER]
        assert page.locator(".games").count() == 2  # one for each turn
        games = page.locator(".games").first
        assert games.locator(".badge").all_inner_texts() == [f"{MODEL} 먼저", f"{OTHER} 먼저"]
        games.locator("summary").last.click()
        assert "둘째 판" in games.inner_text()
        assert f"{MODEL} − {OTHER}: 평균 +1.86점" in page.locator("#apart").inner_text()


def test_thinking_is_folded_and_the_reference_names_its_source(browser: "Browser", page_file: Path) -> None:
    with opened(browser, page_file, "#q=1") as page:
        assert not page.get_by_text("곰곰이").first.is_visible()
        page.locator("summary", has_text="생각 과정").first.click()
        assert page.get_by_text("곰곰이").first.is_visible()
        page.locator("summary", has_text="참고 답안 · 질문 세트의 답안").first.click()
        assert page.get_by_text("참고 답안 1-1").is_visible()
        assert page.locator("text=다릅니다").count() == 0


def test_shared_link_opens_the_same_view(browser: "Browser", page_file: Path) -> None:
    with opened(browser, page_file) as page:
        page.select_option("[name=b]", OTHER)
        page.locator("#list a").nth(5).click()
        page.locator("#detail-title:focus", has_text="문항 6").wait_for()
        page.get_by_role("button", name="링크 복사").click()
        page.locator("#told:not(.hidden)").wait_for()
        fragment = "#" + page.url.partition("#")[2]
    with opened(browser, page_file, fragment) as page:
        assert page.locator("#detail-title").inner_text() == "문항 6"
        assert page.locator(".turn").first.locator(".answer h5").all_inner_texts() == [MODEL, OTHER]
    with opened(browser, page_file, "#q=99&a=nobody&cat=none&flag=x") as page:  # a link from an older report
        wait_for(page, [number for number in QUESTIONS for _ in (MODEL, OTHER)])


def test_language_and_theme_can_be_switched_and_are_kept(browser: "Browser", page_file: Path) -> None:
    with opened(browser, page_file, locale="en-US", color_scheme="dark") as page:
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert page.locator("h1").inner_text().startswith("MT-Bench results")
        assert page.locator("#detail-title").inner_text() == "Question 1"
        page.locator("label", has_text="한국어").first.click()
        assert page.locator("h1").inner_text().startswith("MT-Bench 결과")
        assert page.locator("#detail-title").inner_text() == "문항 1"
        assert page.locator("#radar text", has_text="수학").count() == 1
        page.locator("label", has_text="밝게").click()
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark
        page.reload()
        page.wait_for_selector("html[data-ready]")
        assert page.evaluate("[document.documentElement.lang, document.documentElement.dataset.theme]") == [
            "ko",
            "light",
        ]


def test_keyboard_alone_reaches_everything(browser: "Browser", page_file: Path) -> None:
    with opened(browser, page_file) as page:
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        page.locator("#browse:focus").wait_for()
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.name") == "s"
        page.keyboard.type("7-1번")
        wait_for(page, [7])
        for _ in range(20):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.matches('#list a')"):
                break
        page.keyboard.press("Enter")
        page.locator("#detail-title:focus", has_text="문항 7").wait_for()


@pytest.mark.parametrize(("locale", "scheme", "width"), [("ko-KR", "light", 1280), ("en-US", "dark", 390)])
def test_accessibility_checker_finds_nothing_serious(
    browser: "Browser", page_file: Path, locale: str, scheme: str, width: int
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    viewport = {"width": width, "height": 900}
    with opened(browser, page_file, f"#q=1&b={OTHER}", locale=locale, color_scheme=scheme, viewport=viewport) as page:
        unfold(page)
        problems = axe.run(page).response["violations"]
        assert [
            (one["id"], one["nodes"][0]["html"]) for one in problems if one["impact"] in ("serious", "critical")
        ] == []
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")  # the page never scrolls sideways


def test_tables_stand_without_javascript_and_print_leaves_out_controls(browser: "Browser", page_file: Path) -> None:
    with opened(browser, page_file, java_script_enabled=False) as page:
        assert page.locator("#leaderboard tbody th").all_inner_texts() == [MODEL, OTHER]
        assert "JavaScript가 필요합니다" in page.locator("#browse").inner_text()
    with opened(browser, page_file) as page:
        page.emulate_media(media="print")
        assert page.locator("#leaderboard").is_visible()
        assert page.locator("#detail").is_visible()
        assert not page.locator("#filters").is_visible()
