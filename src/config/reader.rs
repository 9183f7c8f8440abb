//! A walk over an untyped [`Value`] that collects every problem instead of stopping at the first.
//!
//! It knows where each value stands, which values are secrets, and how to say what is wrong. It knows no key of any
//! particular file. A key without a value (null) is a problem, not an absent key: a default would hide a forgotten
//! value, or a template that came out empty.

use std::{
    cell::RefCell,
    collections::{HashMap, HashSet},
    fmt,
    hash::Hash,
};

use config::{Value, ValueKind};

use super::problem::{Problem, Problems};

/// The longest key or value that a problem repeats, in characters.
const MAX_SHOWN_CHARS: usize = 80;

/// What is found on a walk: problems and warnings.
#[derive(Debug)]
pub struct Findings {
    place: String,
    secret_keys: &'static [&'static str],
    problems: RefCell<Vec<Problem>>,
    warnings: RefCell<Vec<Problem>>,
}

impl Findings {
    /// Begins a walk. Values without an origin of their own stand at `place`; what is at or below a key of
    /// `secret_keys` is never repeated.
    #[must_use]
    pub fn new(place: impl Into<String>, secret_keys: &'static [&'static str]) -> Self {
        Self { place: place.into(), secret_keys, problems: RefCell::default(), warnings: RefCell::default() }
    }

    /// The document as a whole.
    #[must_use]
    pub fn root<'a>(&'a self, value: &'a Value) -> Node<'a> {
        Node { value, path: String::new(), is_secret: false, findings: self }
    }

    /// Adds problems that were found elsewhere.
    pub(super) fn add(&self, problems: impl IntoIterator<Item = Problem>) {
        self.problems.borrow_mut().extend(problems);
    }

    /// Ends the walk: with the warnings if nothing is wrong, else with all that is.
    pub fn finish(self) -> Result<Vec<Problem>, Problems> {
        Problems::check(self.problems.into_inner())?;
        Ok(self.warnings.into_inner())
    }
}

/// A value and its path. Its readers report what is wrong before they return `None`.
#[derive(Debug, Clone)]
pub struct Node<'a> {
    value: &'a Value,
    path: String,
    is_secret: bool,
    findings: &'a Findings,
}

impl<'a> Node<'a> {
    /// The value as it is, for those who read more than the kinds that are here.
    #[must_use]
    pub fn kind(&self) -> &'a ValueKind {
        &self.value.kind
    }

    /// Reports that the value is wrong. The message goes on from the value, or from "the value" where that is a
    /// secret: `is not a duration; write one such as 30s`.
    pub fn refuse(&self, message: impl fmt::Display) {
        self.problem(format_args!("{} {message}", self.shown()));
    }

    /// Reports a problem that is not about the value as such. The message stands for itself.
    pub fn problem(&self, message: impl fmt::Display) {
        self.findings.problems.borrow_mut().push(self.finding(message));
    }

    /// Reports what is allowed but likely not meant. The message stands for itself.
    pub fn warning(&self, message: impl fmt::Display) {
        self.findings.warnings.borrow_mut().push(self.finding(message));
    }

    /// A table with no other keys than these; each other one is reported, and does not stop the walk.
    #[must_use]
    pub fn table(&self, known: &[&str]) -> Option<Table<'a>> {
        let table = self.open_table()?;
        table.refuse_unknown(known);
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

    /// A list of anything.
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

    /// A text. A number or a boolean is none: which characters were meant can no longer be told.
    #[must_use]
    pub fn text(&self) -> Option<&'a str> {
        match &self.value.kind {
            ValueKind::String(text) => Some(text),
            _ => self.mismatch("a text", "write it in quotes"),
        }
    }

    /// A text that `parse` understands; its error is reported as by [`Self::refuse`].
    #[must_use]
    pub fn parsed<T, E: fmt::Display>(&self, parse: impl FnOnce(&'a str) -> Result<T, E>) -> Option<T> {
        parse(self.text()?).map_err(|error| self.refuse(error)).ok()
    }

    /// `true` or `false`.
    #[must_use]
    pub fn boolean(&self) -> Option<bool> {
        match self.value.kind {
            ValueKind::Boolean(value) => Some(value),
            _ => self.mismatch("a boolean", "write true or false, without quotes"),
        }
    }

    /// A number, whole or not, as near as an `f64` comes to it.
    #[must_use]
    pub fn number(&self) -> Option<f64> {
        match self.value.kind {
            ValueKind::I64(value) => Some(value as f64),
            ValueKind::U64(value) => Some(value as f64),
            ValueKind::Float(value) => Some(value),
            _ => self.mismatch("a number", "write it in digits, without quotes"),
        }
    }

    fn mismatch<T>(&self, meant: &str, remedy: &str) -> Option<T> {
        match kind_name(&self.value.kind) {
            None => self.problem(format_args!("has no value; write {meant}, or leave the key out")),
            Some(found) => self.problem(format_args!("{found} stands where {meant} is meant; {remedy}")),
        }
        None
    }

    /// The value as a problem may repeat it: quoted if it is a text, in one line, and not too long.
    fn shown(&self) -> String {
        match &self.value.kind {
            _ if self.is_secret => "the value".to_owned(),
            ValueKind::String(text) => quoted(text),
            ValueKind::Boolean(_) | ValueKind::I64(_) | ValueKind::U64(_) | ValueKind::Float(_) => {
                self.value.kind.to_string()
            }
            _ => "the value".to_owned(),
        }
    }

    fn child(&self, key: &str, value: &'a Value) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        let path = format!("{}{dot}{}", self.path, shown_key(key));
        let is_secret = self.is_secret || self.findings.secret_keys.contains(&key);
        Node { value, path, is_secret, findings: self.findings }
    }

    fn finding(&self, message: impl fmt::Display) -> Problem {
        let place = self.value.origin().unwrap_or(&self.findings.place).to_owned();
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
    /// The table as a value, to report what is wrong with it as a whole.
    #[must_use]
    pub fn node(&self) -> &Node<'a> {
        &self.node
    }

    /// The value of a key, if the key is there.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Node<'a>> {
        self.entries.get(key).map(|value| self.node.child(key, value))
    }

    /// The place of a key, to report what is wrong with it even where it is absent.
    #[must_use]
    pub fn at(&self, key: &str) -> Node<'a> {
        self.get(key).unwrap_or_else(|| self.node.child(key, self.node.value))
    }

    /// Reads the value of a key; gives `absent` where the key is not there.
    #[must_use]
    pub fn read_or<T>(&self, key: &str, absent: T, read: impl FnOnce(&Node<'a>) -> Option<T>) -> Option<T> {
        self.get(key).map_or(Some(absent), |node| read(&node))
    }

    /// The value of a key that must be there and not null. The remedy follows "is missing" or "has no value":
    /// `name the account`.
    #[must_use]
    pub fn require(&self, key: &str, remedy: &str) -> Option<Node<'a>> {
        let what = match self.get(key) {
            Some(node) if node.kind() == &ValueKind::Nil => "has no value",
            Some(node) => return Some(node),
            None => "is missing",
        };
        self.at(key).problem(format_args!("{what}; {remedy}"));
        None
    }

    /// All keys and their values, in the keys' alphabetical order.
    #[must_use]
    pub fn entries(&self) -> Vec<(&'a str, Node<'a>)> {
        let mut keys: Vec<&String> = self.entries.keys().collect();
        keys.sort();
        keys.into_iter().map(|key| (key.as_str(), self.node.child(key, &self.entries[key]))).collect()
    }

    /// Where values are secret, a key that is nothing like a known one may be a misplaced secret: it is not repeated.
    fn refuse_unknown(&self, known: &[&str]) {
        for (key, node) in self.entries().into_iter().filter(|(key, _)| !known.contains(key)) {
            match nearest(key, known.iter().copied()) {
                Some(near) => node.problem(format_args!("is not a known key; did you mean {near}?")),
                None if self.node.is_secret => Node { path: self.node.path.clone(), ..node }
                    .problem(format_args!("a key below it is not known; known are {}", known.join(", "))),
                None => node.problem(format_args!("is not a known key; known are {}", known.join(", "))),
            }
        }
    }
}

/// Reads each of these, and reports one that is the same as one before it; gives all of them, or none.
pub fn distinct<'a, T: Clone + Eq + Hash>(
    nodes: &[Node<'a>],
    read: impl Fn(&Node<'a>) -> Option<T>,
) -> Option<Vec<T>> {
    let mut seen = HashSet::new();
    let items = nodes.iter().map(|node| {
        let item = read(node)?;
        if !seen.insert(item.clone()) {
            node.refuse("is there already; keep one");
        }
        Some(item)
    });
    // Each is read before one that is wrong ends the reading.
    let items: Vec<Option<T>> = items.collect();
    items.into_iter().collect()
}

/// The candidate that `text` is most likely a misspelling of, if there is one.
pub(super) fn nearest<'a>(text: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let distance = |candidate| (strsim::osa_distance(text, candidate), candidate);
    let (distance, candidate) = candidates.into_iter().map(distance).min_by_key(|(distance, _)| *distance)?;
    (distance <= (candidate.chars().count() / 3).max(1)).then_some(candidate)
}

/// A text in quotes, in one line, cut where it is too long to help.
fn quoted(text: &str) -> String {
    match text.char_indices().nth(MAX_SHOWN_CHARS) {
        None => format!("{text:?}"),
        Some((end, _)) => format!("{:?}…", &text[..end]),
    }
}

/// A key as it is where it is written as keys are, else in quotes.
pub(super) fn shown_key(key: &str) -> String {
    let is_plain = !key.is_empty() && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if is_plain && key.len() <= MAX_SHOWN_CHARS { key.to_owned() } else { quoted(key) }
}

/// What a value is, in a user's words; `None` for no value at all.
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

    /// What a walk over `root` reports, one problem a line.
    fn problems(root: &Value, walk: impl FnOnce(Node<'_>)) -> String {
        let findings = Findings::new("config.yml", SECRETS);
        walk(findings.root(root));
        findings.finish().expect_err("problems").to_string()
    }

    #[test]
    fn all_problems_are_reported_with_place_path_and_remedy() {
        let root = table([("intervall", value("5m")), ("regions", value(vec!["ap-guangzhou", "Nowhere"]))]);
        let found = problems(&root, |root| {
            let root = root.table(&["interval", "regions"]).expect("a table");
            let region = root.get("regions").and_then(|node| node.list()).expect("a list").remove(1);
            region.refuse("is not a region");
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
    fn a_value_of_another_kind_is_not_guessed_at() {
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
            "config.yml:3: a: a number stands where a text is meant; write it in quotes\n\
             config.yml:3: b: a boolean stands where a list is meant; write it as [a, b]\n\
             config.yml:3: c: a text stands where a number is meant; write it in digits, without quotes\n\
             config.yml:3: c: a text stands where a boolean is meant; write true or false, without quotes\n\
             config.yml: d: has no value; write a mapping, or leave the key out"
        );
    }

    #[test]
    fn secrets_are_never_repeated_at_any_depth() {
        let below = table([("typ", value("hunter2")), ("AKIDhunter2", value("hunter2"))]);
        let root = table([("credentials", below), ("external_id", value("hunter2"))]);
        let found = problems(&root, |root| {
            let root = root.open_table().expect("a table");
            let credentials =
                root.get("credentials").and_then(|node| node.table(&["type"])).expect("a table");
            credentials.get("typ").expect("a value").refuse("is wrong");
            root.get("external_id").expect("a value").refuse("is too short");
        });
        assert_eq!(
            found,
            "config.yml:3: credentials: a key below it is not known; known are type\n\
             config.yml:3: credentials.typ: is not a known key; did you mean type?\n\
             config.yml:3: credentials.typ: the value is wrong\n\
             config.yml:3: external_id: the value is too short"
        );
    }

    #[test]
    fn a_problem_is_one_line_of_bounded_length() {
        let root = table([("a\nb", value("x\n".repeat(500)))]);
        let found = problems(&root, |root| {
            let root = root.open_table().expect("a table");
            root.get("a\nb").expect("a value").refuse("is wrong");
        });
        assert!(found.starts_with("config.yml:3: \"a\\nb\": \"x\\nx\\n"), "{found}");
        assert!(found.ends_with("\"… is wrong"), "{found}");
        assert_eq!(found.lines().count(), 1);
        assert!(found.len() < 200);
    }

    #[test]
    fn only_a_likely_misspelling_is_suggested() {
        let keys = ["interval", "timeout", "stale_after"];
        assert_eq!(nearest("intervall", keys), Some("interval"));
        assert_eq!(nearest("stale-after", keys), Some("stale_after"));
        assert_eq!(nearest("region", keys), None);
        assert_eq!(nearest("x", []), None);
    }
}
