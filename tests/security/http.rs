//! G: hostile clients of the HTTP interface.
