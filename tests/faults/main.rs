//! Faults of the machine and of what the service stands on, each named by its row in the table of SPECIFICATION.md: what
//! is promised while it lasts, and a right answer and nothing left behind afterwards.

mod docker;
mod lifecycle;
mod machine;
mod storage;
