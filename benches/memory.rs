//! Resident memory of the daemon while it polls changing tunnels, lists their gateways and customer gateways, and serves scrapes,
//! with gzip and without. Ten tunnels share a gateway, and two share a customer gateway.

mod support;

use std::{thread::sleep, time::Duration};

use support::{
    measure::{at_most, median, mib},
    process::{Api, Daemon, curl},
};

const POLLS: f64 = 6.0;

fn main() {
    resident(100, 16.0);
    resident(10_000, 80.0);
}

fn resident(tunnels: usize, goal: f64) {
    println!("Resident memory, {tunnels} tunnels that change, {POLLS} polls, scraped all the while");
    let api = Api::start(tunnels, 1, &["--speed", "30"]);
    let config = "gateways: {interval: 2s}\n".to_owned() + &api.config(1, "2s");
    let daemon = Daemon::start(&config, &[]);
    let mut seen = vec![];
    while daemon.sum("tencentcloud_vpn_polls_total") < POLLS
        || daemon.sum("tencentcloud_vpn_gateways_up") == 0.0
    {
        curl(&["-s", "-o", "/dev/null", "-H", "Accept-Encoding: gzip", &daemon.url()]);
        sleep(Duration::from_millis(500));
        seen.push(daemon.memory().0);
    }
    let (now, most) = daemon.memory();
    println!(
        "  {} gateways, {} customer gateways",
        daemon.sum("tencentcloud_vpn_gateway_info"),
        daemon.sum("tencentcloud_vpn_customer_gateway_info")
    );
    println!("  {:.1} MiB at the end, {:.1} MiB in the middle of all readings", mib(now), mib(median(seen)));
    println!("  {:.1} MiB at most, ever", mib(most));
    at_most("MiB", mib(now), goal);
}
