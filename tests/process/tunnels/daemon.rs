//! The daemon never deletes, and has no code for it.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use simulator::{Fault, FaultKind, Options};

use super::setup::{FRANKFURT, GUANGZHOU, LIST};
use test_support::{
    Api,
    binary::{WorkDir, assert_exit},
    client, region,
};

#[tokio::test]
async fn daemon_never_deletes() {
    // Each second is a minute, in which tunnels fail, appear and disappear.
    let regions = Options::spread(30, &[region(GUANGZHOU), region(FRANKFURT)]);
    let api = Api::start(Options { regions, speed: 60.0, ..Options::default() }).await;
    let fault = Fault { share: 0.1, ..Fault::new(FaultKind::Reset) };
    api.control.set_faults(vec![fault]).expect("a fault");
    let accounts = [api.account("here", &[GUANGZHOU]), api.account("all", &["x"]).replace("[x]", "all")];
    let config = |poll: &str| {
        api.config_for(&accounts.each_ref().map(String::as_str), &format!("timeout: 5s, {poll}"))
    };
    let files = WorkDir::with(config("interval: 200ms"));
    let daemon = files.daemon(&["--web.enable-lifecycle"]).await;
    let polls = async |more: f64| {
        let now = daemon.scrape().await.sum("polls_total", &[]);
        daemon.until(|metrics| metrics.sum("polls_total", &[]) >= now + more).await;
    };
    polls(20.0).await;
    let ask = |request: reqwest::RequestBuilder| async { request.send().await.expect("an answer").status() };
    let client = client();
    let url = |path: &str| format!("http://{}{path}", daemon.address());
    for path in ["/", "/metrics", "/-/healthy", "/-/ready", "/?q=DeleteVpnConnection"] {
        assert_eq!(ask(client.get(url(path))).await, 200, "{path}");
    }
    files.write("config.yml", config("interval: 150ms"));
    assert_eq!(ask(client.post(url("/-/reload"))).await, 200);
    polls(20.0).await;
    files.write("config.yml", config("interval: 100ms"));
    daemon.signal("HUP").await;
    daemon.stderr.lines(&["configuration reloaded"], 2).await;
    polls(20.0).await;
    daemon.signal("TERM").await;
    assert_exit("TERM", &daemon.wait().await, 0, &[]);

    let journal = api.control.journal();
    assert!((60..10_000).contains(&journal.len()), "the whole run: {}", journal.len());
    let requests: BTreeSet<_> = journal.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(requests, BTreeSet::from(["DescribeRegions", LIST]));
}

#[test]
fn only_the_command_can_delete() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let may = ["commands/tunnels/", "tencent/delete_vpn_connection.rs", "tencent/account.rs"];
    let may = may.map(|place| source.join(place));
    // `post_once` sends actions that must not be repeated. The account passes it on to its caller.
    let marks = ["DeleteVpnConnection", "delete_vpn_connection::", ".post_once("];
    let mut found = BTreeSet::new();
    for file in rust_files(&source) {
        let text = fs::read_to_string(&file).expect("a source file");
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        if code.into_iter().any(|line| marks.iter().any(|mark| line.contains(mark))) {
            found.insert(file);
        }
    }
    let others: Vec<_> =
        found.iter().filter(|file| !may.iter().any(|place| file.starts_with(place))).collect();
    assert_eq!(others, Vec::<&PathBuf>::new());
    for place in may {
        assert!(found.iter().any(|file| file.starts_with(&place)), "{} no longer does", place.display());
    }
}

fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let rust = files.into_iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs"));
    rust.chain(folders.iter().flat_map(|folder| rust_files(folder))).collect()
}
