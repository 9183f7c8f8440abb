//! Parses YAML into an untyped [`Value`] in which each value knows its line.
//!
//! It uses the events of the YAML parser directly: the `config` crate's own reader keeps no lines, overflows the stack on deep
//! nesting and repeats the file's text in its messages. Its messages never repeat a value.

use std::{collections::HashMap, path::Path, str::Chars};

use config::{Value, ValueKind};
use yaml_rust2::{Event, Yaml, parser::Parser, scanner::TScalarStyle};

use super::problem::{Problem, Problems};
use crate::regular_file;

/// How many levels of mappings and lists are allowed; deeper nesting would overflow the stack.
const MAX_DEPTH: usize = 32;

/// Reads a whole file. An empty file, or a file with only comments, gives `Nil`.
pub fn read(path: &Path) -> Result<Value, Problems> {
    let name = path.display().to_string();
    let bytes = regular_file::read(path)
        .map_err(|error| Problem::at(name.clone(), format!("cannot be read: {error}")))?;
    match std::str::from_utf8(&bytes) {
        Ok(text) => parse(&name, text),
        Err(error) => {
            let line = bytes[..error.valid_up_to()].split(|&byte| byte == b'\n').count();
            Err(at(&name, line, "is not UTF-8; save the file in that encoding").into())
        }
    }
}

/// Reads a text; `name` is the file name in problems and origins.
pub fn parse(name: &str, text: &str) -> Result<Value, Problems> {
    parse_with(name, text, plain)
}

/// Reads a text. Numbers and booleans become texts as they are written; only null, in all its spellings, is not a text.
pub fn parse_as_texts(name: &str, text: &str) -> Result<Value, Problems> {
    parse_with(name, text, |text| match plain(text.clone()) {
        _ if ["Null", "NULL"].contains(&&*text) => ValueKind::Nil,
        ValueKind::Nil => ValueKind::Nil,
        _ => ValueKind::String(text),
    })
}

fn parse_with(name: &str, text: &str, plain: fn(String) -> ValueKind) -> Result<Value, Problems> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // The parser treats NUL as the end of the text and would ignore the rest.
    if let Some(index) = text.find('\0') {
        let line = 1 + text[..index].matches('\n').count();
        return Err(at(name, line, "has a NUL character; is it a YAML file?").into());
    }
    let mut reader = YamlReader { name, parser: Parser::new_from_str(text), plain, problems: vec![] };
    let root = reader.document().unwrap_or_else(|problem| {
        reader.problems.push(problem);
        ValueKind::Nil
    });
    Problems::check(reader.problems)?;
    Ok(Value::new(Some(&name.to_owned()), root))
}

fn at(name: &str, line: usize, message: impl Into<String>) -> Problem {
    Problem::at(format!("{name}:{line}"), message)
}

struct YamlReader<'a> {
    name: &'a str,
    parser: Parser<Chars<'a>>,
    /// Gives the value of a scalar without quotes.
    plain: fn(String) -> ValueKind,
    /// Problems after which parsing continues.
    problems: Vec<Problem>,
}

impl YamlReader<'_> {
    fn next(&mut self) -> Result<(Event, usize), Problem> {
        match self.parser.next_token() {
            Ok((event, mark)) => Ok((event, mark.line())),
            Err(error) => {
                let message = format!("is not valid YAML: {}", error.info());
                Err(at(self.name, error.marker().line(), message))
            }
        }
    }

    fn document(&mut self) -> Result<ValueKind, Problem> {
        let mut root = None;
        loop {
            let (event, line) = self.next()?;
            match event {
                Event::StreamEnd => return Ok(root.unwrap_or(ValueKind::Nil)),
                Event::DocumentStart if root.is_some() => {
                    return Err(at(self.name, line, "starts a second document; keep one"));
                }
                Event::Nothing | Event::StreamStart | Event::DocumentStart | Event::DocumentEnd => {}
                event => root = Some(self.value(event, line, 0)?.kind),
            }
        }
    }

    /// Reads the value that begins with `event`. Its place is `line`, the line of its key.
    fn value(&mut self, event: Event, line: usize, depth: usize) -> Result<Value, Problem> {
        let is_collection = matches!(event, Event::SequenceStart(..) | Event::MappingStart(..));
        if is_collection && depth == MAX_DEPTH {
            return Err(at(self.name, line, format!("is nested deeper than {MAX_DEPTH} levels")));
        }
        let kind = match event {
            Event::Scalar(text, TScalarStyle::Plain, _, None) => (self.plain)(text),
            Event::Scalar(text, ..) => ValueKind::String(text),
            Event::SequenceStart(..) => ValueKind::Array(self.list(depth + 1)?),
            Event::MappingStart(..) => ValueKind::Table(self.table(depth + 1)?),
            // Nested aliases can expand a short file to gigabytes.
            _ => return Err(at(self.name, line, "has an alias (*name); write the value itself")),
        };
        Ok(Value::new(Some(&format!("{}:{line}", self.name)), kind))
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Value>, Problem> {
        let mut items = vec![];
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, line) => items.push(self.value(event, line, depth)?),
            }
        }
    }

    fn table(&mut self, depth: usize) -> Result<HashMap<String, Value>, Problem> {
        let mut entries = HashMap::new();
        loop {
            match self.next()? {
                (Event::MappingEnd, _) => return Ok(entries),
                (Event::Scalar(key, ..), line) => {
                    let (event, _) = self.next()?;
                    let value = self.value(event, line, depth)?;
                    if entries.insert(key, value).is_some() {
                        self.problems.push(at(self.name, line, "is a duplicate key; keep one"));
                    }
                }
                (_, line) => return Err(at(self.name, line, "has a key that is not a text; write a text")),
            }
        }
    }
}

/// The value of a scalar without quotes.
fn plain(text: String) -> ValueKind {
    match Yaml::from_str(&text) {
        Yaml::Null => ValueKind::Nil,
        Yaml::Boolean(value) => ValueKind::Boolean(value),
        Yaml::Integer(value) => ValueKind::I64(value),
        real @ Yaml::Real(_) => real.as_f64().map_or(ValueKind::String(text), ValueKind::Float),
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
    fn scalar_keeps_its_type_unless_quoted() {
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
            ("''", ValueKind::String(String::new())),
            ("2024-01-01", ValueKind::String("2024-01-01".to_owned())),
            ("&anchor x", ValueKind::String("x".to_owned())),
        ];
        for (text, kind) in table {
            let root = parse("f", &format!("a: {text}")).expect(text);
            assert_eq!(entry(&root, "a").kind, kind, "{text}");
        }
    }

    #[test]
    fn invalid_yaml_is_reported_without_its_text() {
        let table = [
            ("a: hunter2: x", "1: is not valid YAML: "),
            ("a: 1\n\tb: hunter2", "1: is not valid YAML: "),
            ("\na: @hunter2", "2: is not valid YAML: unexpected character: `@'"),
            ("a: [hunter2", "2: is not valid YAML: while parsing a flow sequence, expected ',' or ']'"),
            ("a: 'hunter2", "1: is not valid YAML: "),
            ("a: *hunter2", "1: is not valid YAML: while parsing node, found unknown anchor"),
            ("a: 1\n--- hunter2", "2: starts a second document; keep one"),
            ("---\n---\n", "2: starts a second document; keep one"),
            ("[hunter2]: x", "1: has a key that is not a text; write a text"),
            ("a: &x 1\n*x : hunter2", "2: has a key that is not a text; write a text"),
            ("a: &x 1\nb: *x", "2: has an alias (*name); write the value itself"),
            ("a: 1\nb: \u{0}hunter2", "2: has a NUL character; is it a YAML file?"),
            ("a: 1\nb:\n  a: 1\na: hunter2", "4: is a duplicate key; keep one"),
        ];
        for (text, message) in table {
            let found = problems(text);
            assert!(found.starts_with(&format!("config.yml:{message}")), "{text:?} gave {found}");
            assert!(!found.contains("hunter2"), "{found}");
        }
    }

    #[test]
    fn deep_nesting_is_refused() {
        let deep = "config.yml:1: is nested deeper than 32 levels";
        assert_eq!(problems(&"- ".repeat(100_000)), deep);
        assert_eq!(problems(&"[".repeat(200)), deep);
        assert_eq!(problems(&"{a: ".repeat(200)), deep);
    }

    #[test]
    fn unreadable_file_is_named_with_the_reason() {
        let directory = tempfile::tempdir().expect("a directory");
        let file = directory.path().join("config.yml");
        let found = |path: &Path| {
            let found = read(path).expect_err("problems").to_string();
            found.strip_prefix(&format!("{}", path.display())).expect("the path").to_owned()
        };
        assert_eq!(found(&file), ": cannot be read: No such file or directory (os error 2)");
        assert_eq!(found(directory.path()), ": cannot be read: it is a directory; name a file in it");
        std::fs::write(&file, b"a: 1\nb: \xff\n").expect("a file");
        assert_eq!(found(&file), ":2: is not UTF-8; save the file in that encoding");
        std::fs::write(&file, "#".repeat(1 + (1 << 20))).expect("a file");
        assert_eq!(found(&file), ": cannot be read: it is larger than 1 MiB");
        std::fs::write(&file, "\u{feff}# nothing\n").expect("a file");
        assert_eq!(read(&file).expect("a document").kind, ValueKind::Nil);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_panic(text in "[-a&*!|>'\"%@`#:,?~\\[\\]{} \t\n]{0,60}") {
            let _ = parse("f", &text);
        }
    }
}
