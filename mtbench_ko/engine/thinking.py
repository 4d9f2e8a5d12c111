"""Splitting a model's thinking off its answer."""

OPEN, CLOSE = "<think>", "</think>"


def split_thinking(text: str, opened_by_prompt: bool = False) -> tuple[str, str | None]:
    """(answer, thinking) of a raw completion; thinking is None when there is none.

    Only a block that begins the text is thinking: a `<think>` later on belongs to the answer. Some chat
    templates open the block in the prompt (`opened_by_prompt`), so that the text begins inside it. A block
    that never closes was cut off, and leaves an empty answer.
    """
    body = text.lstrip()
    if body.startswith(OPEN):
        body = body[len(OPEN) :]
    elif not opened_by_prompt:
        return text, None
    thinking, closed, answer = body.partition(CLOSE)
    return (answer.lstrip("\n") if closed else ""), thinking.strip()
