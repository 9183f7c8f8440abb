//! What clients may not do.
