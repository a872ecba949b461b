//! For tests only: clock, in-memory network, scripted origins.
