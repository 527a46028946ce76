//! The bodies of the HTTP API's requests and answers.
