"""What may be stamped: hash, policy, extensions (RFC 3161 2.4.1 and 2.4.2). A refusal here costs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import lru_cache

from tsa.protocol import der
from tsa.protocol.errors import UnacceptedExtension, UnacceptedHash, UnacceptedPolicy
from tsa.protocol.tsp import TimeStampReq

_encoded = lru_cache(maxsize=4096)(der.oid)  # an application's own policy comes again with every request of its


class StampingPolicy:
    """The hash algorithms, by name, and the policies, by dotted OID, that this authority stamps under."""

    def __init__(self, default: str, accepted: Iterable[str], hashes: Sequence[str]) -> None:
        policies = (default, *accepted)
        self._default = der.oid(default)
        self._policies = {der.oid(policy) for policy in policies}
        self._hashes = frozenset(hashes)
        self._policy_names = ", ".join(dict.fromkeys(policies))
        self._hash_names = ", ".join(hashes)

    def policy_for(self, request: TimeStampReq, own: str | None = None) -> bytes:
        """The policy, a DER OBJECT IDENTIFIER, that a token for `request` is issued under.

        `own` is the application's own policy, dotted, which then takes the place of the default.
        Raises UnacceptedHash, UnacceptedPolicy or UnacceptedExtension.
        """
        if request.hash_algorithm.name not in self._hashes:
            raise UnacceptedHash(f"{request.hash_algorithm.name} is not accepted here: use one of {self._hash_names}.")
        if request.extensions:
            raise UnacceptedExtension(f"No extension is understood here: leave out {', '.join(request.extensions)}.")
        if not request.req_policy:
            return _encoded(own) if own else self._default
        if request.req_policy not in self._policies and not (own and request.req_policy == _encoded(own)):
            asked = der.dotted(der.content(request.req_policy))
            raise UnacceptedPolicy(f"Policy {asked} is not offered here: ask for {self._policy_names}, or for none.")
        return request.req_policy
