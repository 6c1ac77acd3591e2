//! Line 4: the compiled matcher finds what the plain one finds.

use serde_json::json;

use crate::{accept::Line, matching::oracle};

/// Matrices, and tuples for each.
const TUPLES: usize = 1_000;

/// Compares so many thousand pairs.
#[must_use]
pub fn line(thousands: u64) -> Line {
    // The comparison panics where they differ; and it must have had something to compare.
    let compared = oracle::compare(7, thousands, TUPLES);
    println!("  {compared:?}");
    let pass = compared.matching * 6 > compared.pairs
        && compared.several * 12 > compared.pairs
        && compared.by_name > 0;
    let oracle::Compared { pairs, matching, several, near, by_name } = compared;
    Line::tried(
        "identical to the plain matcher",
        pass,
        json!({ "pairs": pairs, "matching": matching, "several": several, "near": near, "by_name": by_name }),
    )
}
