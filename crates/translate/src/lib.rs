//! Resources to Config and statuses: pure, every problem with its place.
