//! The real binary under a supervisor that requests notifications, as systemd does.

use std::{
    os::unix::net::UnixDatagram,
    process::{Command, Stdio},
    time::Duration,
};

#[test]
fn supervisor_gets_ready_and_watchdog_notifications() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(60))).expect("a time-out");
    let mut daemon = Command::new(env!("CARGO_BIN_EXE_tencentcloud-vpn-exporter"))
        .args(["demo", "--web.listen-address=127.0.0.1:0"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "300000")
        .env_remove("WATCHDOG_PID")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the daemon starts");
    let mut notifications = Vec::new();
    let mut buffer = [0; 256];
    while notifications.len() < 3 {
        let Ok(length) = socket.recv(&mut buffer) else { break };
        notifications.push(String::from_utf8_lossy(&buffer[..length]).trim().to_owned());
    }
    daemon.kill().and_then(|()| daemon.wait()).expect("the daemon ends");
    assert_eq!(notifications, ["READY=1", "WATCHDOG=1", "WATCHDOG=1"]);
}
