"""Who may read the page: whoever knows the token."""

from __future__ import annotations

import secrets
from threading import Lock

TOKEN_BYTES = 32


class Keys:
    """The token of a server, and keys that open the page once.

    A program that opens the browser for the user passes a URL as an argument, which other users of the machine can see
    in the list of processes. Such a URL has a key that is worth nothing after its first use.
    """

    def __init__(self) -> None:
        self.token = secrets.token_urlsafe(TOKEN_BYTES)
        self._once: set[str] = set()
        self._lock = Lock()

    def once(self) -> str:
        """Return a new key that opens the page once."""
        key = secrets.token_urlsafe(TOKEN_BYTES)
        with self._lock:
            self._once.add(key)
        return key

    def fits(self, given: str) -> bool:
        """Whether this is the token; compared in constant time."""
        return secrets.compare_digest(given.encode(), self.token.encode())

    def opens(self, given: str) -> bool:
        """Whether this is the token, or a key that was not used before; it is used then."""
        with self._lock:
            for key in self._once:
                if secrets.compare_digest(given.encode(), key.encode()):
                    self._once.discard(key)
                    return True
        return self.fits(given)
