module cloudbox/runtimes/go

go 1.18
