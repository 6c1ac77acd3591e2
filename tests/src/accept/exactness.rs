//! Line 4: difference 0 and lost 0, with the default ring and with a full one.

use std::time::Duration;

use serde_json::json;

use super::{Line, Scale};
use crate::exact::{Figures, Load, Memory, Run};

const LOADS: [(Load, bool); 4] =
    [(Load::ClosedByReset, false), (Load::ClosedByReset, true), (Load::Open, false), (Load::Open, true)];
/// One keeps a CPU busy; more make the hooks of several CPUs meet, and interrupt each other.
const CLIENTS: [u64; 2] = [1, 4];
const PAUSE: Duration = Duration::from_secs(5);

/// Runs every load of both families.
#[must_use]
pub fn line(scale: &Scale) -> Line {
    let of = |(load, v6), clients| Run { load, v6, connections: scale.connections, clients, addresses: 1 };
    let mut default = Vec::new();
    for round in 0..scale.runs {
        let clients = CLIENTS[round as usize % CLIENTS.len()];
        default.extend(LOADS.map(|load| shown(of(load, clients).with_default_ring())));
    }
    let memory = Memory { ring: 64, spill: 8_192 };
    let stopped = LOADS.map(|load| shown(of(load, 4).with_stopped_consumer(memory, PAUSE)));
    let was_full = stopped.iter().all(|one| one.folded > 0);
    let pass = default.iter().chain(&stopped).all(|one| one.is_exact() && one.is_lossless()) && was_full;
    let figures = json!({ "default_ring": default, "ring_of_64_kib_and_stopped_consumer": stopped });
    Line::tried("exactness", pass, figures)
}

pub(super) fn shown(figures: Figures) -> Figures {
    let Figures { run, client, server, lost, folded, recursion_misses, rescued, rate, .. } = &figures;
    let family = if run.v6 { "v6" } else { "v4" };
    println!(
        "  {:?} {family}, {} clients: client {} = {} + {} (difference {}), server {} = {} + {} (difference {}), \
         lost {lost:?}, folded {folded}, recursion {recursion_misses}, rescued {rescued}, {rate}/s",
        run.load,
        run.clients,
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
