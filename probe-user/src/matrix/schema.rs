//! The published JSON Schema of the documents.

use schemars::{JsonSchema, Schema, schema_for};

use super::{exceptions, inventory, wire};

/// A document of any kind; `kind` tells which.
#[derive(JsonSchema)]
#[schemars(untagged, title = "flowdrift documents")]
#[expect(dead_code, reason = "only its schema is used")]
enum Document {
    Matrix(wire::Matrix),
    Inventory(inventory::wire::Inventory),
    Exceptions(exceptions::wire::Exceptions),
}

/// JSON Schema (draft 2020-12) of every document that flowdrift reads.
#[must_use]
pub fn schema() -> Schema {
    let mut schema = schema_for!(Document);
    // Exactly one fits, since the kinds differ; `oneOf` lets an editor say which.
    if let Some(any) = schema.remove("anyOf") {
        schema.insert("oneOf".to_owned(), any);
    }
    schema
}
