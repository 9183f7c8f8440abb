//! CPU time, medians, and the output of a figure with its goal.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// The cost of some work.
#[derive(Debug, Clone, Copy)]
pub struct Cost {
    /// Of all threads of this process, in user and kernel mode.
    pub cpu: Duration,
    pub wall: Duration,
}

/// A stopwatch for CPU and wall time.
#[derive(Debug)]
pub struct Stopwatch {
    cpu: Duration,
    start: Instant,
}

impl Stopwatch {
    pub fn start() -> Self {
        Self { cpu: process_cpu(), start: Instant::now() }
    }

    pub fn stop(&self) -> Cost {
        Cost { wall: self.start.elapsed(), cpu: process_cpu() - self.cpu }
    }
}

/// The cost of `work`, and its result.
pub fn cost<T>(work: impl FnOnce() -> T) -> (Cost, T) {
    let watch = Stopwatch::start();
    let value = work();
    (watch.stop(), value)
}

fn process_cpu() -> Duration {
    Duration::try_from(clock_gettime(ClockId::ProcessCPUTime)).expect("CPU time is not negative")
}

/// The median.
pub fn median<T: Copy + PartialOrd>(values: impl IntoIterator<Item = T>) -> T {
    let mut values: Vec<T> = values.into_iter().collect();
    values.sort_by(|a, b| a.partial_cmp(b).expect("what is measured can be ordered"));
    values[values.len() / 2]
}

/// The median CPU time.
pub fn median_cpu(costs: &[Cost]) -> Duration {
    median(costs.iter().map(|cost| cost.cpu))
}

/// The median wall time.
pub fn median_wall(costs: &[Cost]) -> Duration {
    median(costs.iter().map(|cost| cost.wall))
}

/// The ratio of `a` to `b`.
pub fn ratio(a: Duration, b: Duration) -> f64 {
    a.as_secs_f64() / b.as_secs_f64()
}

/// Milliseconds, for output.
pub fn ms(duration: Duration) -> String {
    format!("{:.3} ms", duration.as_secs_f64() * 1e3)
}

pub fn mib(bytes: u64) -> f64 {
    bytes as f64 / 1024.0 / 1024.0
}

/// Prints a figure that should be at most `goal`.
pub fn at_most(what: &str, figure: f64, goal: f64) {
    print_result(what, figure, "at most", goal, figure <= goal);
}

/// Prints a figure that should be at least `goal`.
pub fn at_least(what: &str, figure: f64, goal: f64) {
    print_result(what, figure, "at least", goal, figure >= goal);
}

fn print_result(what: &str, figure: f64, bound: &str, goal: f64, reached: bool) {
    let result = if reached { "reached" } else { "MISSED" };
    println!("  => {what}: {figure:.2} (goal: {bound} {goal}): {result}");
}
