//! J: where secrets may never be found.
