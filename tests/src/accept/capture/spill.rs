//! Line 4: a consumer that stands still for ten seconds at full rate loses nothing, and a spill without room loses what it
//! says, to the last connection.

use std::time::Duration;

use serde_json::json;

use crate::{
    accept::{Line, exactness::shown},
    exact::{Load, Memory, Run},
};

const LOADS: [Load; 2] = [Load::ClosedByReset, Load::Open];
const PAUSE: Duration = Duration::from_secs(10);
/// The rings' default, KiB.
const RING: u32 = 16 << 10;
/// How often over the rings are to overflow.
const TIMES: u64 = 8;

/// How much to run.
#[derive(Clone, Copy, Debug)]
pub struct Scale {
    /// Connections beside the consumer that stands still, and its rings, KiB.
    pub stopped: (u64, u32),
    /// How long it does.
    pub pause: Duration,
    /// Connections in one run without room.
    pub connections: u64,
    /// Runs without room.
    pub runs: u64,
}

impl Scale {
    /// As the acceptance asks.
    pub const FULL: Self = Self { stopped: (700_000, RING), pause: PAUSE, connections: 20_000, runs: 50 };
    /// About a twentieth.
    pub const REDUCED: Self =
        Self { stopped: (40_000, 512), pause: Duration::from_secs(1), connections: 5_000, runs: 4 };
}

/// Runs it.
#[must_use]
pub fn line(scale: &Scale) -> Line {
    let run = |load, connections, addresses| Run { load, v6: false, connections, clients: 4, addresses };
    let (connections, ring) = scale.stopped;
    let memory = Memory { ring, spill: 8 << 10 };
    let stopped =
        LOADS.map(|load| shown(run(load, connections, 200).with_stopped_consumer(memory, scale.pause)));
    let places = u64::from(ring) * 1_024 / size_of::<probe_common::RingPlace>() as u64;
    let overflowed = stopped.each_ref().map(|figures| figures.folded / places + 1);
    let is_lossless = stopped.iter().all(|figures| figures.is_exact() && figures.is_lossless());
    let without_room: Vec<_> = (0..scale.runs)
        .map(|number| {
            let run = run(LOADS[number as usize % LOADS.len()], scale.connections, 1_000);
            // By turns with a consumer that stands still, and with one that is overrun.
            shown(if number / 2 % 2 == 0 {
                run.with_stopped_consumer(Memory { ring: 64, spill: 1 }, Duration::from_millis(500))
            } else {
                run.with_overrun_consumer(1)
            })
        })
        .collect();
    let is_exact = without_room.iter().all(|figures| figures.is_exact() && figures.client.lost > 0);
    let pass = is_lossless && is_exact && overflowed.iter().all(|times| *times >= TIMES);
    let figures = json!({
        "stopped": stopped, "rings_overflowed": overflowed, "pause_seconds": scale.pause.as_secs_f64(),
        "without_room": without_room,
    });
    Line::tried("spill", pass, figures)
}
