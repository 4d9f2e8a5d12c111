"""Wrong variants of the corrected references: each is one text replacement that the erratum's check must catch."""

_MEDIAN = [
    ("total // 2 + 1", "total // 2"),
    ("a[i] <= b[j]", "a[i] >= b[j]"),
    ("(prev + cur) / 2", "(prev, cur)"),
    ("j == n or (i < m and", "(i < m and"),
]
_MEDIAN_LOG = [
    ("(m + n + 1) // 2", "(m + n) // 2"),
    ("a_left > b_right", "a_left < b_right"),
    ("min(a_right, b_right)", "max(a_right, b_right)"),
    ('a[i] if i < m else float("inf")', "a[min(i, m - 1)]"),
]
_KTH = [
    ("i + j == k", "max(i, j) == k"),
    ("a[i] <= b[j]", "a[i] >= b[j]"),
    ("if not 1 <= k <= m + n:", "if k > m + n:"),
    ("    i = j = 0", "    i = j = 0; a.sort(reverse=True)"),
]
_KTH_LOG = [
    ("            return a[i - 1]\n", "            return b[0]\n"),
    ("max(0, k - n)", "0"),
    ("return max(a[i - 1], b[j - 1])", "return min(a[i - 1], b[j - 1])"),
]
_ROOT = [
    ("        return root\n", "        return p\n"),
    ("contains(root, p) and contains(root, q)", "contains(root, p) or contains(root, q)"),
    ("if node is target", "if node.value == target.value"),
]
_COMMON = [
    ("seen = True", "seen = False"),
    ("                yield arr1[i]\n                break", "                yield arr1[i]"),
    ("[1, 2, 2, 3, 4]", "[1, 2, 2, 3, 5]"),
]
_TOP_TWO = [
    ("most_common(2)", "most_common(3)"),
    ("most_common(2)", "most_common()[-2:]"),
    ("[1, 1, 1, 2, 2, 3, 4, 5, 6]", "[1, 1, 1, 1, 2, 2, 2, 5, 6]"),
]
_BINARY = [
    ("b[size - 1 - left]", "b[size - left]"),
    ("range(1, size - 1, 2)", "range(0, size - 1, 2)"),
    ("B_7 = 5", "B_7 = 14"),
    ("n < 1 or n % 2 == 0", "n < 1 or n % 2 == 1"),
]
_TERNARY = [
    ("t[size - 1 - i - j]", "t[size - i - j]"),
    ("n % 3 != 1", "n % 3 != 0"),
    ("T_10 = 12", "T_10 = 14"),
    ("range(1, size - 1 - i, 3)", "range(1, size - 3 - i, 3)"),
]
_WORDS = [
    ("rglob", "glob"),
    ("WORD.findall(line.lower())", "line.lower().split()"),
    ("line.lower()", "line"),
    ("total.most_common(n)", "total.most_common()[-n:]"),
]

MUTATIONS: dict[str, list[tuple[str, str]]] = {
    "ko-101-1": [
        ("내 위치는 2등", "내 위치는 1등"),
        ("앞질린 사람은 3등", "앞질린 사람은 2등"),
        ("나는 2등, 그", "나는 3등, 그"),
    ],
    "ko-101-2": [("일어날 수 없는", "일어날 수 있는"), ("뒤에는 아무도", "뒤에는 한 사람도")],
    "ko-102-1": [("2kg의 깃털이 더", "1kg의 벽돌이 더"), ("1kg의 두 배", "1kg의 세 배")],
    "ko-102-2": [("2kg의 깃털이 더", "1kg의 벽돌이 더"), ("더 벌어집니다", "더 좁혀집니다")],
    "ko-103-1": [("뜻하지는 않는다는", "뜻한다는"), ("의사, 간호사, 약사, 행정 직원, ", "의사, ")],
    "ko-104-1": [("없습니다(0명)", "없습니다(3명)"), ("여동생 세 명뿐", "여동생 두 명뿐")],
    "ko-104-2": [("남자 형제가 한 명", "남자 형제가 두 명"), ("남자 형제는 한 명", "남자 형제는 두 명")],
    "ko-105-1": [
        ("이름은 앨리스", "이름은 셰릴"),
        ("2번이 파란색, 3번이 녹색", "3번이 파란색, 2번이 녹색"),
        ("사이이므로 2번(사장)", "사이이므로 1번(사장)"),
    ],
    "ko-106-2": [("불확실합니다.", "참입니다."), ("오렌지 1000원, 사과 2000원", "오렌지 2000원, 사과 1000원")],
    "ko-107-2": [
        ("Z보다 3세대", "Z보다 4세대"),
        ("Z의 증조할아버지", "Z의 고조할아버지"),
        ("A의 증손입니다", "A의 손자입니다"),
    ],
    "ko-109-1": [("그림자는 서쪽을", "그림자는 남쪽을"), ("수지가 남쪽을", "수지가 북쪽을")],
    "ko-109-2": [("수지는 남쪽을", "수지는 북쪽을"), ("오른쪽은 동쪽이", "오른쪽은 서쪽이")],
    "ko-110-1": [("상황은 (다)입니다", "상황은 (라)입니다"), ("보고 대상이 아닙니다", "보고 대상입니다")],
    "ko-111-1": [("넓이는 3입니다", "넓이는 4입니다"), ("|-6| = 3", "|-8| = 4"), ("3√2 = 3입니다", "3√2 = 6입니다")],
    "ko-113-2": [("확률은 0(0%)", "확률은 0(51%)"), ("≈ 51.1%", "≈ 48.9%"), ("/ 0.45 = 0입니다", "/ 0.45 = 1입니다")],
    "ko-114-2": [("확률은 1(100%)", "확률은 1(94%)"), ("35 - 17 = 36", "35 - 9 = 44")],
    "ko-115-2": [
        ("금액은 100,000원", "금액은 76,000원"),
        ("모두 50명", "모두 38명"),
        ("2,000원 = 100,000원", "2,000원 = 76,000원"),
    ],
    "ko-117-2": [("해는 9개", "해는 6개"), ("-10, -9, -8", "-10, -8"), ("모두 9개", "모두 8개")],
    "ko-119-1": [("비용은 280달러", "비용은 95달러"), ("3권 × 30달러 = 90달러", "3권 × 30달러 = 30달러")],
    "ko-119-2": [
        ("총금액은 350달러", "총금액은 70달러"),
        ("이익은 70달러", "이익은 350달러"),
        ("37.5달러, 철학", "35달러, 철학"),
    ],
    "ko-120-2": [
        ("x = 2입니다", "x = 1.65입니다"),
        ("4x² + 8x + 7)", "4x² + 8x + 5)"),
        ("-1 ± (√3/2)i", "-1 ± (√5/2)i"),
    ],
    "ko-121-1": _WORDS,
    "ko-121-2": [
        *_WORDS[1:],
        ("pool.map(count_file, files, chunksize=chunk)", "pool.map(count_file, files[1:], chunksize=chunk)"),
    ],
    "ko-123-1": [
        ("Math.random() * jokes.length", "0.5 * jokes.length"),
        ('  <meta charset="utf-8">\n', ""),
        ("jokes.length);", "(jokes.length - 1));"),
        ('onclick="showJoke()"', 'onclick="showJokes()"'),
        ('"오리가 얼면? 언덕!"', '"농담 3"'),
    ],
    "ko-125-1": [*_ROOT, ("        return root\n", "        return root.left\n")],
    "ko-125-2": _ROOT,
    "ko-126-1": _MEDIAN,
    "ko-126-2": _MEDIAN_LOG,
    "ko-127-2": _TOP_TWO,
    "ko-128-1": _BINARY,
    "ko-128-2": _TERNARY,
    "ko-129-1": _KTH,
    "ko-129-2": _KTH_LOG,
    "ko-130-1": _COMMON,
    "en-101-2": [
        ("race this cannot happen", "race this can happen"),
        ("and nobody is behind", "and somebody is behind"),
    ],
    "en-104-1": [("no brothers (0)", "no brothers (1)"), ("is David himself", "is Daniel himself")],
    "en-104-2": [("have one brother.", "have two brother."), ("so one other", "so two other")],
    "en-105-1": [
        ("secretary is Alice.\n", "secretary is Cheryl.\n"),
        ("space 2 is blue and space 3", "space 3 is blue and space 2"),
        ("Bert is in space 2", "Bert is in space 1"),
    ],
    "en-107-2": [
        ("A is three generations", "A is four generations"),
        ("the great-grandfather of Z.\n", "the great-great-grandfather of Z.\n"),
        ("(= D = X)", "(= D = Y)"),
    ],
    "en-109-1": [("was pointing west.", "was pointing east."), ("he was facing south.", "he was facing north.")],
    "en-109-2": [
        ("Suresh was facing south.", "Suresh was facing north."),
        ("hand would be east.", "hand would be west."),
    ],
    "en-111-1": [("The area is 3.", "The area is 0."), ("|-6| = 3", "|0| = 0")],
    "en-111-2": [("circle is 5π", "circle is 20π"), ("about 15.71", "about 62.83"), ("(√5)² = 5π", "(√5)² = 25π")],
    "en-113-2": [("is 0 (0%)", "is 0 (51%)"), ("≈ 51.1%", "≈ 48.9%")],
    "en-114-1": [("is 35/36", "is 34/36"), ("so 35 rolls", "so 34 rolls"), ("about 97.2%", "about 94.4%")],
    "en-114-2": [("is 1 (100%)", "is 1 (94%)"), ("35 - 17 = 36", "35 - 9 = 44")],
    "en-120-2": [
        ("x = 2 (the only", "x = 1.65 (the only"),
        ("4x² + 8x + 7)\n", "4x² + 8x + 5)\n"),
        ("-1 ± (√3/2)i", "-1 ± (√5/2)i"),
    ],
    "en-122-2": [
        ("a = 0, b = -1", "a = 0, b = 1"),
        ("a + b + c", "b + c"),
        ("|| n < 0", ""),
        ("-4, -7, ...", "-4, -8, ..."),
        ("c = next;", "c = next"),
    ],
    "en-124-2": [
        ("[[0] * (n + 1)", "[[1] * (n + 1)"),
        ("max(dp[i - 1][j], dp[i][j - 1])", "dp[i - 1][j]"),
        ("one has a bug", "one has no bug"),
    ],
    "en-125-1": _ROOT,
    "en-125-2": _ROOT,
    "en-126-1": [*_MEDIAN, ("It is possible:", "It is impossible:")],
    "en-126-2": [*_MEDIAN_LOG, ("Yes, better", "No, better")],
    "en-127-2": _TOP_TWO,
    "en-128-1": _BINARY,
    "en-128-2": _TERNARY,
    "en-129-2": [*_KTH_LOG, ("    m, n = len(a), len(b)\n", "    a, b = a[:], b[:]\n    m, n = len(a), len(b)\n")],
    "en-130-1": _COMMON,
    "en-130-2": [
        ("set(arr1) & set(arr2)", "set(arr1) | set(arr2)"),
        ("list(set(arr1) & set(arr2))", "[x for x in arr2 if x in set(arr1)]"),
        ("O(m + n), which", "O(mn), which"),
    ],
}
