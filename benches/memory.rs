//! Resident memory of the daemon while it polls changing tunnels and serves scrapes, with gzip and without.

mod support;

use std::{thread::sleep, time::Duration};

use support::{
    measure::{at_most, median, mib},
    process::{Api, Daemon, curl},
};

const POLLS: f64 = 6.0;

fn main() {
    resident(100, 16.0);
    resident(10_000, 64.0);
}

fn resident(tunnels: usize, goal: f64) {
    println!("Resident memory, {tunnels} tunnels that change, {POLLS} polls, scraped all the while");
    let api = Api::start(tunnels, 1, &["--speed", "30"]);
    let daemon = Daemon::start(&api.config(1, "2s"), &[]);
    let mut seen = vec![];
    while daemon.sum("tencentcloud_vpn_polls_total") < POLLS {
        curl(&["-s", "-o", "/dev/null", "-H", "Accept-Encoding: gzip", &daemon.url()]);
        sleep(Duration::from_millis(500));
        seen.push(daemon.memory().0);
    }
    let (now, most) = daemon.memory();
    println!("  {:.1} MiB at the end, {:.1} MiB in the middle of all readings", mib(now), mib(median(seen)));
    println!("  {:.1} MiB at most, ever", mib(most));
    at_most("MiB", mib(now), goal);
}
