//! From a file and an environment to a [`Config`], or to all that is wrong with them.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use config::{ConfigError, Source, Value, ValueKind};

use super::{
    Config, CredentialSource, Problem, Problems, accounts, sections,
    variables::Variables,
    walk::{Findings, Node},
    yaml,
};
use crate::domain::{InvalidProxy, Proxy, SecretText, Site};

/// The keys at or below which values are secrets.
const SECRET_KEYS: &[&str] = &["credentials", "secret_id", "secret_key", "external_id"];

/// The keys of the document.
const SECTIONS: &[&str] = &["poll", "api", "metrics", "accounts"];

/// The variables that configure the only account where no file does.
const REGION_VARIABLE: &str = "TENCENTCLOUD_REGION";
const ACCOUNT_VARIABLE: &str = "TENCENTCLOUD_VPN_EXPORTER_ACCOUNT";
const SITE_VARIABLE: &str = "TENCENTCLOUD_VPN_EXPORTER_SITE";

/// A configuration, and what in it is allowed but likely not meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The configuration.
    pub config: Config,
    /// What to tell the user all the same.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Reads a YAML file and the variables that stand for its keys, which win over it. Without a file there is one
    /// account, with the default chain of credentials: its name is in `TENCENTCLOUD_VPN_EXPORTER_ACCOUNT` (`default`),
    /// its site in `TENCENTCLOUD_VPN_EXPORTER_SITE`, and its regions are in `TENCENTCLOUD_REGION`. The proxy always comes
    /// from the environment.
    ///
    /// Relative paths in the configuration start at the file's directory. The environment is passed in, never read
    /// here. Either everything is valid, or all problems are returned.
    pub fn load(file: Option<&Path>, environment: &BTreeMap<String, String>) -> Result<Loaded, Problems> {
        let place = file.map_or("the environment".to_owned(), |path| path.display().to_string());
        let findings = Findings::new(place, SECRET_KEYS);
        let document = match file {
            Some(path) => yaml::read(path)?,
            None => sole_account(environment, &findings),
        };
        let base = file.and_then(Path::parent).unwrap_or(Path::new(""));
        let config =
            merged(document, environment, &findings).and_then(|root| read(&findings.root(&root), base));
        let proxy = Proxy::from_variables(environment).map_err(|error| findings.add([unreadable(&error)]));
        let warnings = findings.finish()?;
        let mut config = config.expect("what cannot be read has been reported");
        config.api.proxy = proxy.expect("what cannot be read has been reported");
        config.resolve_secret_files(base);
        Ok(Loaded { config, warnings })
    }

    fn resolve_secret_files(&mut self, base: &Path) {
        let secrets = self.accounts.iter_mut().filter_map(|account| match &mut account.credentials {
            CredentialSource::Static { secret_id, secret_key } => Some([secret_id, secret_key]),
            _ => None,
        });
        let secret_files = secrets.flatten().filter_map(|secret| match secret {
            SecretText::File(path) => Some(path),
            SecretText::Value(_) => None,
        });
        for path in secret_files {
            *path = base.join(&path);
        }
    }
}

fn unreadable(error: &InvalidProxy) -> Problem {
    let message = format!("{}; {}", error.problem, error.remedy);
    Problem { place: error.variable.to_owned(), path: String::new(), message }
}

/// The document that stands for no file.
fn sole_account(environment: &BTreeMap<String, String>, findings: &Findings) -> Value {
    let origin = REGION_VARIABLE.to_owned();
    let value = |kind| Value::new(Some(&origin), kind);
    let text = |text: &str| value(ValueKind::String(text.to_owned()));
    let variable = |name: &str, default: &str| {
        let set = environment.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
        Value::new(Some(&name.to_owned()), ValueKind::String(set.unwrap_or(default).to_owned()))
    };
    let regions = match environment.get(REGION_VARIABLE).map(|listed| listed.trim()) {
        None | Some("") => {
            let message = "is not set; list regions there, separated by commas, or write all, or give a file by \
                           --config.file";
            findings.add([Problem {
                place: origin.clone(),
                path: String::new(),
                message: message.to_owned(),
            }]);
            text("all")
        }
        Some("all") => text("all"),
        Some(listed) => {
            value(ValueKind::Array(listed.split(',').map(|region| text(region.trim())).collect()))
        }
    };
    let account = HashMap::from([
        ("name".to_owned(), variable(ACCOUNT_VARIABLE, "default")),
        ("site".to_owned(), variable(SITE_VARIABLE, Site::default().as_str())),
        ("regions".to_owned(), regions),
    ]);
    let accounts = value(ValueKind::Array(vec![value(ValueKind::Table(account))]));
    Value::new(None, ValueKind::Table(HashMap::from([("accounts".to_owned(), accounts)])))
}

/// The document's sections with the variables in place of its own values.
fn merged(document: Value, environment: &BTreeMap<String, String>, findings: &Findings) -> Option<Value> {
    let (mut variables, problems) = Variables::new(environment);
    findings.add(problems);
    let root = findings.root(&document);
    if root.kind() == &ValueKind::Nil {
        root.problem("is empty; list at least one account, with its name and regions, under accounts");
        return None;
    }
    for (section, node) in root.table(SECTIONS)?.entries() {
        // A variable would replace what is wrong here, and nobody would hear of it.
        if !matches!(node.kind(), ValueKind::Table(_)) {
            variables = variables.without(section);
        }
    }
    let sources = config::Config::builder().add_source(Sections(document)).add_source(variables);
    let merged = sources.build().and_then(|merged| merged.collect()).expect("what is in memory can be read");
    Some(Value::new(None, ValueKind::Table(merged)))
}

fn read(root: &Node<'_>, base: &Path) -> Option<Config> {
    let root = root.open_table()?;
    let poll = sections::poll(&root);
    let api = sections::api(&root, base);
    let metrics = sections::metrics(&root);
    let accounts = accounts::read(&root);
    Some(Config { poll: poll?, api: api?, metrics: metrics?, accounts: accounts? })
}

/// The document as a source of the `config` crate, without unknown keys: the crate would take `poll.interval` at the
/// top of a file for a path.
#[derive(Debug, Clone)]
struct Sections(Value);

impl Source for Sections {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<HashMap<String, Value>, ConfigError> {
        let mut sections = self.0.clone().into_table()?;
        sections.retain(|key, _| SECTIONS.contains(&key.as_str()));
        Ok(sections)
    }
}
