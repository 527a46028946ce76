//! B: ways out of the sandbox, and what may be seen from inside.
