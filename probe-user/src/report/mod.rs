//! The drift report: a model of what is said, and one renderer per format that sees the model only.

mod build;
mod json;
pub mod model;
mod text;
mod words;

pub use build::{Sources, build};
pub use json::json;
pub use model::Report;
pub use text::{text, undeclared};
