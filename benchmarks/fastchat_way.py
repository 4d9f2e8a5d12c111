"""FastChat's arm of the judge-pool benchmark: a thread for each call in flight, and ten seconds of sleep after errors.

FastChat's judge (lm-sys/FastChat, llm_judge/gen_judgment.py and common.py) hands its matches to a ThreadPoolExecutor
and makes a synchronous call of the OpenAI SDK in each thread, up to 16 times with a fixed pause of 10 s. This does the
same with today's SDK, and is kinder than the original: one client serves all threads.
"""

import time
from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import openai
from workload import (
    API_KEY,
    MAX_TOKENS,
    MODEL,
    TEMPERATURE,
    Outcome,
    arm_arguments,
    hand_over,
    is_whole,
    prompts,
    reset,
    stats,
)

_TRIES = 16  # API_MAX_RETRY
_PAUSE = 10.0  # API_RETRY_SLEEP, seconds


def measure(arguments: Namespace) -> Outcome:
    """Make the client, warm it up with one call, then time all items."""
    client = openai.OpenAI(base_url=f"{arguments.url}/v1", api_key=API_KEY, max_retries=0)
    _ask(client, prompts(1)[0])
    items = prompts(arguments.items)
    reset(arguments.url)
    with ThreadPoolExecutor(arguments.parallel) as threads:
        cpu, began = time.process_time(), time.perf_counter()
        texts = list(threads.map(lambda messages: _ask(client, messages), items))
        seconds, used = time.perf_counter() - began, time.process_time() - cpu
    return Outcome(
        items=len(items),
        completed=sum(map(is_whole, texts)),
        seconds=seconds,
        cpu_seconds=used,
        server=stats(arguments.url),
    )


def _ask(client: openai.OpenAI, messages: list[dict[str, str]]) -> str | None:
    """The reply's text, None after the last try. Any error counts, as the SDK of FastChat's time wrapped them all."""
    for _ in range(_TRIES):
        try:
            reply = client.chat.completions.create(
                model=MODEL, messages=cast(Any, messages), n=1, temperature=TEMPERATURE, max_tokens=MAX_TOKENS
            )
            return reply.choices[0].message.content
        except (openai.OpenAIError, ValueError):  # ValueError: a body that is not JSON
            time.sleep(_PAUSE)
    return None


def main() -> None:
    hand_over(measure(arm_arguments("One measurement of FastChat's way; prints it as JSON.")))


if __name__ == "__main__":
    main()
