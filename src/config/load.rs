//! Loads a [`Config`] from a file and the environment, or returns all problems.

use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

use config::{ConfigError, Source, Value, ValueKind};

use super::{
    Config, accounts,
    problem::{Problem, Problems},
    reader::{Diagnostics, Node},
    sections,
    variables::Variables,
    yaml,
};
use crate::domain::{proxy::Proxy, site::Site};

/// The values of these keys, and all values below them, are secrets.
const SECRET_KEYS: &[&str] = &["credentials", "secret_id", "secret_key", "external_id"];

/// The top-level keys of the file.
const SECTIONS: &[&str] = &["poll", "api", "metrics", "gateways", "traffic", "accounts"];

/// The variables that describe the only account if there is no file.
const REGION_VARIABLE: &str = "TENCENTCLOUD_REGION";
const ACCOUNT_VARIABLE: &str = "TENCENTCLOUD_VPN_EXPORTER_ACCOUNT";
const SITE_VARIABLE: &str = "TENCENTCLOUD_VPN_EXPORTER_SITE";

/// A configuration and its warnings.
#[derive(Debug, Clone, PartialEq)]
pub struct LoadedConfig {
    /// The configuration.
    pub config: Config,
    /// Valid settings that are probably mistakes.
    pub warnings: Vec<Problem>,
}

impl Config {
    /// Reads a YAML file and the variables that override its keys. Without a file there is one account with the default
    /// chain of credentials: its name is in `TENCENTCLOUD_VPN_EXPORTER_ACCOUNT` (`default`), its site in
    /// `TENCENTCLOUD_VPN_EXPORTER_SITE`, and its regions are in `TENCENTCLOUD_REGION`. The proxy always comes from the
    /// environment.
    ///
    /// Relative paths in the configuration are resolved against the file's directory. The error has all problems.
    pub fn load(
        file: Option<&Path>,
        environment: &BTreeMap<String, String>,
    ) -> Result<LoadedConfig, Problems> {
        let place = file.map_or("the environment".to_owned(), |path| path.display().to_string());
        let diagnostics = Diagnostics::new(place, SECRET_KEYS);
        let document = match file {
            Some(path) => {
                diagnostics.warn(ignored_variables(environment));
                yaml::read(path)?
            }
            None => account_of_environment(environment, &diagnostics),
        };
        let base = file.and_then(Path::parent).unwrap_or(Path::new(""));
        let config =
            merged(document, environment, &diagnostics).and_then(|root| read(&diagnostics.root(&root), base));
        let proxy = Proxy::from_variables(environment).map_err(|error| {
            diagnostics.add([Problem::at(error.variable, format!("{}; {}", error.problem, error.remedy))]);
        });
        let warnings = diagnostics.finish()?;
        let mut config = config.expect("a reader without problems returns a value");
        config.api.proxy = proxy.expect("a proxy without problems is returned");
        Ok(LoadedConfig { config, warnings })
    }
}

/// The value of a variable; an empty one counts as absent.
fn variable<'a>(environment: &'a BTreeMap<String, String>, name: &str) -> Option<&'a str> {
    environment.get(name).map(|text| text.trim()).filter(|text| !text.is_empty())
}

/// Warns about variables that apply only without a file.
fn ignored_variables(environment: &BTreeMap<String, String>) -> impl Iterator<Item = Problem> {
    let key_of = [(ACCOUNT_VARIABLE, "name"), (SITE_VARIABLE, "site")];
    key_of.into_iter().filter(|(name, _)| variable(environment, name).is_some()).map(|(name, key)| {
        Problem::at(
            name,
            format!("is ignored because there is a configuration file; write {key} in its accounts"),
        )
    })
}

/// The configuration that the environment describes if there is no file.
fn account_of_environment(environment: &BTreeMap<String, String>, diagnostics: &Diagnostics) -> Value {
    let value = |origin: &str, kind| Value::new(Some(&origin.to_owned()), kind);
    let text = |origin: &str, text: &str| value(origin, ValueKind::String(text.to_owned()));
    let regions = match variable(environment, REGION_VARIABLE) {
        Some(list) if list != "all" => {
            let regions = list.split(',').map(|region| text(REGION_VARIABLE, region.trim()));
            value(REGION_VARIABLE, ValueKind::Array(regions.collect()))
        }
        all => {
            if all.is_none() {
                let message = "is not set; list regions there, separated by commas, or write all, or give a file by \
                               --config.file";
                diagnostics.add([Problem::at(REGION_VARIABLE, message)]);
            }
            text(REGION_VARIABLE, "all")
        }
    };
    let name = variable(environment, ACCOUNT_VARIABLE).unwrap_or("default");
    let site = variable(environment, SITE_VARIABLE).unwrap_or(Site::default().as_str());
    let account = HashMap::from([
        ("name".to_owned(), text(ACCOUNT_VARIABLE, name)),
        ("site".to_owned(), text(SITE_VARIABLE, site)),
        ("regions".to_owned(), regions),
    ]);
    let account = value(REGION_VARIABLE, ValueKind::Table(account));
    let accounts = value(REGION_VARIABLE, ValueKind::Array(vec![account]));
    Value::new(None, ValueKind::Table(HashMap::from([("accounts".to_owned(), accounts)])))
}

/// The sections of the file, with the values that variables override.
fn merged(
    document: Value,
    environment: &BTreeMap<String, String>,
    diagnostics: &Diagnostics,
) -> Option<Value> {
    let (mut variables, problems) = Variables::new(environment);
    diagnostics.add(problems);
    let root = diagnostics.root(&document);
    if root.kind() == &ValueKind::Nil {
        root.problem("is empty; list at least one account, with its name and regions, under accounts");
        return None;
    }
    for (section, node) in root.table(SECTIONS)?.entries() {
        // A variable would replace an invalid section and hide its problem.
        if !matches!(node.kind(), ValueKind::Table(_)) {
            variables = variables.without(section);
        }
    }
    let sources = config::Config::builder().add_source(Sections(document)).add_source(variables);
    let merged = sources.build().and_then(|merged| merged.collect()).expect("sources in memory can be read");
    Some(Value::new(None, ValueKind::Table(merged)))
}

fn read(root: &Node<'_>, base: &Path) -> Option<Config> {
    let root = root.table(SECTIONS)?;
    let poll = sections::poll(&root);
    let api = sections::api(&root, base);
    let metrics = sections::metrics(&root);
    let gateways = sections::gateways(&root, poll.as_ref().map(|poll| poll.stale_after));
    let traffic = sections::traffic(&root);
    let accounts = accounts::read(&root, base);
    Some(Config {
        poll: poll?,
        api: api?,
        metrics: metrics?,
        gateways: gateways?,
        traffic: traffic?,
        accounts: accounts?,
    })
}

/// The file as a source of the `config` crate. Unknown keys are omitted: the crate would interpret a top-level key
/// `poll.interval` as a path.
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
