//! No secret is in a log line, an output or an error, also after failures.

use std::{
    io,
    sync::{Arc, Mutex},
};

use simulator::{Fault, FaultKind, TOKEN_MARK};
use tencentcloud_vpn_exporter::{
    domain::{
        role::Role,
        secret::{Secret, SecretText},
    },
    tencent::credentials::{
        assumed_role::AssumedRole, profile::Profile, source::Source, static_keys::StaticKeys,
    },
};
use tracing::level_filters::LevelFilter;

use super::setup::{EXTERNAL_ID, RunningSimulator, WEB_TOKEN, cache, file, options};

/// A shared buffer for all output.
#[derive(Clone, Default)]
struct CapturedOutput(Arc<Mutex<Vec<u8>>>);

impl io::Write for CapturedOutput {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.append(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl CapturedOutput {
    fn append(&self, bytes: &[u8]) {
        self.0.lock().expect("a lock").extend_from_slice(bytes);
    }

    fn leaks(&self, secrets: &[String]) -> Vec<String> {
        let text = String::from_utf8_lossy(&self.0.lock().expect("a lock")).into_owned();
        secrets.iter().filter(|secret| text.contains(secret.as_str())).cloned().collect()
    }
}

/// Loads and uses the credentials of a source, and records all output. Returns the keys and tokens.
async fn load_and_record(
    api: &RunningSimulator,
    source: impl Source + 'static,
    output: &CapturedOutput,
) -> Vec<String> {
    output.append(format!("{source:?}\n").as_bytes());
    let cache = cache(source);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let report = match cache.current().await {
            Ok(credentials) => {
                seen.extend(credentials.token.as_ref().map(|token| token.expose().to_owned()));
                seen.push(credentials.secret_key.expose().to_owned());
                let listed = api.list(&credentials).await;
                let renewed = cache.renew(&credentials).await;
                format!("{credentials:?} {listed:?} {renewed:?} {cache:?}\n")
            }
            Err(error) => format!("{error} {error:?} {cache:?}\n"),
        };
        output.append(report.as_bytes());
    }
    seen
}

#[tokio::test]
async fn no_secret_is_logged_or_reported() {
    let output = CapturedOutput::default();
    let writer = output.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    // With only one subscriber, tracing disables an event if a thread without a subscriber reaches it first.
    let _second = tracing::Dispatch::new(tracing::subscriber::NoSubscriber::default());
    let _guard = tracing::subscriber::set_default(subscriber);

    let api = RunningSimulator::start(options()).await;
    let own = api.control.accounts()[0].credentials.clone();
    let key = own.secret_key.clone();
    let mut secrets = vec![key.clone(), TOKEN_MARK.into(), EXTERNAL_ID.into(), WEB_TOKEN.into()];
    let (_token_folder, token) = file(WEB_TOKEN);
    let (_key_folder, broken_key) = file(&format!("{key} {key}"));
    let (_profile_folder, broken_profile) = file(&format!("[default]\nsecret_id={key}\n{key}\n"));
    // A response may contain parts of the request.
    let echo = |action: &str, message: &str| {
        let error = format!(r#"{{"Code":"AuthFailure.TokenFailure","Message":"{message}"}}"#);
        let text = format!(r#"{{"Response":{{"Error":{error},"RequestId":"{message}"}}}}"#);
        let kind = FaultKind::Body { content_type: "application/json".to_owned(), text };
        Fault { action: Some(action.to_owned()), ..Fault::new(kind) }
    };
    let failures = [
        vec![],
        vec![
            echo("AssumeRole", &format!("{key} {EXTERNAL_ID}")),
            echo("AssumeRoleWithWebIdentity", WEB_TOKEN),
        ],
        vec![Fault::new(FaultKind::Truncate)],
        vec![Fault::new(FaultKind::Body { content_type: "text/html".to_owned(), text: format!("{{{key}") })],
        vec![Fault::new(FaultKind::Remove { pointer: "/Response/ExpiredTime".to_owned() })],
    ];
    for faults in failures {
        api.control.set_faults(faults).expect("faults");
        let secret_id = SecretText::Value(Secret::new(own.secret_id.as_str()));
        let keys = |place| StaticKeys::new(secret_id.clone(), place);
        let role = api.assumed().role;
        let broken_role = AssumedRole { role: Role { arn: "nobody".to_owned(), ..role }, ..api.assumed() };
        let profile = Profile::first_of([broken_profile.as_str()], api.sts());
        secrets.extend(
            load_and_record(&api, keys(SecretText::Value(Secret::new(own.secret_key.as_str()))), &output)
                .await,
        );
        secrets
            .extend(load_and_record(&api, keys(SecretText::File(broken_key.clone().into())), &output).await);
        secrets.extend(load_and_record(&api, profile, &output).await);
        secrets.extend(load_and_record(&api, api.assumed(), &output).await);
        secrets.extend(load_and_record(&api, broken_role, &output).await);
        secrets.extend(load_and_record(&api, api.instance_role(), &output).await);
        secrets.extend(load_and_record(&api, api.workload_identity(&token, &[]), &output).await);
        secrets.extend(load_and_record(&api, api.default_chain(Some(0), None, Some(&token)), &output).await);
    }
    assert!(secrets.len() > 20, "only {} secrets were used", secrets.len());
    assert_eq!(output.leaks(&secrets), [""; 0]);
    tracing::trace!("a planted {key}");
    assert_eq!(output.leaks(&secrets)[0], key, "a secret in the log was not found");
}
