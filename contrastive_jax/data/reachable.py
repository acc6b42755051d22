"""Checks for a network before a download: without one, tensorflow-datasets would retry for minutes."""

import threading
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

TIMEOUT = 5  # seconds, for all hosts together


def any_reachable(urls: Sequence[str], timeout: float = TIMEOUT) -> bool:
    """Whether any host of `urls` answers in time, with any status. Uses the proxies of the environment."""
    import requests

    answered = threading.Event()

    def ask(url: str) -> None:
        try:
            requests.head(url, timeout=timeout)
        except requests.RequestException:
            return
        answered.set()

    one_per_host = {urlsplit(url).hostname: url for url in urls}.values()
    # Daemon threads, because a DNS look-up that hangs ignores the timeout.
    threads = [threading.Thread(target=ask, args=(url,), daemon=True) for url in one_per_host]
    for thread in threads:
        thread.start()
    deadline = time.monotonic() + timeout
    while not answered.wait(0.05) and time.monotonic() < deadline:
        if not any(thread.is_alive() for thread in threads):
            break
    return answered.is_set()
