"""One POST over HTTP: status and body, or one of two plain errors."""

import asyncio
import http.cookiejar
import ssl
from typing import NamedTuple

import httpx2


class Response(NamedTuple):
  """What a server said.

  Attributes:
    status: of HTTP.
    body: the whole body; b'' if it is too long, or the status is not 2xx.
    retry_after: the header of that name, None if there is none.
  """

  status: int
  body: bytes = b''
  retry_after: str | None = None


def trusted() -> ssl.SSLContext:
  """The certificates that this machine trusts; slow enough to keep."""
  return ssl.create_default_context()


def connections(context: ssl.SSLContext) -> httpx2.AsyncClient:
  """What requests go out through, as an `async with`.

  A connection a request: one that is kept may be closed by the server at any
  moment, which could not be told from a request that was dropped. Redirects
  are not followed: a key must not go to another host, nor a POST become GET.
  Proxies are those of the environment. Cookies are not kept, so that a
  balancer may send each request to another server.
  """
  nobody = http.cookiejar.DefaultCookiePolicy(allowed_domains=())
  return httpx2.AsyncClient(
    verify=context,
    timeout=None,  # `post` has its own
    limits=httpx2.Limits(max_connections=None, max_keepalive_connections=0),
    # Not compressed: the longest body is counted as it comes.
    headers={'Connection': 'close', 'Accept-Encoding': 'identity'},
    cookies=http.cookiejar.CookieJar(nobody),
    follow_redirects=False,
    trust_env=True,
  )


async def post(
  client: httpx2.AsyncClient,
  url: str,
  headers: dict[str, str],
  body: bytes,
  timeout: float,
  longest: int,
) -> Response:
  """Sends a body and reads the reply.

  Args:
    client: of `connections`.
    url: where to.
    headers: besides those of the client.
    body: what is sent.
    timeout: seconds until the reply must be whole, the connection included.
    longest: bytes of a body that are read.

  Raises:
    TimeoutError: the reply was not whole in time.
    ConnectionError: the connection was refused, reset or cut, or what came
      over it is not HTTP.
  """
  request = client.stream('POST', url, headers=headers, content=body)
  try:
    async with asyncio.timeout(timeout), request as response:
      status = response.status_code
      if not response.is_success:
        return Response(status, retry_after=response.headers.get('Retry-After'))
      return Response(status, await _read(response, longest))
  except (TimeoutError, httpx2.TimeoutException) as error:
    raise TimeoutError from error
  except (OSError, httpx2.RequestError, httpx2.InvalidURL) as error:
    raise ConnectionError(str(error)) from error


async def _read(response: httpx2.Response, longest: int) -> bytes:
  parts, size = [], 0
  async for part in response.aiter_raw():
    parts.append(part)
    size += len(part)
    if size > longest:
      return b''
  return b''.join(parts)
