//! HTTP messages without IO: heads, body framing, canonical forms, limits.
