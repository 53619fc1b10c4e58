"""Back-off, Retry-After and the breaker, as plain values."""

import datetime

import pytest

from mem_alpha_jax.reading import retry

NOW = datetime.datetime(2026, 11, 23, 4, 0, tzinfo=datetime.UTC)


def test_backoff_doubles_under_a_bound_and_jitters_fully():
  longest = [retry.backoff(i, 0.5, 1.0) for i in range(9)]
  assert longest == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
  assert retry.backoff(3, 0.5, 0.25) == 1
  assert retry.backoff(3, 0.5, 0.0) == 0


@pytest.mark.parametrize(
  ('header', 'seconds'),
  [
    ('7', 7), (' 0 ', 0), ('Mon, 23 Nov 2026 04:00:30 GMT', 30),
    ('Mon, 23 Nov 2026 03:00:00 GMT', 0),
    ('Mon, 23 Nov 2026 04:01:00 -0000', 60),
    (None, None), ('', None), ('soon', None), ('-3', None), ('1.5', None),
  ],
)  # fmt: skip
def test_retry_after(header, seconds):
  assert retry.retry_after(header, NOW) == seconds


def fail(breaker, now, probe=False, limit=3):
  return retry.settle(breaker, False, probe, now, limit, pause=10)


def test_breaker_opens_after_failures_in_a_row_alone():
  breaker = fail(fail(retry.Breaker(), 0), 0)
  assert retry.admit(breaker, 0)[0] == 'send'
  breaker = retry.settle(breaker, True, False, 0, 3, 10)
  assert breaker == retry.Breaker()
  breaker = fail(fail(fail(breaker, 1), 2), 3)
  assert breaker.state == 'open' and breaker.until == 13
  never = retry.Breaker()
  for now in range(100):
    never = fail(never, now, limit=0)
  assert never.state == 'closed'


def test_open_breaker_waits_once_for_its_probe_and_then_refuses():
  breaker = fail(fail(fail(retry.Breaker(), 0), 0), 0)
  assert retry.admit(breaker, 9.9) == ('wait', breaker)
  may, probing = retry.admit(breaker, 10)
  assert may == 'probe'
  assert retry.admit(probing, 11) == ('wait', probing)  # one probe alone
  # What was sent before it opened decides nothing when it fails ...
  assert fail(probing, 11).state == 'probing'
  lost = fail(probing, 12, probe=True)
  assert retry.admit(lost, 13)[0] == 'refuse'
  may, probing = retry.admit(lost, 22)
  assert may == 'probe'
  assert fail(probing, 23, probe=True).lost == 2
  # ... and shows that the server is there when it does not.
  for state in (breaker, probing, lost):
    assert retry.settle(state, True, False, 24, 3, 10) == retry.Breaker()
