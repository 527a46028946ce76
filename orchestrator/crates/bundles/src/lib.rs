//! Runtimes as data: one root file system per runtime, made from the toolchains of this machine.
