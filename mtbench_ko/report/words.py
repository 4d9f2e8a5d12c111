"""The words of tables in English and in Korean."""

from typing import Literal

Language = Literal["en", "ko"]

SMALLEST = "A difference below about {} is not seen here (80 % power, 5 % level, median over pairs of models)."
PANEL = "Krippendorff's alpha of all {} judges: {} ({} items that at least two of them scored)."
UNSCORED = "{} without a verdict, which are left out."
CONSTANT = "{} gave every turn a {}: it tells nothing apart."
REPORTED = "{} answered as several models ({}): their scores are not of one judge."

_KOREAN = {
    "model": "모델",
    "rank": "순위",
    "turn 1": "1턴",
    "turn 2": "2턴",
    "average": "평균",
    "95 % interval": "95% 신뢰구간",
    "scored": "채점",
    "unscored": "미채점",
    "failed": "실패",
    "win": "승",
    "loss": "패",
    "tie": "무",
    "win rate": "승률",
    "loss rate": "패율",
    "adjusted": "조정 승률",
    "rating": "BT 점수",
    "single-answer grading": "단일 답변 채점",
    "pairwise comparison": "쌍대 비교",
    "judge {}": "심사 모델 {}",
    "prompts {}": "프롬프트 {}",
    "references {}": "참고 답안 {}",
    "language penalty {}": "언어 감점 {}",
    "without {} flawed questions": "결함 문항 {}개 제외",
    "by category": "분야별 점수",
    "against {}": "{} 대비",
    "difference": "차이",
    "resolved": "구별됨",
    "smallest seen": "최소 검출 차이",
    "questions": "문항",
    "yes": "예",
    "no": "아니오",
    "language of answers": "답변의 언어",
    "turns": "턴",
    "not Korean": "한국어 아님",
    "switched": "언어 혼용",
    "levels mixed": "말투 뒤섞임",
    "level changed": "턴 사이 말투 바뀜",
    "Hangul": "한글 비율",
    "speech level": "말투 (합쇼체/해요체/반말)",
    "order of answers": "제시 순서의 영향",
    "category": "분야",
    "all": "전체",
    "comparisons": "비교",
    "consistent": "판정 일치",
    "first shown won": "먼저 보인 쪽 승",
    "second shown won": "나중 보인 쪽 승",
    "corrected references": "고친 참고 답안의 영향",
    "changed turns": "바뀐 턴",
    "before": "이전",
    "after": "이후",
    "change": "변화",
    "other turns": "나머지 턴",
    "judges": "심사 모델별 평균",
    "spread": "격차",
    "agreement": "심사 일치도",
    "items": "항목",
    "equal": "같음",
    "within 1": "1점 이내",
    "itself": "자기 자신",
    "both turns": "두 턴",
    "kappa": "카파",
    "weighted kappa": "가중 카파",
    "alpha": "알파",
    "with ties (S1)": "무승부 포함(S1)",
    "without ties (S2)": "무승부 제외(S2)",
    "pairs of votes": "판정 쌍",
    "agree": "일치",
    "ratio": "일치율",
    "writing": "글쓰기",
    "roleplay": "역할극",
    "reasoning": "추론",
    "math": "수학",
    "coding": "코딩",
    "extraction": "추출",
    "stem": "과학기술",
    "humanities": "인문",
    SMALLEST: "약 {}점보다 작은 차이는 여기서 보이지 않습니다(검정력 80%, 유의수준 5%, 모델 쌍의 중앙값).",
    CONSTANT: "{}: 모든 턴에 {}점을 주어 아무것도 구별하지 못합니다.",
    REPORTED: "{}: 여러 모델({})이 답하여, 한 심사 모델의 점수로 볼 수 없습니다.",
    "{} missing": "{} 빠짐",
    PANEL: "심사 모델 {}개 전체의 크리펜도르프 알파: {} (둘 이상이 채점한 {}개 항목).",
    UNSCORED: "판정이 없어 제외한 항목: {}.",
}


def words(text: str, language: Language, *names: object) -> str:
    """`text` in `language`, with `names` in its braces; what has no translation, such as a category, as it is."""
    told = _KOREAN.get(text, text) if language == "ko" else text
    return told.format(*names) if names else told
