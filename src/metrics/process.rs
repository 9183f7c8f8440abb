//! The usual `process_*` metrics, read from `/proc`; CPU time with its fractions, which the `prometheus` crate's own
//! collector drops.

use prometheus::{
    core::{Collector, Desc},
    proto::{Metric, MetricFamily},
};

use super::family::Spec;

const CPU: Spec =
    Spec::counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds.");
const OPEN_FDS: Spec = Spec::gauge("process_open_fds", "Number of open file descriptors.");
const MAX_FDS: Spec = Spec::gauge("process_max_fds", "Maximum number of open file descriptors.");
const VIRTUAL_MEMORY: Spec = Spec::gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.");
const RESIDENT_MEMORY: Spec = Spec::gauge("process_resident_memory_bytes", "Resident memory size in bytes.");
const START_TIME: Spec =
    Spec::gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds.");
const THREADS: Spec = Spec::gauge("process_threads", "Number of OS threads in the process.");

const ALL: [Spec; 7] = [CPU, OPEN_FDS, MAX_FDS, VIRTUAL_MEMORY, RESIDENT_MEMORY, START_TIME, THREADS];

/// Collects what the operating system knows of this process; nothing where that cannot be read.
#[derive(Debug)]
pub(super) struct Process(Vec<Desc>);

impl Process {
    pub(super) fn new() -> prometheus::Result<Self> {
        ALL.iter().map(|spec| spec.desc(Vec::new())).collect::<prometheus::Result<_>>().map(Self)
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.0.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let family = |(spec, value): (Spec, f64)| {
            let mut sample = Metric::default();
            spec.set(&mut sample, value);
            spec.family(vec![sample])
        };
        readings().into_iter().map(family).collect()
    }
}

#[cfg(target_os = "linux")]
fn readings() -> Vec<(Spec, f64)> {
    read().unwrap_or_default()
}

#[cfg(not(target_os = "linux"))]
fn readings() -> Vec<(Spec, f64)> {
    Vec::new()
}

#[cfg(target_os = "linux")]
fn read() -> procfs::ProcResult<Vec<(Spec, f64)>> {
    use procfs::{
        CurrentSI, WithCurrentSystemInfo,
        process::{LimitValue, Process},
    };

    let process = Process::myself()?;
    let stat = process.stat()?;
    let ticks_per_second = procfs::ticks_per_second() as f64;
    let booted = procfs::KernelStats::current()?.btime as f64;
    let mut readings = vec![
        (CPU, (stat.utime + stat.stime) as f64 / ticks_per_second),
        (OPEN_FDS, process.fd_count()? as f64),
        (VIRTUAL_MEMORY, stat.vsize as f64),
        (RESIDENT_MEMORY, stat.rss_bytes().get() as f64),
        (START_TIME, booted + stat.starttime as f64 / ticks_per_second),
        (THREADS, stat.num_threads as f64),
    ];
    if let LimitValue::Value(files) = process.limits()?.max_open_files.soft_limit {
        readings.push((MAX_FDS, files as f64));
    }
    Ok(readings)
}
