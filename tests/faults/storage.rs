//! I6 and I7: a database and a store of artefacts that are slow, locked, read only, full or gone.
