//! Each source returns credentials, or an error that names the problem.

use std::fs;

use simulator::{Fault, FaultKind, Options};
use tencentcloud_vpn_exporter::{
    domain::{
        role::Role,
        secret::{Secret, SecretText},
    },
    tencent::credentials::{
        assumed_role::AssumedRole,
        profile::Profile,
        source::{Source, SourceError},
        static_keys::StaticKeys,
    },
};

use super::setup::{
    EXTERNAL_ID, OTHER_ACCOUNT, ROLE_ARN, RunningSimulator, WEB_TOKEN, cache, file, options, web_identity,
};

const FIRST_ACCOUNT: &str = "100000000001";
const SECOND_ACCOUNT: &str = "100000000002";

async fn load_error(source: &impl Source) -> String {
    source.load().await.expect_err("no credentials").to_string()
}

/// A message with the id of the request, which differs each time, taken out.
fn without_request_id(message: &str) -> String {
    let (before, rest) = message.split_once("(request ").expect("the id of a request");
    let (id, after) = rest.split_once(')').expect("an end of the id");
    assert_eq!(id.len(), 36, "{id}");
    format!("{before}(request …){after}")
}

/// The profile of an account, with these lines more.
fn profile(api: &RunningSimulator, account: usize, more: &str) -> String {
    let credentials = &api.control.accounts()[account].credentials;
    let key = &*credentials.secret_key;
    format!("[default]\nsecret_id = {}\nsecret_key = {key}\n{more}\n", credentials.secret_id)
}

#[tokio::test]
async fn key_files_are_read_again() {
    let api = RunningSimulator::start(options()).await;
    let accounts = api.control.accounts();
    let (_id_folder, id_path) = file(&accounts[0].credentials.secret_id);
    let (_key_folder, key_path) = file(&accounts[0].credentials.secret_key);
    let keys =
        StaticKeys::new(SecretText::File(id_path.clone().into()), SecretText::File(key_path.clone().into()));
    assert_eq!(api.account_of(&keys).await.as_deref(), Ok(FIRST_ACCOUNT));
    fs::write(&id_path, &accounts[1].credentials.secret_id).expect("a file");
    fs::write(&key_path, &accounts[1].credentials.secret_key).expect("a file");
    assert_eq!(api.account_of(&keys).await.as_deref(), Ok(SECOND_ACCOUNT));
}

#[tokio::test]
async fn environment_gives_credentials() {
    let api = RunningSimulator::start(options()).await;
    assert_eq!(api.account_of(&api.environment(1)).await.as_deref(), Ok(SECOND_ACCOUNT));
}

#[tokio::test]
async fn first_existing_profile_is_used() {
    let api = RunningSimulator::start(options()).await;
    let (_folder, path) = file(&profile(&api, 1, ""));
    let profile = Profile::first_of(["/nowhere/credentials", path.as_str()], api.sts());
    assert_eq!(api.account_of(&profile).await.as_deref(), Ok(SECOND_ACCOUNT));
    let nowhere = Profile::first_of(["/nowhere/a", "/nowhere/b"], api.sts());
    assert_eq!(load_error(&nowhere).await, "there is no profile; write one to /nowhere/a or /nowhere/b");
}

#[tokio::test]
async fn profile_with_a_role_assumes_that_role() {
    let api = RunningSimulator::start(options()).await;
    let role = format!("role_arn = qcs::cam::uin/{OTHER_ACCOUNT}:roleName/open");
    let (_folder, path) = file(&profile(&api, 0, &role));
    let profile = Profile::first_of([path.as_str()], api.sts());
    assert_eq!(api.account_of(&profile).await.as_deref(), Ok(OTHER_ACCOUNT));
}

#[tokio::test]
async fn role_is_assumed_with_external_id() {
    let api = RunningSimulator::start(options()).await;
    assert_eq!(api.account_of(&api.assumed()).await.as_deref(), Ok(OTHER_ACCOUNT));
    let loaded = api.assumed().load().await.expect("credentials");
    let remaining = loaded.expiry.expect("an end").remaining.as_secs();
    assert!((7190..=7200).contains(&remaining), "{remaining} s");
    assert_eq!(loaded.origin, format!("the role {ROLE_ARN} assumed by the environment"));
}

#[tokio::test]
async fn role_is_assumed_with_instance_role() {
    let api = RunningSimulator::start(options()).await;
    let source = AssumedRole { inner: Box::new(api.instance_role()), ..api.assumed() };
    assert_eq!(api.account_of(&source).await.as_deref(), Ok(OTHER_ACCOUNT));
    assert_eq!(cache(source).current().await.map(|_| api.count("MetadataCredentials")), Ok(2));
}

#[tokio::test]
async fn refused_role_is_named_with_remedy() {
    let api = RunningSimulator::start(options()).await;
    let with_role = |role| AssumedRole { role, ..api.assumed() };
    let stranger = with_role(Role::new(ROLE_ARN));
    let place = |arn: &str| format!("sts:AssumeRole of the role {arn} assumed by the environment: ");
    let remedy = "the caller needs name/sts:AssumeRole on the role, and the role must trust the caller";
    assert_eq!(
        without_request_id(&load_error(&stranger).await),
        format!(
            "{}UnauthorizedOperation: The external id does not match the role. (request …); {remedy}",
            place(ROLE_ARN)
        )
    );
    let missing = "qcs::cam::uin/1:roleName/nobody";
    assert_eq!(
        without_request_id(&load_error(&with_role(Role::new(missing))).await),
        format!(
            "{}ResourceNotFound.RoleNotFound: There is no role `{missing}`. (request …); check the spelling of the role",
            place(missing)
        )
    );
    api.control.forbid(FIRST_ACCOUNT, "AssumeRole").expect("an account");
    let message = without_request_id(&load_error(&api.assumed()).await);
    assert!(message.starts_with(&place(ROLE_ARN)) && message.ends_with(remedy), "{message}");
    assert!(!message.contains(EXTERNAL_ID));
}

#[tokio::test]
async fn unreachable_token_service_is_named() {
    let api = RunningSimulator::start(options()).await;
    api.control
        .set_faults(vec![Fault::new(FaultKind::Status { status: 503, retry_after: None })])
        .expect("a fault");
    let message = load_error(&api.assumed()).await;
    assert!(message.ends_with(&format!(": HTTP status 503 ({})", api.url)), "{message}");
}

#[tokio::test]
async fn role_is_assumed_despite_wrong_clock() {
    let api = RunningSimulator::start(options()).await;
    let hours = i64::from(i16::MAX);
    for seconds in [hours, -hours] {
        api.control.set_faults(vec![Fault::new(FaultKind::ClockSkew { seconds })]).expect("a fault");
        let loaded = api.assumed().load().await.expect("credentials");
        let remaining = loaded.expiry.expect("an end").remaining.as_secs();
        assert!((7190..=7201).contains(&remaining), "{remaining} s");
    }
    assert_eq!(api.count("AssumeRole"), 4);
}

#[tokio::test]
async fn pod_token_is_read_each_time() {
    let api = RunningSimulator::start(options()).await;
    let (_folder, path) = file(WEB_TOKEN);
    let pod = api.workload_identity(&path, &[]);
    assert_eq!(api.account_of(&pod).await.as_deref(), Ok(OTHER_ACCOUNT));
    api.control.set_web_identity(Some(web_identity("SECRET-second")));
    let message = without_request_id(&load_error(&pod).await);
    assert_eq!(
        message,
        "sts:AssumeRoleWithWebIdentity of the role qcs::cam::uin/200000000002:roleName/open assumed by this pod: \
         InvalidParameter.WebIdentityTokenError: The token is not the provider's current token. (request …); \
         check that the account trusts this identity provider and that the token was issued for it"
    );
    fs::write(&path, "SECRET-second\n").expect("a file");
    assert_eq!(api.account_of(&pod).await.as_deref(), Ok(OTHER_ACCOUNT));
}

#[tokio::test]
async fn missing_pod_variable_is_named() {
    let api = RunningSimulator::start(options()).await;
    let remedy = "is not set; give the pod's service account a role";
    for name in ["TKE_REGION", "TKE_PROVIDER_ID", "TKE_WEB_IDENTITY_TOKEN_FILE", "TKE_ROLE_ARN"] {
        let pod = api.workload_identity("/nowhere/token", &[(name, " ")]);
        assert_eq!(load_error(&pod).await, format!("the environment variable {name} {remedy}"));
    }
    let pod = api.workload_identity("/nowhere/token", &[("TKE_REGION", "Frankfurt")]);
    let message = load_error(&pod).await;
    assert!(message.starts_with("the environment variable TKE_REGION must not contain 'F'"), "{message}");
    let pod = api.workload_identity("/nowhere/token", &[]);
    assert_eq!(
        load_error(&pod).await,
        "/nowhere/token: there is no such file; create it, or correct the path"
    );
    assert!(api.control.journal().is_empty());
}

#[tokio::test]
async fn default_chain_uses_the_first_source() {
    let api = RunningSimulator::start(options()).await;
    let (_profile_folder, profile) = file(&profile(&api, 1, ""));
    let (_token_folder, token) = file(WEB_TOKEN);
    let all = api.default_chain(Some(0), Some(&profile), Some(&token));
    assert_eq!(all.load().await.map(|loaded| loaded.origin).as_deref(), Ok("the environment"));
    let without_environment = api.default_chain(None, Some(&profile), Some(&token));
    assert_eq!(api.account_of(&without_environment).await.as_deref(), Ok(SECOND_ACCOUNT));
    let without_files = api.default_chain(None, None, Some(&token));
    assert_eq!(
        without_files.load().await.map(|loaded| loaded.origin).as_deref(),
        Ok("the role watcher of this instance")
    );
    let without_role = RunningSimulator::start(Options { instance_role: None, ..options() }).await;
    let pod_alone = without_role.default_chain(None, None, Some(&token));
    assert_eq!(without_role.account_of(&pod_alone).await.as_deref(), Ok(OTHER_ACCOUNT));
}

#[tokio::test]
async fn unusable_profile_ends_the_default_chain() {
    let api = RunningSimulator::start(options()).await;
    let pair = profile(&api, 1, "");
    for text in
        ["", "[default]\n", "[other]\n", &pair.replace("default", "Default"), &pair["[default]".len()..]]
    {
        let (_folder, path) = file(text);
        let message = load_error(&api.default_chain(None, Some(&path), None)).await;
        assert!(message.starts_with(&format!("{path}: ")) && message.contains("[default]"), "{message}");
    }
    assert_eq!(api.count("MetadataRole"), 0, "the role of the machine is another identity");
    let (_folder, path) = file(&format!("\u{feff}{pair}"));
    let chain = api.default_chain(None, Some(&path), None);
    assert_eq!(api.account_of(&chain).await.as_deref(), Ok(SECOND_ACCOUNT));
}

#[tokio::test]
async fn named_profile_is_the_only_one_read() {
    let api = RunningSimulator::start(options()).await;
    let home = tempfile::tempdir().expect("a folder");
    let usual = home.path().join(".tencentcloud/credentials");
    fs::create_dir(usual.parent().expect("a folder")).expect("a folder");
    fs::write(&usual, profile(&api, 0, "")).expect("a file");
    let (folder, path) = file(&profile(&api, 1, ""));
    let named = |name: Option<&str>| {
        let name = name.map(str::to_owned);
        let home = home.path().to_str().expect("a path in UTF-8").to_owned();
        let variable = move |variable: &str| match variable {
            "HOME" => Some(home.clone()),
            "TENCENTCLOUD_CREDENTIALS_FILE" => name.clone(),
            _ => None,
        };
        Profile::new(variable, api.sts())
    };
    assert_eq!(api.account_of(&named(Some(&path))).await.as_deref(), Ok(SECOND_ACCOUNT));
    for name in [None, Some("")] {
        assert_eq!(api.account_of(&named(name)).await.as_deref(), Ok(FIRST_ACCOUNT));
    }
    let missing = folder.path().join("none").display().to_string();
    let message = format!(
        "{missing}: there is no such file; create it, or correct the path in TENCENTCLOUD_CREDENTIALS_FILE"
    );
    let failed = named(Some(&missing)).load().await.expect_err("no file");
    assert_eq!(failed, SourceError::Failed(message), "it ends the default chain");
}

#[tokio::test]
async fn default_chain_names_each_absent_source() {
    let api = RunningSimulator::start(Options { instance_role: None, ..options() }).await;
    let url = &api.url;
    assert_eq!(
        load_error(&api.default_chain(None, None, None)).await,
        format!(
            "none in the default chain: (1) the environment variable TENCENTCLOUD_SECRET_ID is not set; export it, \
             (2) there is no profile; write one to /nowhere/credentials, (3) metadata service, \
             {url}latest/meta-data/cam/security-credentials/: this instance has no role; give the instance a role, \
             and check that the service can be reached, (4) the environment variable TKE_REGION is not set; \
             give the pod's service account a role"
        )
    );
}

#[tokio::test]
async fn failing_source_ends_the_default_chain() {
    let api = RunningSimulator::start(options()).await;
    let role = format!("role_arn = qcs::cam::uin/{OTHER_ACCOUNT}:roleName/nobody");
    let (_folder, path) = file(&profile(&api, 0, &role));
    let message = load_error(&api.default_chain(None, Some(&path), None)).await;
    assert!(message.contains("ResourceNotFound.RoleNotFound"), "{message}");
    assert_eq!(api.count("MetadataRole"), 0);
}

#[tokio::test]
async fn default_chain_keeps_its_source() {
    let api = RunningSimulator::start(options()).await;
    let (folder, path) = file(&profile(&api, 1, ""));
    let hidden = folder.path().join("hidden");
    let chain = api.default_chain(None, Some(&path), None);
    assert_eq!(api.account_of(&chain).await.as_deref(), Ok(SECOND_ACCOUNT));
    fs::rename(&path, &hidden).expect("a file");
    assert_eq!(
        load_error(&chain).await,
        format!(
            "there is no profile; write one to {path}; the default chain uses only this source until a restart"
        )
    );
    fs::rename(&hidden, &path).expect("a file");
    assert_eq!(api.account_of(&chain).await.as_deref(), Ok(SECOND_ACCOUNT));
}

#[tokio::test]
async fn static_secret_is_in_no_message() {
    let api = RunningSimulator::start(options()).await;
    let keys = StaticKeys::new(
        SecretText::Value(Secret::new("AKIDnobody")),
        SecretText::Value(Secret::new("SECRET")),
    );
    let message = api.account_of(&keys).await.expect_err("a refusal");
    assert!(message.starts_with("AuthFailure.SecretIdNotFound") && !message.contains("SECRET"), "{message}");
}
