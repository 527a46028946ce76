//! D: what one call may see of another.
