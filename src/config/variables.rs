//! The environment variables that override keys of `poll`, `api`, `metrics`, `gateways` and `traffic`:
//! `TENCENTCLOUD_VPN_EXPORTER__POLL__INTERVAL` overrides `poll.interval`.
//!
//! An empty variable counts as absent, because templates and compose files write unset variables in this way.

use std::collections::{BTreeMap, HashMap};

use config::{ConfigError, Source, Value, ValueKind};

use super::{
    problem::Problem,
    reader::{nearest, shown_key},
};

const PREFIX: &str = "TENCENTCLOUD_VPN_EXPORTER__";

/// The paths of the keys that have a variable, and the form of its text.
const KEYS: [(&str, Form); 14] = [
    ("poll.interval", Form::Text),
    ("poll.timeout", Form::Text),
    ("poll.stale_after", Form::Text),
    ("api.endpoint", Form::Text),
    ("api.metadata_endpoint", Form::Text),
    ("api.request_timeout", Form::Text),
    ("api.ca_file", Form::Text),
    ("api.requests_per_second", Form::Number),
    ("metrics.tag_labels", Form::TagLabels),
    ("gateways.enabled", Form::Boolean),
    ("gateways.interval", Form::Text),
    ("traffic.enabled", Form::Boolean),
    ("traffic.interval", Form::Text),
    ("traffic.metrics", Form::List),
];

/// The form of a variable's text.
#[derive(Debug, Clone, Copy)]
enum Form {
    Text,
    Number,
    Boolean,
    /// Separated by commas.
    List,
    /// Separated by commas; `key=label` names a tag's label.
    TagLabels,
}

/// The variables as a source of the `config` crate. A key is a path, and the origin of its value is the variable.
#[derive(Debug, Clone)]
pub(super) struct Variables(HashMap<String, Value>);

impl Variables {
    /// Reads the variables that have the prefix; also returns their problems.
    pub(super) fn new(environment: &BTreeMap<String, String>) -> (Self, Vec<Problem>) {
        let (mut values, mut problems) = (HashMap::new(), Vec::new());
        for (name, text) in environment {
            if !name.to_ascii_uppercase().starts_with(PREFIX) {
                continue;
            }
            match KEYS.iter().find(|(path, _)| name_of(path) == *name) {
                None => problems.push(unknown(name)),
                Some(_) if text.is_empty() => {}
                Some((path, form)) => drop(values.insert((*path).to_owned(), value(name, text, *form))),
            }
        }
        (Self(values), problems)
    }

    /// Removes the variables of a section, such as `poll`.
    pub(super) fn without(mut self, section: &str) -> Self {
        self.0.retain(|path, _| path.split_once('.').is_none_or(|(of, _)| of != section));
        self
    }
}

impl Source for Variables {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<HashMap<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

/// The name of a key's variable.
fn name_of(path: &str) -> String {
    format!("{PREFIX}{}", path.to_ascii_uppercase().replace('.', "__"))
}

fn unknown(name: &str) -> Problem {
    let path = name[PREFIX.len()..].to_ascii_lowercase().replace("__", ".");
    let remedy = match nearest(&path, KEYS.map(|(known, _)| known)) {
        Some(near) => format!("did you mean {}?", name_of(near)),
        None if path.starts_with("accounts") => "accounts come from the file of --config.file".to_owned(),
        None => format!("known are {}", KEYS.map(|(known, _)| name_of(known)).join(", ")),
    };
    Problem::at(shown_key(name), format!("is not a variable of this program; {remedy}"))
}

fn value(name: &str, text: &str, form: Form) -> Value {
    let origin = name.to_owned();
    let value = |kind| Value::new(Some(&origin), kind);
    let as_text = |text: &str| ValueKind::String(text.to_owned());
    let list = |items: Vec<Value>| value(ValueKind::Array(items));
    match form {
        Form::Text => value(as_text(text)),
        Form::Boolean => value(text.trim().parse().map_or_else(|_| as_text(text), ValueKind::Boolean)),
        Form::Number => value(text.trim().parse().map_or_else(|_| as_text(text), ValueKind::Float)),
        Form::List => list(text.split(',').map(|item| value(as_text(item.trim()))).collect()),
        Form::TagLabels => {
            let item = |item: &str| match item.trim().rsplit_once('=') {
                None => value(as_text(item.trim())),
                Some((tag, label)) => {
                    let entry = |key: &str, text: &str| (key.to_owned(), value(as_text(text.trim())));
                    value(ValueKind::Table(HashMap::from([entry("tag", tag), entry("label", label)])))
                }
            };
            list(text.split(',').map(item).collect())
        }
    }
}
