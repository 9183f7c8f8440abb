//! Prometheus 2, Prometheus 3 and VictoriaMetrics store every sample of every scrape: plain, compressed, and over TLS
//! with a password.

use std::fmt::Write;

use test_support::{
    Api, Metrics,
    binary::{Process, WorkDir},
    frozen,
    pki::{Authority, Files},
    web_server::until,
};

use super::{
    SCRAPES, series_by_name,
    server::{Program, Server},
};

const REGIONS: [&str; 2] = ["ap-guangzhou", "eu-frankfurt"];

#[tokio::test]
#[ignore = "needs Prometheus; tests/run runs it"]
async fn prometheus_2_stores_every_sample() {
    let server = assert_stores_every_sample(Program::Prometheus2).await;
    server.assert_version("2.").await;
}

#[tokio::test]
#[ignore = "needs Prometheus 3; tests/run runs it"]
async fn prometheus_3_stores_every_sample() {
    let server = assert_stores_every_sample(Program::Prometheus3).await;
    server.assert_version("3.").await;
}

#[tokio::test]
#[ignore = "needs VictoriaMetrics; tests/run runs it"]
async fn victoria_metrics_stores_every_sample() {
    assert_stores_every_sample(Program::VictoriaMetrics).await;
}

/// Two daemons serve series that do not change. Asserts that the program stores all of them.
async fn assert_stores_every_sample(program: Program) -> Server {
    let api = Api::start(frozen(&REGIONS.map(|region| (region, 60)))).await;
    let place = WorkDir::with(api.config_with_poll(&REGIONS, "interval: 5s, timeout: 5s, stale_after: 1h"));
    let authority = Authority::new("servers");
    let hash = bcrypt::hash("sesame", 4).expect("a hash");
    let files = Files::tls(&authority.server(), &format!("basic_auth_users: {{prometheus: '{hash}'}}\n"));
    files.write("ca.pem", &authority.pem);
    let _ = rustls::crypto::ring::default_provider().install_default();
    let trusted = reqwest::Certificate::from_pem(authority.pem.as_bytes()).expect("a certificate");
    let client =
        reqwest::Client::builder().no_proxy().no_gzip().tls_certs_only([trusted]).build().expect("a client");
    let open = place.daemon(&[]).await;
    let protected = place.daemon(&["--web.config.file", &files.web_config().display().to_string()]).await;

    let secrets = format!(
        "tls_config: {{ca_file: '{}'}}, basic_auth: {{username: prometheus, password: sesame}}, ",
        files.path("ca.pem").display()
    );
    // Each job: its name, what it scrapes and how.
    let jobs = [
        ("plain", &open, "http", "enable_compression: false, "),
        ("gzip", &open, "http", ""),
        ("tls", &protected, "https", &secrets),
    ];
    // Prometheus 2 always asks for gzip.
    let jobs = if program == Program::Prometheus2 { &jobs[1..] } else { &jobs };
    let mut config = String::new();
    for (name, daemon, scheme, how) in jobs {
        let address = daemon.address();
        writeln!(
            config,
            "- {{job_name: {name}, scheme: {scheme}, {how}static_configs: [{{targets: ['{address}']}}]}}"
        )
        .expect("a text takes any text");
        until("all regions are polled", async || {
            exposition(daemon, scheme, &client).await.sum("up", &[]) == 2.0
        })
        .await;
    }

    let server = Server::start(program, &config).await;
    server.until(&format!("count(count_over_time(up[5m]) >= {SCRAPES}) == {}", jobs.len())).await;
    server.assert_no_sample_was_refused().await;
    for (job, daemon, scheme, _) in jobs {
        let exposed = series_by_name(exposition(daemon, scheme, &client).await);
        assert_eq!(server.series_by_name(job).await, exposed, "{job}");
        let samples: usize = exposed.values().sum();
        for extreme in ["min", "max"] {
            let scraped =
                format!("{extreme}_over_time(scrape_samples_scraped{{job='{job}'}}[5m]) == {samples}");
            assert_eq!(server.query(&scraped).await.0.len(), 1, "{scraped}");
        }
        let scrapes = format!("scalar(count_over_time(up{{job='{job}'}}[5m]))");
        for (name, series) in exposed {
            let complete = format!("count_over_time({name}{{job='{job}'}}[5m]) == {scrapes}");
            server.until(&format!("count({complete}) == {series}")).await;
        }
    }
    server
}

/// What a daemon exposes, with or without TLS and a password.
async fn exposition(daemon: &Process, scheme: &str, client: &reqwest::Client) -> Metrics {
    let request = client.get(format!("{scheme}://{}/metrics", daemon.address()));
    let answer = request.basic_auth("prometheus", Some("sesame")).send().await.expect("an answer");
    assert_eq!(answer.status(), 200);
    Metrics::parse(&answer.text().await.expect("a body"))
}

impl Server {
    async fn assert_version(&self, prefix: &str) {
        let own = self.own_metrics().await;
        let build = own.0.iter().find(|sample| sample.name == "prometheus_build_info").expect("it says it");
        assert!(build.labels["version"].starts_with(prefix), "{build:?}");
    }
}
