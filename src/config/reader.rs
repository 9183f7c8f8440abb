//! Reads an untyped [`Value`] and collects every problem instead of stopping at the first.
//!
//! It knows the place of each value and which values are secrets. It does not depend on the keys of a particular file. A key
//! without a value (null) is a problem, not an absent key: a default would hide a forgotten value or an empty template.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    fmt,
    hash::Hash,
};

use config::{Value, ValueKind};

use super::problem::{Problem, Problems};

/// The maximum length of a key or value in a message, in characters.
const MAX_SHOWN_CHARS: usize = 80;

/// The problems and warnings of one file.
#[derive(Debug)]
pub struct Diagnostics {
    place: String,
    secret_keys: &'static [&'static str],
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl Diagnostics {
    /// `place` is the place of values without an origin. Values at or below a key of `secret_keys` are never
    /// repeated.
    #[must_use]
    pub fn new(place: impl Into<String>, secret_keys: &'static [&'static str]) -> Self {
        Self { place: place.into(), secret_keys, problems: RefCell::default(), warnings: RefCell::default() }
    }

    /// The top-level value.
    #[must_use]
    pub fn root<'a>(&'a self, value: &'a Value) -> Node<'a> {
        Node { value, path: String::new(), is_secret: false, diagnostics: self }
    }

    /// Adds problems with other places.
    pub(super) fn add(&self, problems: impl IntoIterator<Item = Problem>) {
        self.problems.borrow_mut().extend(problems);
    }

    /// Adds warnings with other places.
    pub(super) fn warn(&self, warnings: impl IntoIterator<Item = Problem>) {
        self.warnings.borrow_mut().extend(warnings);
    }

    /// Returns the warnings if there are no problems, else all problems.
    pub fn finish(self) -> Result<Vec<Problem>, Problems> {
        Problems::check(self.problems.into_inner())?;
        Ok(self.warnings.into_inner())
    }
}

/// A value and its path. Its methods report a problem before they return `None`.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    value: &'a Value,
    path: String,
    is_secret: bool,
    diagnostics: &'a Diagnostics,
}

impl<'a> Node<'a> {
    /// The untyped value.
    #[must_use]
    pub fn kind(&self) -> &'a ValueKind {
        &self.value.kind
    }

    /// Reports that the value is wrong. The message is printed after the value, or after "the value" if it is a secret: `is not
    /// a duration; write one such as 30s`.
    pub fn error(&self, message: impl fmt::Display) {
        self.problem(format_args!("{} {message}", self.shown()));
    }

    /// Reports a problem without repeating the value.
    pub fn problem(&self, message: impl fmt::Display) {
        self.diagnostics.problems.borrow_mut().push(self.diagnostic(message));
    }

    /// Reports a valid setting that is probably a mistake, without repeating the value.
    pub fn warning(&self, message: impl fmt::Display) {
        self.diagnostics.warnings.borrow_mut().push(self.diagnostic(message));
    }

    /// A table with these keys. Unknown keys are reported and skipped.
    #[must_use]
    pub fn table(&self, known: &[&str]) -> Option<Table<'a>> {
        let table = self.open_table()?;
        table.report_unknown(known);
        Some(table)
    }

    /// A table whose keys the user chooses.
    #[must_use]
    pub fn open_table(&self) -> Option<Table<'a>> {
        match &self.value.kind {
            ValueKind::Table(entries) => Some(Table { node: self.clone(), entries }),
            _ => self.mismatch("a mapping", "write its keys below it, each with its value"),
        }
    }

    /// A list.
    #[must_use]
    pub fn list(&self) -> Option<Vec<Node<'a>>> {
        match &self.value.kind {
            ValueKind::Array(items) => {
                let item =
                    |(index, value)| Node { value, path: format!("{}[{index}]", self.path), ..self.clone() };
                Some(items.iter().enumerate().map(item).collect())
            }
            _ => self.mismatch("a list", "write it as [a, b]"),
        }
    }

    /// A text. A number or a boolean is an error: its original spelling in the file is lost.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        match &self.value.kind {
            ValueKind::String(text) => Some(text),
            _ => self.mismatch("a text", "write it in quotes"),
        }
    }

    /// A text that `parse` accepts; its error is reported by [`Self::error`].
    #[must_use]
    pub fn parsed<T, E: fmt::Display>(&self, parse: impl FnOnce(&'a str) -> Result<T, E>) -> Option<T> {
        parse(self.text()?).map_err(|error| self.error(error)).ok()
    }

    /// `true` or `false`.
    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        match self.value.kind {
            ValueKind::Boolean(value) => Some(value),
            _ => self.mismatch("a boolean", "write true or false, without quotes"),
        }
    }

    /// A number, whole or not.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self.value.kind {
            ValueKind::I64(value) => Some(value as f64),
            ValueKind::Float(value) => Some(value),
            _ => self.mismatch("a number", "write it in digits, without quotes"),
        }
    }

    fn mismatch<T>(&self, expected: &str, remedy: &str) -> Option<T> {
        match kind_name(&self.value.kind) {
            None => self.problem(format_args!("has no value; write {expected}, or remove the key")),
            Some(found) => self.problem(format_args!("is {found}, not {expected}; {remedy}")),
        }
        None
    }

    /// The value for a message: in one line, not too long, and never a secret.
    fn shown(&self) -> String {
        match &self.value.kind {
            ValueKind::String(text) if !self.is_secret && !text.contains("PRIVATE KEY") => quoted(text),
            ValueKind::Boolean(_) | ValueKind::I64(_) | ValueKind::Float(_) if !self.is_secret => {
                self.value.kind.to_string()
            }
            _ => "the value".to_owned(),
        }
    }

    fn child(&self, key: &str, value: &'a Value) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        // A key with this character may be a password hash that is at the wrong place.
        let shown = if self.is_secret && key.contains('$') { "…".to_owned() } else { shown_key(key) };
        let path = format!("{}{dot}{shown}", self.path);
        let is_secret = self.is_secret || self.diagnostics.secret_keys.contains(&key);
        Node { value, path, is_secret, diagnostics: self.diagnostics }
    }

    fn diagnostic(&self, message: impl fmt::Display) -> Problem {
        let place = self.value.origin().unwrap_or(&self.diagnostics.place).to_owned();
        Problem { place, path: self.path.clone(), message: message.to_string() }
    }
}

/// A mapping of keys to values.
#[derive(Debug, Clone)]
pub struct Table<'a> {
    node: Node<'a>,
    entries: &'a HashMap<String, Value>,
}

impl<'a> Table<'a> {
    /// The value of a key, if the key is present.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Node<'a>> {
        self.entries.get(key).map(|value| self.node.child(key, value))
    }

    /// The place of a key, for a message about it even if it is absent.
    #[must_use]
    pub fn at(&self, key: &str) -> Node<'a> {
        self.get(key).unwrap_or_else(|| self.node.child(key, self.node.value))
    }

    /// Reads the value of a key; returns `absent` if the key is absent.
    #[must_use]
    pub fn read_or<T>(&self, key: &str, absent: T, read: impl FnOnce(&Node<'a>) -> Option<T>) -> Option<T> {
        self.get(key).map_or(Some(absent), |node| read(&node))
    }

    /// The value of a key that must be present and not null. The remedy is printed after "is missing" or "has no value": `name
    /// the account`.
    #[must_use]
    pub fn require(&self, key: &str, remedy: &str) -> Option<Node<'a>> {
        let problem = match self.get(key) {
            Some(node) if node.kind() == &ValueKind::Nil => "has no value",
            Some(node) => return Some(node),
            None => "is missing",
        };
        self.at(key).problem(format_args!("{problem}; {remedy}"));
        None
    }

    /// All keys and their values, in the keys' alphabetical order.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'a str, Node<'a>)> {
        let mut keys: Vec<&String> = self.entries.keys().collect();
        keys.sort();
        keys.into_iter().map(|key| (key.as_str(), self.node.child(key, &self.entries[key]))).collect()
    }

    fn report_unknown(&self, known: &[&str]) {
        for (key, node) in self.entries().into_iter().filter(|(key, _)| !known.contains(key)) {
            match nearest(key, known.iter().copied()) {
                Some(near) => node.problem(format_args!("is not a known key; did you mean {near}?")),
                // In a section with secrets, an unknown key may be a misplaced secret, so it is not repeated.
                None if self.node.is_secret => Node { path: self.node.path.clone(), ..node }
                    .problem(format_args!("has an unknown key; known are {}", known.join(", "))),
                None => node.problem(format_args!("is not a known key; known are {}", known.join(", "))),
            }
        }
    }
}

/// Reads each node, and reports duplicates. Returns all values, or `None` if one is wrong.
pub fn distinct<'a, T: Clone + Eq + Hash>(
    nodes: &[Node<'a>],
    read: impl Fn(&Node<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let mut seen = HashSet::new();
    let items = nodes.iter().map(|node| {
        let item = read(node)?;
        if !seen.insert(item.clone()) {
            node.error("is a duplicate; keep one");
        }
        Some(item)
    });
    // Read all values before returning, so that all problems are reported.
    let items: Vec<Option<T>> = items.collect();
    items.into_iter().collect()
}

/// The candidate that `text` probably misspells.
pub(super) fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate| (strsim::osa_distance(text, candidate), candidate);
    let (distance, candidate) = candidates.into_iter().map(distance).min_by_key(|(distance, _)| *distance)?;
    (distance <= (candidate.chars().count() / 3).max(1)).then_some(candidate)
}

/// A text in quotes, in one line, and cut if it is too long.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

/// A key, in quotes unless it is an ordinary name.
pub(super) fn shown_key(key: &str) -> String {
    let is_plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_plain && key.len() <= MAX_SHOWN_CHARS { key.to_owned() } else { quoted(key) }
}

/// The name of a value's type in messages; `None` for null.
fn kind_name(kind: &ValueKind) -> Option<&'static str> {
    match kind {
        ValueKind::Nil => None,
        ValueKind::Boolean(_) => Some("a boolean"),
        ValueKind::String(_) => Some("a text"),
        ValueKind::Table(_) => Some("a mapping"),
        ValueKind::Array(_) => Some("a list"),
        ValueKind::I64(_)
        | ValueKind::I128(_)
        | ValueKind::U64(_)
        | ValueKind::U128(_)
        | ValueKind::Float(_) => Some("a number"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRETS: &[&str] = &["credentials", "external_id"];

    fn table<const N: usize>(entries: [(&str, Value); N]) -> Value {
        let entries: HashMap<String, Value> =
            entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        Value::new(None, ValueKind::Table(entries))
    }

    fn value(kind: impl Into<ValueKind>) -> Value {
        Value::new(Some(&"config.yml:3".to_owned()), kind)
    }

    /// The problems that `read` reports, one a line.
    fn problems(root: &Value, read: impl FnOnce(Node<'_>)) -> String {
        let diagnostics = Diagnostics::new("config.yml", SECRETS);
        read(diagnostics.root(root));
        diagnostics.finish().expect_err("problems").to_string()
    }

    #[test]
    fn all_problems_have_place_path_and_remedy() {
        let root = table([("intervall", value("5m")), ("regions", value(vec!["ap-guangzhou", "Nowhere"]))]);
        let found = problems(&root, |root| {
            let root = root.table(&["interval", "regions"]).expect("a table");
            let region = root.get("regions").and_then(|node| node.list()).expect("a list").remove(1);
            region.error("is not a region");
            assert!(root.require("interval", "say how often to poll").is_none());
        });
        assert_eq!(
            found,
            "config.yml:3: intervall: is not a known key; did you mean interval?\n\
             config.yml: regions[1]: \"Nowhere\" is not a region\n\
             config.yml: interval: is missing; say how often to poll"
        );
    }

    #[test]
    fn value_of_another_type_is_refused() {
        let root = table([("a", value(123)), ("b", value(true)), ("c", value("5")), ("d", Value::default())]);
        let found = problems(&root, |root| {
            let root = root.open_table().expect("a table");
            let node = |key| root.get(key).expect("a value");
            assert!(node("a").text().is_none());
            assert!(node("b").list().is_none());
            assert!(node("c").number().is_none());
            assert!(node("c").boolean().is_none());
            assert!(node("d").table(&[]).is_none());
            assert_eq!(node("a").number(), Some(123.0));
            assert_eq!(node("b").boolean(), Some(true));
        });
        assert_eq!(
            found,
            "config.yml:3: a: is a number, not a text; write it in quotes\n\
             config.yml:3: b: is a boolean, not a list; write it as [a, b]\n\
             config.yml:3: c: is a text, not a number; write it in digits, without quotes\n\
             config.yml:3: c: is a text, not a boolean; write true or false, without quotes\n\
             config.yml: d: has no value; write a mapping, or remove the key"
        );
    }

    #[test]
    fn secrets_are_never_repeated() {
        let below = table([("typ", value("hunter2")), ("AKIDhunter2", value("hunter2"))]);
        let root = table([("credentials", below), ("external_id", value("hunter2"))]);
        let found = problems(&root, |root| {
            let root = root.open_table().expect("a table");
            let credentials =
                root.get("credentials").and_then(|node| node.table(&["type"])).expect("a table");
            credentials.get("typ").expect("a value").error("is wrong");
            root.get("external_id").expect("a value").error("is too short");
        });
        assert_eq!(
            found,
            "config.yml:3: credentials: has an unknown key; known are type\n\
             config.yml:3: credentials.typ: is not a known key; did you mean type?\n\
             config.yml:3: credentials.typ: the value is wrong\n\
             config.yml:3: external_id: the value is too short"
        );
    }

    #[test]
    fn problem_is_one_short_line() {
        let root = table([("a\nb", value("x\n".repeat(500)))]);
        let found = problems(&root, |root| {
            let root = root.open_table().expect("a table");
            root.get("a\nb").expect("a value").error("is wrong");
        });
        assert!(found.starts_with("config.yml:3: \"a\\nb\": \"x\\nx\\n"), "{found}");
        assert!(found.ends_with("\"… is wrong"), "{found}");
        assert_eq!(found.lines().count(), 1);
        assert!(found.len() < 200);
    }

    #[test]
    fn only_likely_misspelling_gets_a_suggestion() {
        let keys = ["interval", "timeout", "stale_after"];
        assert_eq!(nearest("intervall", keys), Some("interval"));
        assert_eq!(nearest("stale-after", keys), Some("stale_after"));
        assert_eq!(nearest("region", keys), None);
        assert_eq!(nearest("x", []), None);
    }
}
