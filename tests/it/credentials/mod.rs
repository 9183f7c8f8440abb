//! Credentials and regions, from the first request for them to the call that is signed, against the simulated services.

mod metadata;
mod regions;
mod renewal;
mod rig;
mod secrecy;
mod sources;
