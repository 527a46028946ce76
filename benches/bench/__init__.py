"""What `make bench` is made of: peers, the service, load, and the table of results."""
