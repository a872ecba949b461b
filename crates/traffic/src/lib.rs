//! The decisions: routing, filters, balancing, health, retries. No IO, no clock, no dice.
