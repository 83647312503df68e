"""Who a request comes from: from a token to a viewer, and the end of what a token allows.

access.py          what a verified token allows, and until when
claims.py          from the claims of a token to a viewer
fetching.py        read JSON from an issuer
keys.py            given keys that verify tokens
issued_keys.py     the keys of an issuer: fetched, kept, renewed
tokens.py          verify tokens, each once
shared_revocations.py  those that all API processes share
revoking_events.py  events of the log that revoke
minting.py         mint tokens for development
revocations.py     the subjects whose tokens were revoked
open_streams.py    end the streams of a token that has ended
authentication.py  all of it, for the transports

Only tokens.py, keys.py, issued_keys.py and minting.py import the library for tokens.
"""
