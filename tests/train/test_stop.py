"""What a signal does to this process, from the first question of a run to its end."""

import os
import signal

import pytest

from contrastive_jax.train.stop import StopRequest

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@pytest.mark.parametrize("number, status", [(signal.SIGINT, 130), (signal.SIGTERM, 75)])
def test_a_signal_is_noted_and_the_handlers_are_put_back(number, status, capfd):
    before = [signal.getsignal(each) for each in SIGNALS]
    with StopRequest() as stop:
        assert [signal.getsignal(each) for each in SIGNALS] == before, "nothing to save before the first step"
        assert not stop.reached()
        os.kill(os.getpid(), number)
        assert stop.reached() and stop.reached() and stop.status == status
    assert [signal.getsignal(each) for each in SIGNALS] == before
    assert ("a second Ctrl-C stops at once" in capfd.readouterr().err) == (number == signal.SIGINT)


def test_a_second_ctrl_c_does_not_wait_for_the_step():
    with StopRequest() as stop:
        assert not stop.reached()
        os.kill(os.getpid(), signal.SIGINT)
        assert stop.reached()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
