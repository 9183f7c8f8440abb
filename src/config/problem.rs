//! The problems of a configuration, as the user reads them.

use std::fmt;

/// One problem, or one warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Its place: `config.yml`, `config.yml:12` or the name of an environment variable.
    pub place: String,
    /// The path of its key, such as `accounts[0].regions[1]`; empty for the whole file.
    pub path: String,
    /// The problem and its remedy; never the value of a secret.
    pub message: String,
}

impl Problem {
    /// A problem of a whole place.
    pub(super) fn at(place: impl Into<String>, message: impl Into<String>) -> Self {
        Self { place: place.into(), path: String::new(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { place, path, message } = self;
        if path.is_empty() {
            write!(f, "{place}: {message}")
        } else {
            write!(f, "{place}: {path}: {message}")
        }
    }
}

/// More problems are counted, but not printed.
const MAX_PRINTED: usize = 200;

/// All problems of a configuration; at least one. `Display` prints one problem per line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// An error if there is a problem.
    pub(super) fn check(problems: Vec<Problem>) -> Result<(), Self> {
        if problems.is_empty() { Ok(()) } else { Err(Self(problems)) }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut lines: Vec<String> = self.0.iter().take(MAX_PRINTED).map(ToString::to_string).collect();
        if self.0.len() > MAX_PRINTED {
            lines.push(format!("and {} more problems", self.0.len() - MAX_PRINTED));
        }
        f.write_str(&lines.join("\n"))
    }
}

impl std::error::Error for Problems {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_problems_are_printed() {
        let problems = (0..MAX_PRINTED + 2).map(|line| Problem::at(format!("config.yml:{line}"), "is wrong"));
        let printed = Problems(problems.collect()).to_string();
        let lines: Vec<_> = printed.lines().collect();
        assert_eq!(lines.len(), MAX_PRINTED + 1);
        assert_eq!((lines[0], lines[MAX_PRINTED]), ("config.yml:0: is wrong", "and 2 more problems"));
    }
}
