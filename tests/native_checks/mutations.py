"""Wrong variants of the coding references: each is one text replacement that the tests must catch."""

from __future__ import annotations

MUTATIONS: dict[tuple[int, int], list[tuple[str, str]]] = {
    (1041, 1): [
        (' or (josa == "으로/로" and final == RIEUL)', ""),  # forgets 서울로
        ('(josa == "으로/로" and final == RIEUL)', "final == RIEUL"),  # 서울는
        ("RIEUL = 8", "RIEUL = 7"),
        ('"힣"', '"힝"'),
        ("if not word or not", "if not"),  # IndexError on an empty word
        ("if josa not in JOSA_PAIRS:", 'if "/" not in josa:'),
    ],
    (1041, 2): [
        ("if zeros >= 4:", "if zeros >= 16:"),
        ('"만억조"[zeros // 4 - 1]', '"만억조만"[zeros // 5]'),
        ('"만억조"[zeros // 4 - 1]', '"만"'),  # 조 has no final consonant
        ('return "영"', 'return "공일"'),
        ("word.rstrip(CLOSERS)", 'word.rstrip(")]")'),
        ("[0-9]+", "[0-9]"),
        ("[0-9]+", r"\\d+"),  # other scripts' digits
        ("return word + without_final", "return word.rstrip(CLOSERS) + without_final"),
    ],
    (1042, 1): [
        ("(1 if section is None else section)", "(section or 1)"),  # 0만 becomes 10000
        ("(1 if number is None else number)", "(number or 0)"),  # 천 becomes 0
        ("total += (1 if", "total = (1 if"),
        ("section = number = None", "number = None"),
        ('token.replace(",", "")', 'token.split(",")[0]'),
        ('"".join(text.split())', "text.strip()"),
        ('compact.removesuffix("원")', 'compact.replace("원", "")'),  # 3만원 5천
    ],
    (1042, 2): [
        ("1 if order < rest else 0", "1 if order <= rest else 0"),
        ("1 if order < rest else 0", "rest if order == 0 else 0"),
        ("paid.get(name, 0) + parse_won(amount)", "parse_won(amount)"),
        ('raise ValueError(f"칸이 세 개가 아닙니다: {line!r}")', "continue"),
        ("line = line.strip()", "pass"),
        ("enumerate(paid.items())", "enumerate(sorted(paid.items()))"),
        ("amount - share", "share - amount"),
    ],
}
