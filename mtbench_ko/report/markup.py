"""Text of models and judges, which is hostile until proven otherwise, as HTML that can do nothing."""

import json
import re
from collections.abc import Sequence
from functools import cache
from secrets import token_hex
from typing import Any

import nh3
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from mtbench_ko.lines import well_formed

_TAGS = {
    "a", "blockquote", "br", "code", "em", "h4", "h5", "h6", "hr", "li", "ol", "p", "pre", "s", "span", "strong",
    "table", "tbody", "td", "th", "thead", "tr", "ul",
}  # fmt: skip
_ATTRIBUTES = {"a": {"href"}, "ol": {"start"}}
_CODE_CLASSES = {"c": "c", "k": "k", "m": "m", "s": "s", "nb": "f", "nc": "f", "nf": "f"}
"""How page.css names the kinds of words that it colours, by Pygments' short names or their first letter."""
_CLASSES = {"span": {"math", *_CODE_CLASSES.values()}}
_LOWEST_HEADING = 4  # the page's own go down to h3
_CODE_OR_MATH = re.compile(
    r"""
    ^(?P<fence>`{3,}|~{3,}).*?(?:^(?P=fence)|\Z)
    | (?P<tick>`+)(?!`) .{1,2000}? (?<!`)(?P=tick)(?!`)
    | (?P<math>
        \\\( .{1,2000}? \\\) | \\\[ .{1,4000}? \\\] | \$\$ .{1,4000}? \$\$
        | \\begin\{(?P<name>[a-z]+\*?)\} .{1,4000}? \\end\{(?P=name)\}
        | (?<![\\$\w])\$ (?![\s$]) [^$\n]{1,500}? (?<![\s\\])\$ (?![\d$])
    )
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)


def render(text: str) -> str:
    """Markdown as sanitized HTML: no images, no styles, links to the web alone, math as it was typed."""
    math: list[str] = []
    place = f"\ue000{token_hex(8)}"  # that no text can name: entities become letters after formulas are put away

    def put_away(match: re.Match[str]) -> str:
        if match["math"] is None:
            return match[0]
        math.append(match[0])
        return f"{place}{len(math) - 1}\ue001"

    html = re.sub(
        rf"{place}(\d+)\ue001",
        lambda found: f'<span class="math">{escapeHtml(math[int(found[1])])}</span>',
        _markdown().render(_CODE_OR_MATH.sub(put_away, text)),
    )
    return nh3.clean(
        html,
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        allowed_classes=_CLASSES,
        url_schemes={"http", "https", "mailto"},
        link_rel="noopener noreferrer nofollow",
    )


def explanation(reply: str) -> str:
    """What a judge's `reply` says: of JSON with an explanation that explanation, of any other the whole."""
    try:
        fields = json.loads(reply, strict=False)
    except (ValueError, RecursionError):
        return reply
    said = fields.get("explanation") if isinstance(fields, dict) else None
    return well_formed(said) if isinstance(said, str) and said.strip() else reply


@cache
def _markdown() -> MarkdownIt:
    markdown = MarkdownIt("js-default", {"html": False, "breaks": True, "highlight": _highlighted})
    markdown.disable("image")
    for rule in ("heading_open", "heading_close"):
        markdown.add_render_rule(rule, _heading)
    return markdown


def _heading(renderer: Any, tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    token.tag = f"h{min(6, int(token.tag[1]) + _LOWEST_HEADING - 1)}"
    return str(renderer.renderToken(tokens, index, options, env))


def _highlighted(code: str, language: str, attributes: str) -> str:
    """The inside of a code block with its words marked, "" for a language that is not known: it stays plain."""
    try:
        html = highlight(code, get_lexer_by_name(language), HtmlFormatter(nowrap=True))
    except ClassNotFound:
        return ""
    return re.sub(r'<span class="(\w+)">(.*?)</span>', _word, html, flags=re.DOTALL)


def _word(match: re.Match[str]) -> str:
    kind = _CODE_CLASSES.get(match[1]) or _CODE_CLASSES.get(match[1][0])
    return f'<span class="{kind}">{match[2]}</span>' if kind else match[2]
