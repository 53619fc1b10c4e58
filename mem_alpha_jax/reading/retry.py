"""When a server is asked again: back-off and a circuit breaker.

Pure functions; times are seconds of a clock that never goes back.
"""

import datetime
import email.utils
from typing import NamedTuple

LONGEST_WAIT = 60.0  # seconds before one retry


def backoff(attempt: int, first: float, draw: float) -> float:
  """Seconds to wait before retry `attempt`, counted from 0.

  draw * min(LONGEST_WAIT, first * 2^attempt), with draw uniform in [0, 1):
  exponential back-off with full jitter, so that requests that failed together
  do not come back together. M. Brooker, "Exponential Backoff and Jitter", AWS
  Architecture Blog, 2015.
  """
  return draw * min(LONGEST_WAIT, first * 2.0**attempt)


def retry_after(header: str | None, now: datetime.datetime) -> float | None:
  """Seconds that a Retry-After header asks for (RFC 9110, section 10.2.3).

  Args:
    header: seconds or an HTTP date; None if there was none.
    now: the time with its zone, from which a date is counted.

  Returns:
    None if there is no header or it cannot be read.
  """
  text = (header or '').strip()
  if text.isascii() and text.isdecimal():
    return float(text)
  try:
    date = email.utils.parsedate_to_datetime(text)
  except ValueError:
    return None
  if date.tzinfo is None:  # '-0000': in UTC, says RFC 5322
    date = date.replace(tzinfo=datetime.UTC)
  return max((date - now).total_seconds(), 0.0)


class Breaker(NamedTuple):
  """A circuit breaker (M. Nygard, Release It!, 2007), as a value.

  closed   requests pass; `limit` that fail in a row open it.
  open     none passes until `until`; the first after it is a probe.
  probing  the probe is out: a reply closes the breaker, else it opens again.

  While a server is away for the first time, requests wait for the probe, so
  that a short break costs no answer; once a probe has failed they are refused
  until the next one, so that a long break costs little time.
  """

  state: str = 'closed'
  failures: int = 0  # in a row
  until: float = 0.0
  lost: int = 0  # probes that failed in a row


def admit(breaker: Breaker, now: float) -> tuple[str, Breaker]:
  """What a request may do now: 'send', 'probe', 'wait' or 'refuse'."""
  if breaker.state == 'closed':
    return 'send', breaker
  if breaker.state == 'probing':
    return 'wait', breaker
  if now >= breaker.until:
    return 'probe', breaker._replace(state='probing')
  return ('refuse' if breaker.lost else 'wait'), breaker


def settle(
  breaker: Breaker,
  alive: bool,
  probe: bool,
  now: float,
  limit: int,
  pause: float,
) -> Breaker:
  """The breaker after a request.

  Args:
    breaker: as it is now; it may have opened while the request was out.
    alive: whether the server did its job.
    limit: failures in a row that open it; 0 never opens.
    pause: seconds that it stays open.
  """
  if alive:
    return Breaker()
  failures = breaker.failures + 1
  if probe:
    return Breaker('open', failures, now + pause, breaker.lost + 1)
  if breaker.state == 'closed' and limit and failures >= limit:
    return Breaker('open', failures, now + pause)
  return breaker._replace(failures=failures)
