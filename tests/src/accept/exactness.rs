//! Line 4: difference 0 and lost 0 with the default ring, difference 0 with a full one.

use std::time::Duration;

use serde_json::json;

use super::{Line, Scale};
use crate::exact::{Figures, Load, Run};

const LOADS: [(Load, bool); 4] =
    [(Load::ClosedByReset, false), (Load::ClosedByReset, true), (Load::Open, false), (Load::Open, true)];
const PAUSE: Duration = Duration::from_secs(5);

/// Runs every load of both families.
#[must_use]
pub fn line(scale: &Scale) -> Line {
    let runs = (0..scale.runs).flat_map(|_| LOADS);
    let of = |(load, v6)| Run { load, v6, connections: scale.connections };
    let default: Vec<Figures> = runs.map(|load| shown(of(load).with_default_ring())).collect();
    let stopped: Vec<Figures> =
        LOADS.into_iter().map(|load| shown(of(load).with_stopped_consumer(PAUSE))).collect();
    let was_full = stopped.iter().all(|one| one.client.lost > 0 && one.server.lost > 0);
    let pass = default.iter().all(|one| one.is_exact() && one.is_lossless())
        && stopped.iter().all(Figures::is_exact)
        && was_full;
    let figures = json!({ "default_ring": default, "ring_of_64_kib_and_stopped_consumer": stopped });
    Line::tried("exactness", pass, figures)
}

fn shown(figures: Figures) -> Figures {
    let Figures { run, client, server, lost, recursion_misses, rescued, rate, .. } = &figures;
    let family = if run.v6 { "v6" } else { "v4" };
    println!(
        "  {:?} {family}: client {} = {} + {} (difference {}), server {} = {} + {} (difference {}), \
         lost {lost:?}, recursion {recursion_misses}, rescued {rescued}, {rate}/s",
        run.load,
        client.generated,
        client.seen,
        client.lost,
        client.difference,
        server.generated,
        server.seen,
        server.lost,
        server.difference,
    );
    figures
}
