"""Splitting a model's thinking off its answer."""

OPEN, CLOSE = "<think>", "</think>"


def split_thinking(text: str, opened_by_prompt: bool = False) -> tuple[str, str | None]:
    """(answer, thinking) of a raw completion; thinking is None when there is none.

    Only a block that begins the text is thinking: a `<think>` later on belongs to the answer. Some chat
    templates open the block in the prompt, so that the text begins inside it: `opened_by_prompt` says so where
    the prompt is known, elsewhere a `</think>` that nothing opened. A block that never closes was cut off, and
    leaves an empty answer.
    """
    body = text.lstrip()
    if body.startswith(OPEN):
        body = body[len(OPEN) :]
    elif not opened_by_prompt and (CLOSE not in body or OPEN in body.partition(CLOSE)[0]):
        return text, None
    thinking, closed, answer = body.partition(CLOSE)
    return (answer.lstrip("\n") if closed else ""), thinking.strip()
