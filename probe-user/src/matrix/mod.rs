//! The declared side.
