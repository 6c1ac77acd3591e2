//! Flow records from elsewhere: so far our own recordings.

pub mod recording;
