//! E: hostile output and results.
