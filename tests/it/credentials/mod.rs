//! Credentials, regions and calls of one account against the simulated services.

mod caller;
mod metadata;
mod regions;
mod renewal;
mod secrecy;
mod setup;
mod sources;
