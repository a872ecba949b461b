//! The record of a request and of a connection; metrics.
