//! How look-ups and records fare as matrices and flow tables grow: criterion's curves.

use std::{hint::black_box, time::Duration};

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use flowdrift_tests::hot_paths::{fold, folding, looking_up};

/// Questions, and records, of one pass.
const PASS: usize = 100_000;
/// All questions.
const QUESTIONS: usize = 1_000_000;

/// By rows of the matrix; every question its own pair, and few pairs again and again.
fn looked_up(criterion: &mut Criterion) {
    for v6 in [false, true] {
        for (pairs, kind) in [(QUESTIONS, "all different"), (20_000, "few pairs")] {
            let family = if v6 { "IPv6" } else { "IPv4" };
            let mut group = criterion.benchmark_group(format!("looked up, {family}, {kind}"));
            group.throughput(Throughput::Elements(PASS as u64));
            for rows in [100, 1_000, 10_000, 100_000] {
                let (mut reader, questions) = looking_up(rows, v6, QUESTIONS, pairs);
                let mut passes = questions.chunks(PASS).cycle();
                group.bench_function(BenchmarkId::from_parameter(rows), |bencher| {
                    bencher.iter_batched(
                        || passes.next().unwrap_or_default(),
                        |questions| {
                            let mut matches = 0;
                            reader.find_each(black_box(questions), |_, found| matches += found.all().len());
                            matches
                        },
                        BatchSize::SmallInput,
                    );
                });
            }
        }
    }
}

/// By live flows.
fn folded(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("folded");
    group.throughput(Throughput::Elements(PASS as u64));
    for flows in [100, 1_000, 10_000, 100_000] {
        let (mut table, records) = folding(PASS as u64, flows);
        group.bench_function(BenchmarkId::from_parameter(flows), |bencher| {
            bencher.iter(|| fold(&mut table, black_box(&records)));
        });
    }
}

/// Each point takes a moment: there are twenty of them.
fn brief() -> Criterion {
    Criterion::default().warm_up_time(Duration::from_secs(1)).measurement_time(Duration::from_secs(2))
}

criterion_group!(name = benches; config = brief(); targets = looked_up, folded);
criterion_main!(benches);
