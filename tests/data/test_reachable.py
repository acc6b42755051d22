"""The quick check for a network, against local servers."""

import http.server
import socket
import threading
import time

from contrastive_jax.data.reachable import any_reachable


def test_an_error_status_is_an_answer():
    class NotFound(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_error(404)

        def log_message(self, *_):
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), NotFound) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        assert any_reachable([f"http://127.0.0.1:{server.server_port}/x"])


def test_no_server_listens():
    assert not any_reachable(["http://127.0.0.1:9/x", "http://no-such-host.invalid/x"])


def test_a_server_that_hangs_takes_no_longer_than_the_timeout():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        start = time.monotonic()
        assert not any_reachable([f"http://127.0.0.1:{silent.getsockname()[1]}/x"], timeout=0.3)
        assert time.monotonic() - start < 3
