//! The usual `process_*` metrics. CPU time has fractions of a second, which the collector of the `prometheus` crate drops.
//!
//! Files of `/proc/self` are independent: without one of them only its own metrics are absent. The start time needs no file.

use std::path::Path;

use jiff::Timestamp;
use prometheus::{
    core::{Collector, Desc},
    proto::{Metric, MetricFamily},
};

use super::family::seconds;
use crate::telemetry::declaration::Declaration;

const CPU: Declaration = Declaration::counter(
    "process_cpu_seconds_total",
    &[],
    "Total user and system CPU time spent in seconds.",
);
const OPEN_FDS: Declaration = Declaration::gauge("process_open_fds", &[], "Number of open file descriptors.");
const MAX_FDS: Declaration =
    Declaration::gauge("process_max_fds", &[], "Maximum number of open file descriptors.");
const VIRTUAL_MEMORY: Declaration =
    Declaration::gauge("process_virtual_memory_bytes", &[], "Virtual memory size in bytes.");
const RESIDENT_MEMORY: Declaration =
    Declaration::gauge("process_resident_memory_bytes", &[], "Resident memory size in bytes.");
const START_TIME: Declaration = Declaration::gauge(
    "process_start_time_seconds",
    &[],
    "Start time of the process since unix epoch in seconds.",
);
const THREADS: Declaration =
    Declaration::gauge("process_threads", &[], "Number of OS threads in the process.");

const ALL: [Declaration; 7] = [CPU, OPEN_FDS, MAX_FDS, VIRTUAL_MEMORY, RESIDENT_MEMORY, START_TIME, THREADS];

/// Collects the metrics of this process that can be read.
#[derive(Debug)]
pub(super) struct Process {
    descs: Vec<Desc>,
    start: Timestamp,
}

impl Process {
    /// The collector for a process that started at this time.
    pub(super) fn new(start: Timestamp) -> prometheus::Result<Self> {
        let descs =
            ALL.iter().map(|declaration| declaration.desc(Vec::new())).collect::<prometheus::Result<_>>()?;
        Ok(Self { descs, start })
    }

    /// The start time, and the values in a process' folder of `/proc`.
    fn readings(&self, folder: &Path) -> Vec<(Declaration, f64)> {
        let mut readings = read(folder);
        readings.push((START_TIME, seconds(self.start)));
        readings
    }
}

impl Collector for Process {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let family = |(declaration, value): (Declaration, f64)| {
            let mut sample = Metric::default();
            declaration.set_value(&mut sample, value);
            declaration.family(vec![sample])
        };
        self.readings(Path::new("/proc/self")).into_iter().map(family).collect()
    }
}

#[cfg(target_os = "linux")]
fn read(folder: &Path) -> Vec<(Declaration, f64)> {
    use procfs::{
        WithCurrentSystemInfo,
        process::{LimitValue, Process},
    };

    let Ok(process) = Process::new_with_root(folder.into()) else { return Vec::new() };
    let mut readings = Vec::new();
    if let Ok(stat) = process.stat() {
        readings.extend([
            (CPU, (stat.utime + stat.stime) as f64 / procfs::ticks_per_second() as f64),
            (VIRTUAL_MEMORY, stat.vsize as f64),
            (RESIDENT_MEMORY, stat.rss_bytes().get() as f64),
            (THREADS, stat.num_threads as f64),
        ]);
    }
    readings.extend(process.fd_count().ok().map(|count| (OPEN_FDS, count as f64)));
    if let Ok(LimitValue::Value(files)) = process.limits().map(|limits| limits.max_open_files.soft_limit) {
        readings.push((MAX_FDS, files as f64));
    }
    readings
}

#[cfg(not(target_os = "linux"))]
fn read(_: &Path) -> Vec<(Declaration, f64)> {
    Vec::new()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        fs,
    };

    use super::*;

    const STAT: [&str; 4] = [CPU.name, VIRTUAL_MEMORY.name, RESIDENT_MEMORY.name, THREADS.name];

    /// The metrics of a process that started at 1.5 seconds.
    fn readings(folder: &Path) -> BTreeMap<&'static str, f64> {
        let start = Timestamp::from_millisecond(1500).expect("a time");
        let process = Process::new(start).expect("metrics");
        process.readings(folder).into_iter().map(|(declaration, value)| (declaration.name, value)).collect()
    }

    fn names(folder: &Path) -> BTreeSet<&'static str> {
        readings(folder).into_keys().collect()
    }

    #[test]
    fn start_time_needs_no_file() {
        let place = tempfile::tempdir().expect("a folder");
        assert_eq!(readings(&place.path().join("1")), BTreeMap::from([(START_TIME.name, 1.5)]));
    }

    #[test]
    fn hidden_file_hides_only_its_own_metrics() {
        let all = ALL.iter().map(|declaration| declaration.name).collect();
        for (hidden, lost) in [("stat", &STAT[..]), ("limits", &[MAX_FDS.name]), ("fd", &[OPEN_FDS.name])] {
            let place = tempfile::tempdir().expect("a folder");
            // The folder of a process is named by its number.
            let folder = place.path().join("1");
            fs::create_dir_all(folder.join("fd/0")).expect("a folder");
            for file in ["stat", "limits"] {
                fs::copy(Path::new("/proc/self").join(file), folder.join(file)).expect("a copy");
            }
            assert_eq!(names(&folder), all);
            fs::rename(folder.join(hidden), place.path().join("hidden")).expect("it was there");
            let rest = all.iter().copied().filter(|name| !lost.contains(name)).collect();
            assert_eq!(names(&folder), rest, "without {hidden}");
        }
    }
}
