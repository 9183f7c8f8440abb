//! The VPC API, embedded: the other side of the wire, for the demo, for tests and for other clients.
