//! Medians of short operations.

use std::hint::black_box;
use std::time::{Duration, Instant};

/// So long a batch of operations takes at least, that reading the clock doesn't show.
const BATCH: Duration = Duration::from_millis(1);
/// So many batches are measured.
const SAMPLES: usize = 201;

/// The median time of one `operation`, in nanoseconds, over many batches.
pub fn median_ns<T>(mut operation: impl FnMut() -> T) -> f64 {
    let mut batch = |count: u32| {
        let start = Instant::now();
        for _ in 0..count {
            black_box(operation());
        }
        start.elapsed()
    };
    let mut count = 1;
    while batch(count) < BATCH {
        count *= 2;
    }
    let mut samples: Vec<f64> =
        (0..SAMPLES).map(|_| batch(count).as_secs_f64() * 1e9 / f64::from(count)).collect();
    samples.sort_by(f64::total_cmp);
    samples[SAMPLES / 2]
}
