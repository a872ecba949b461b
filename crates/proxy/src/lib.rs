//! Everything that waits: listeners, exchanges, pools, body pump, drain.
