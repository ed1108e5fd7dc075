from datetime import UTC, datetime

from agent.clock import RealClock, VirtualClock


def test_virtual_time_passes_only_in_sleep():
    clock = VirtualClock(start=5, utc=datetime(2026, 1, 1, tzinfo=UTC))
    assert (clock.now(), clock.utc()) == (5, datetime(2026, 1, 1, tzinfo=UTC))
    clock.sleep(2.5)
    clock.sleep(-1)
    assert (clock.now(), clock.utc()) == (7.5, datetime(2026, 1, 1, 0, 0, 2, 500_000, tzinfo=UTC))


def test_real_time_goes_on_from_where_a_session_stopped():
    clock = RealClock(start=100)
    first = clock.now()
    assert first >= 100
    assert clock.now() >= first
