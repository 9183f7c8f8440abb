//! The usual `process_*` metrics. CPU time has fractions of a second, which the collector of the `prometheus` crate drops.
//!
//! Files of `/proc/self` are independent: without one of them only its own metrics are absent. The start time and the limit on
//! open files need none.

use std::{fs, path::Path};

use jiff::Timestamp;
use prometheus::{
    core::{Collector, Desc},
    proto::{Metric, MetricFamily},
};
use rustix::{
    param::{clock_ticks_per_second, page_size},
    process::{Resource, getrlimit},
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

/// The values that can be read. `/proc` is a part of Linux; elsewhere most are absent.
fn read(folder: &Path) -> Vec<(Declaration, f64)> {
    let mut readings = stat(folder).map(Vec::from).unwrap_or_default();
    readings.extend(fs::read_dir(folder.join("fd")).ok().map(|files| (OPEN_FDS, files.count() as f64)));
    readings.extend(getrlimit(Resource::Nofile).current.map(|files| (MAX_FDS, files as f64)));
    readings
}

/// The file `stat`; its fields are described in `proc_pid_stat(5)`. `None`: it cannot be read.
fn stat(folder: &Path) -> Option<[(Declaration, f64); 4]> {
    let text = fs::read_to_string(folder.join("stat")).ok()?;
    // The second field is the program's name in parentheses, which can contain spaces. The third field follows it.
    let (_, fields) = text.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
    let number = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
    Some([
        (CPU, (number(14)? + number(15)?) / clock_ticks_per_second() as f64),
        (THREADS, number(20)?),
        (VIRTUAL_MEMORY, number(23)?),
        (RESIDENT_MEMORY, number(24)? * page_size() as f64),
    ])
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

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
        assert_eq!(readings(&place.path().join("1"))[START_TIME.name], 1.5);
    }

    #[test]
    fn stat_is_read_behind_any_program_name() {
        let place = tempfile::tempdir().expect("a folder");
        let times = format!("{} {}", clock_ticks_per_second(), clock_ticks_per_second() / 2);
        let line = format!("7 (a) S 1) R 1 7 7 0 -1 4194560 1 2 3 4 {times} 5 6 20 0 8 0 99 4096 3 184 1 1");
        fs::write(place.path().join("stat"), line).expect("a file");
        let readings = readings(place.path());
        let resident = 3.0 * page_size() as f64;
        assert_eq!(STAT.map(|name| readings[name]), [1.5, 4096.0, resident, 8.0]);
    }

    #[test]
    fn hidden_file_hides_only_its_own_metrics() {
        let all = ALL.iter().map(|declaration| declaration.name).collect();
        for (hidden, lost) in [("stat", &STAT[..]), ("fd", &[OPEN_FDS.name])] {
            let place = tempfile::tempdir().expect("a folder");
            let folder = place.path().join("1");
            fs::create_dir_all(folder.join("fd/0")).expect("a folder");
            fs::copy("/proc/self/stat", folder.join("stat")).expect("a copy");
            assert_eq!(names(&folder), all);
            fs::rename(folder.join(hidden), place.path().join("hidden")).expect("it was there");
            let rest = all.iter().copied().filter(|name| !lost.contains(name)).collect();
            assert_eq!(names(&folder), rest, "without {hidden}");
        }
    }
}
