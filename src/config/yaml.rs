//! A YAML file as an untyped [`Value`] in which each value knows its line.
//!
//! It reads the parser's events itself, because the `config` crate's own reader keeps no lines, overflows the stack
//! on deep nesting and repeats the file's text in its messages. No message from here repeats a value.

use std::{
    collections::{HashMap, hash_map::Entry},
    io,
    path::Path,
};

use config::{Value, ValueKind};
use yaml_rust2::{
    Event, ScanError, Yaml,
    parser::{Parser, Tag},
    scanner::TScalarStyle,
};

use super::problem::{Problem, Problems};
use crate::regular_file::{self, MAX_BYTES, ReadError};

/// How deep mappings and lists may stand in each other.
const MAX_DEPTH: usize = 32;
/// How many values a file may have; a thousand accounts need less.
const MAX_VALUES: usize = 100_000;

/// Reads a whole file. An empty one, or one with comments alone, gives a value of the kind `Nil`.
pub fn read(path: &Path) -> Result<Value, Problems> {
    let name = path.display().to_string();
    let problem = |message| Problems::from(Problem { place: name.clone(), path: String::new(), message });
    let bytes = regular_file::read(path).map_err(|error| problem(why_unreadable(&error)))?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => parse(&name, text),
        Err(error) => {
            let line = bytes[..error.valid_up_to()].split(|&byte| byte == b'\n').count();
            Err(at(&name, line, "is not UTF-8; save the file in that encoding").into())
        }
    }
}

/// Reads a text; `name` is the place that problems and values carry, before their line.
pub fn parse(name: &str, text: &str) -> Result<Value, Problems> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The parser takes a NUL for the end of the text, and would not say that it did.
    if let Some(index) = text.find(|c: char| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
        let line = 1 + text[..index].matches('\n').count();
        return Err(at(name, line, "has a control character; is it a YAML file?").into());
    }
    Document::read(name, text)
}

/// Why a file cannot be read, in words that begin after its name.
pub(super) fn why_unreadable(error: &ReadError) -> String {
    let error = match error {
        ReadError::Directory => return "is a directory; name a file in it".to_owned(),
        ReadError::NotRegular => {
            return "is a pipe, a socket or a device; put its content in a regular file, and name that"
                .to_owned();
        }
        ReadError::TooLarge => {
            return format!("is larger than {} MiB; is it the right file?", MAX_BYTES >> 20);
        }
        ReadError::Io(error) => error,
    };
    match error.kind() {
        io::ErrorKind::NotFound => "does not exist".to_owned(),
        io::ErrorKind::PermissionDenied => "may not be read; check who owns it, and its mode".to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

fn at(name: &str, line: usize, message: impl Into<String>) -> Problem {
    Problem { place: format!("{name}:{line}"), path: String::new(), message: message.into() }
}

/// A document that is being read.
struct Document<'a> {
    name: &'a str,
    text: &'a str,
    /// The mappings and lists that are not yet closed, the innermost last.
    open: Vec<Open>,
    root: Option<Value>,
    values: usize,
    problems: Vec<Problem>,
}

/// A mapping or list that is not yet closed.
struct Open {
    content: Content,
    line: usize,
}

enum Content {
    List(Vec<Value>),
    /// The entries so far, and the key, with its line, whose value comes next.
    Table {
        entries: HashMap<String, Value>,
        key: Option<(String, usize)>,
    },
}

impl<'a> Document<'a> {
    fn read(name: &'a str, text: &'a str) -> Result<Value, Problems> {
        let mut document = Self { name, text, open: vec![], root: None, values: 0, problems: vec![] };
        if let Err(problem) = document.take_events(&mut Parser::new_from_str(text)) {
            document.problems.push(problem);
        }
        Problems::check(document.problems)?;
        let root = document.root.map_or(ValueKind::Nil, |root| root.kind);
        Ok(Value::new(Some(&name.to_owned()), root))
    }

    fn take_events(&mut self, parser: &mut Parser<std::str::Chars<'_>>) -> Result<(), Problem> {
        loop {
            let (event, mark) = parser.next_token().map_err(|error| self.syntax(&error))?;
            let line = mark.line();
            match event {
                Event::StreamEnd => return Ok(()),
                Event::DocumentStart if self.root.is_some() => {
                    return Err(self.at(line, "begins a second document; keep one"));
                }
                Event::Scalar(text, style, _, tag) => self.scalar(text, style, tag.as_ref(), line)?,
                // A short file can have aliases of aliases that stand for gigabytes.
                Event::Alias(_) => return Err(self.at(line, ALIAS)),
                Event::SequenceStart(..) => self.begin(Content::List(vec![]), line)?,
                Event::MappingStart(..) => {
                    self.begin(Content::Table { entries: HashMap::new(), key: None }, line)?;
                }
                Event::SequenceEnd | Event::MappingEnd => self.end()?,
                Event::Nothing | Event::StreamStart | Event::DocumentStart | Event::DocumentEnd => {}
            }
        }
    }

    fn scalar(
        &mut self,
        text: String,
        style: TScalarStyle,
        tag: Option<&Tag>,
        line: usize,
    ) -> Result<(), Problem> {
        if let Some(Open { content: Content::Table { key: key @ None, .. }, .. }) = self.open.last_mut() {
            *key = Some((text, line));
            return Ok(());
        }
        let is_text = style != TScalarStyle::Plain || tag.is_some_and(|tag| tag.suffix == "str");
        let kind = if is_text { ValueKind::String(text) } else { plain(text) };
        self.add(kind, line)
    }

    fn begin(&mut self, content: Content, line: usize) -> Result<(), Problem> {
        if self.open.len() == MAX_DEPTH {
            return Err(self.at(line, format!("is nested deeper than {MAX_DEPTH} levels")));
        }
        if let Some(Open { content: Content::Table { key: None, .. }, .. }) = self.open.last() {
            return Err(self.at(line, NO_KEY));
        }
        self.open.push(Open { content, line });
        Ok(())
    }

    fn end(&mut self) -> Result<(), Problem> {
        let Open { content, line } = self.open.pop().expect("the parser closes only what it has opened");
        let kind = match content {
            Content::List(items) => ValueKind::Array(items),
            Content::Table { entries, .. } => ValueKind::Table(entries),
        };
        self.add(kind, line)
    }

    /// Adds a value to the innermost mapping or list; the outermost becomes the root.
    fn add(&mut self, kind: ValueKind, line: usize) -> Result<(), Problem> {
        self.values += 1;
        if self.values > MAX_VALUES {
            return Err(self.at(line, format!("has more than {MAX_VALUES} values; is it the right file?")));
        }
        let value = |kind, line| Value::new(Some(&format!("{}:{line}", self.name)), kind);
        match self.open.last_mut().map(|open| &mut open.content) {
            None => self.root = Some(value(kind, line)),
            Some(Content::List(items)) => items.push(value(kind, line)),
            Some(Content::Table { entries, key }) => {
                let (key, line) = key.take().ok_or_else(|| at(self.name, line, NO_KEY))?;
                match entries.entry(key) {
                    Entry::Vacant(entry) => drop(entry.insert(value(kind, line))),
                    Entry::Occupied(entry) => {
                        let message = format!("{} stands twice in one mapping; keep one", named(entry.key()));
                        self.problems.push(at(self.name, line, message));
                    }
                }
            }
        }
        Ok(())
    }

    fn at(&self, line: usize, message: impl Into<String>) -> Problem {
        at(self.name, line, message)
    }

    fn syntax(&self, error: &ScanError) -> Problem {
        let line = error.marker().line();
        if error.info().contains("unknown anchor") {
            return self.at(line, ALIAS);
        }
        if !error.info().split(' ').any(|word| matches!(word, "tab" | "tabs")) {
            return self.at(line, format!("is not valid YAML: {}", why_invalid(error.info())));
        }
        // The parser may give the line in which the value before the tab began.
        let is_indented_by_tab = |line: &str| line.trim_start_matches(' ').starts_with('\t');
        let further = self.text.lines().skip(line - 1).position(is_indented_by_tab).unwrap_or(0);
        self.at(line + further, "is not valid YAML: a tab stands where a space is meant; indent with spaces")
    }
}

const NO_KEY: &str = "has a mapping or a list where a key is meant; a key is a text";

const ALIAS: &str = "has a YAML alias, which is not allowed; write out what it stands for, or quote a text that begins with *";

/// The parser's reason, with a remedy where the reason alone does not lead to one.
fn why_invalid(reason: &str) -> &str {
    if reason.contains("mapping values are not allowed") {
        return "a colon and a space stand inside a value, or the line is indented wrongly; quote the value";
    }
    let unclosed =
        ["unexpected end of stream", "unexpected document indicator", "indentation in quoted scalar"];
    if unclosed.iter().any(|unclosed| reason.contains(unclosed)) {
        return "a quote is not closed, or what it quotes goes on in a line that is not indented";
    }
    if reason.contains("unexpected character") {
        return "a value cannot begin with this character; quote the value";
    }
    reason
}

/// A key, if it is written as keys are: in anything else there may be a secret.
fn named(key: &str) -> String {
    let is_plain = key.len() < 40 && key.chars().all(|c| c.is_ascii_lowercase() || c == '_');
    if is_plain { format!("the key {key}") } else { "a key".to_owned() }
}

/// What a scalar without quotes means.
fn plain(text: String) -> ValueKind {
    match Yaml::from_str(&text) {
        Yaml::Null => ValueKind::Nil,
        Yaml::Boolean(value) => ValueKind::Boolean(value),
        Yaml::Integer(value) => ValueKind::I64(value),
        real @ Yaml::Real(_) => ValueKind::Float(real.as_f64().expect("the parser has read it as a number")),
        _ if matches!(&*text, "Null" | "NULL") => ValueKind::Nil,
        _ => ValueKind::String(text),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn problems(text: &str) -> String {
        parse("config.yml", text).expect_err(text).to_string()
    }

    fn entry<'a>(table: &'a Value, key: &str) -> &'a Value {
        let ValueKind::Table(entries) = &table.kind else { panic!("{table:?} is no table") };
        &entries[key]
    }

    #[test]
    fn each_value_knows_the_line_of_its_key() {
        let root =
            parse("f", "# first\r\na: 1\r\nb:\r\n  - x\r\n  - y: |\r\n      z\r\n").expect("a document");
        let origin = |value: &Value| value.origin().map(str::to_owned).expect("an origin");
        assert_eq!(origin(&root), "f");
        assert_eq!(origin(entry(&root, "a")), "f:2");
        assert_eq!(origin(entry(&root, "b")), "f:3");
        let ValueKind::Array(items) = &entry(&root, "b").kind else { panic!("no list") };
        assert_eq!(origin(&items[0]), "f:4");
        assert_eq!(origin(entry(&items[1], "y")), "f:5");
        assert_eq!(entry(&items[1], "y").kind, ValueKind::String("z\n".to_owned()));
    }

    #[test]
    fn a_scalar_is_what_it_looks_like_unless_it_is_quoted() {
        let table = [
            ("5", ValueKind::I64(5)),
            ("000123", ValueKind::I64(123)),
            ("'5'", ValueKind::String("5".to_owned())),
            ("!!str 5", ValueKind::String("5".to_owned())),
            ("1.5", ValueKind::Float(1.5)),
            (".inf", ValueKind::Float(f64::INFINITY)),
            ("99999999999999999999", ValueKind::Float(1e20)),
            ("true", ValueKind::Boolean(true)),
            ("yes", ValueKind::String("yes".to_owned())),
            ("", ValueKind::Nil),
            ("~", ValueKind::Nil),
            ("NULL", ValueKind::Nil),
            ("''", ValueKind::String(String::new())),
            ("2024-01-01", ValueKind::String("2024-01-01".to_owned())),
        ];
        for (text, kind) in table {
            let root = parse("f", &format!("a: {text}")).expect(text);
            assert_eq!(entry(&root, "a").kind, kind, "{text}");
        }
    }

    #[test]
    fn alias_is_refused_and_anchor_is_harmless() {
        let root = parse("f", "a: &x {b: 1}\n").expect("a document");
        assert_eq!(entry(entry(&root, "a"), "b").kind, ValueKind::I64(1));
        let long = "x".repeat(100_000);
        let repeated = format!("a: &x '{long}'\nb: [{}]\n", vec!["*x"; 10_000].join(", "));
        for (text, line) in [
            ("a: &x {b: 1}\nc: *x\n", 2),
            ("a: &x {b: 1}\nc:\n  <<: *x\n", 3),
            ("a: &x 1\n*x : 2\n", 2),
            ("a: &x [*x]", 1),
            ("a: 1\nb: *.example.com\n", 2),
            (&repeated, 2),
        ] {
            assert_eq!(problems(text), format!("config.yml:{line}: {ALIAS}"));
        }
    }

    #[test]
    fn what_is_not_yaml_is_named_with_its_line_and_without_its_text() {
        let table = [
            (
                "a: 1\n\tb: hunter2",
                "2: is not valid YAML: a tab stands where a space is meant; indent with spaces",
            ),
            ("a: hunter2: x", "1: is not valid YAML: a colon and a space stand inside a value"),
            (
                "\na: @hunter2",
                "2: is not valid YAML: a value cannot begin with this character; quote the value",
            ),
            ("a: [hunter2", "2: is not valid YAML: while parsing a flow sequence, expected ',' or ']'"),
            ("a: 'hunter2", "1: is not valid YAML: a quote is not closed"),
            ("a: 1\n--- hunter2", "2: begins a second document; keep one"),
            ("---\n---\n", "2: begins a second document; keep one"),
            ("[hunter2]: x", "1: has a mapping or a list where a key is meant; a key is a text"),
            (
                "a: &x 1\n*x : hunter2",
                "2: has a YAML alias, which is not allowed; write out what it stands for",
            ),
            ("a: *hunter2", "1: has a YAML alias, which is not allowed; write out what it stands for"),
            ("a: 1\nb: \u{0}hunter2", "2: has a control character; is it a YAML file?"),
            ("a: 1\nb:\n  a: 1\na: hunter2", "4: the key a stands twice in one mapping; keep one"),
            ("Hunter2: 1\nHunter2: 2", "2: a key stands twice in one mapping; keep one"),
        ];
        for (text, message) in table {
            let found = problems(text);
            assert!(found.starts_with(&format!("config.yml:{message}")), "{text:?} gave {found}");
            assert!(!found.to_lowercase().contains("hunter2"), "{found}");
        }
    }

    #[test]
    fn nesting_and_values_are_bounded() {
        let deep = "config.yml:1: is nested deeper than 32 levels";
        assert_eq!(problems(&"- ".repeat(100_000)), deep);
        assert_eq!(problems(&"[".repeat(200)), deep);
        let found = problems(&"- x\n".repeat(MAX_VALUES + 1));
        assert_eq!(found, "config.yml:100001: has more than 100000 values; is it the right file?");
    }

    #[test]
    fn an_unreadable_file_is_named_with_the_reason() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("config.yml");
        let found = |path: &Path| {
            let found = read(path).expect_err("problems").to_string();
            found.strip_prefix(&format!("{}", path.display())).expect("the path").to_owned()
        };
        assert_eq!(found(&file), ": does not exist");
        assert_eq!(found(directory.path()), ": is a directory; name a file in it");
        std::fs::write(&file, b"a: 1\nb: \xff\n").expect("a file");
        assert_eq!(found(&file), ":2: is not UTF-8; save the file in that encoding");
        std::fs::write(&file, "#".repeat(1 + (1 << 20))).expect("a file");
        assert_eq!(found(&file), ": is larger than 1 MiB; is it the right file?");
        assert_eq!(found(Path::new("/dev/zero")), format!(": {}", why_unreadable(&ReadError::NotRegular)));
        std::fs::write(&file, "\u{feff}# nothing\n").expect("a file");
        assert_eq!(read(&file).expect("a document").kind, ValueKind::Nil);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "[-a&*!|>'\"%@`#:,?~\\[\\]{} \t\n]{0,60}") {
            let _ = parse("f", &text);
        }
    }
}
