"""How to choose: evidence -> posterior -> P(best) -> allocation -> draw. Arms are the last axis."""
