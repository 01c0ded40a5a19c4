"""What every answer over TCP says besides: to browsers, who may use it; to strangers, that this was all."""

from aiohttp import web

from beeyard.entrypoints.http.identity import is_stranger

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
}
"""Unless the answer has its own. None allows another origin anything, and none ever should."""


async def finish(request: web.Request, response: web.StreamResponse) -> None:
    """Just before the headers leave: a signal of aiohttp's, on_response_prepare."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.pop("Server", None)  # Which version of what serves here is nobody's business.
    if is_stranger(request):
        response.headers["Connection"] = "close"  # Its connection would be closed in a moment anyway.
        response.force_close()
