//! `profile`: the INI file that Tencent Cloud's own tools write.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use futures_util::future::{BoxFuture, FutureExt};
use zeroize::Zeroizing;

use super::{
    secret_file::SecretFile,
    source::{Credentials, Loaded, Source, SourceError},
    sts::Sts,
};
use crate::domain::{role::Role, secret::Secret};

/// The path in the home directory.
const OF_USER: &str = ".tencentcloud/credentials";
/// The path of the file for all users.
const OF_SYSTEM: &str = "/etc/tencentcloud/credentials";

/// The variable with the path of the only file to read, as for the official SDK for Go.
const FILE_VARIABLE: &str = "TENCENTCLOUD_CREDENTIALS_FILE";

/// The section `[default]` of a profile: `secret_id`, `secret_key`, and optionally the `role_arn` of a role to assume with
/// them.
#[derive(Debug)]
pub struct Profile {
    /// The first file that exists is read.
    files: Vec<SecretFile>,
    /// Whether the user named the file. Then it must exist.
    is_named: bool,
    /// Issues the credentials of a role.
    sts: Sts,
}

/// The content of the section.
#[derive(Debug)]
struct ProfileSection {
    credentials: Credentials,
    role_arn: Option<String>,
}

impl Profile {
    /// The file that `TENCENTCLOUD_CREDENTIALS_FILE` names; without this variable the file of Tencent Cloud's own tools, in the
    /// directory of `HOME`, or else in `/etc`. `variable` returns a variable by its name; an empty one counts as absent.
    #[must_use]
    pub fn new(variable: impl Fn(&str) -> Option<String>, sts: Sts) -> Self {
        let value =
            |name| variable(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        match value(FILE_VARIABLE) {
            Some(file) => Self { is_named: true, ..Self::first_of([file], sts) },
            None => Self::first_of(usual_files(value("HOME").as_deref().map(Path::new)), sts),
        }
    }

    /// The first of these files that exists.
    #[must_use]
    pub fn first_of(files: impl IntoIterator<Item = impl Into<PathBuf>>, sts: Sts) -> Self {
        Self { files: files.into_iter().map(SecretFile::new).collect(), is_named: false, sts }
    }

    async fn read(&self) -> Result<Loaded, SourceError> {
        let (path, text) = self.first_file().await?;
        let ProfileSection { credentials, role_arn } = section(path, &text).map_err(SourceError::Failed)?;
        let own = Loaded { credentials, origin: format!("the profile {}", path.display()), expiry: None };
        match role_arn {
            Some(arn) => self.sts.assume_role(&Role::new(arn), &own).await,
            None => Ok(own),
        }
    }

    async fn first_file(&self) -> Result<(&Path, Zeroizing<String>), SourceError> {
        for file in &self.files {
            match file.text().await {
                Err(SourceError::Absent(problem)) if self.is_named => {
                    return Err(SourceError::Failed(format!("{problem} in {FILE_VARIABLE}")));
                }
                Err(SourceError::Absent(_)) => {}
                other => return Ok((file.path(), other?)),
            }
        }
        let files: Vec<_> = self.files.iter().map(|file| file.path().display().to_string()).collect();
        Err(SourceError::Absent(format!("there is no profile; write one to {}", files.join(" or "))))
    }
}

/// The files of Tencent Cloud's own tools: in the home directory, or else in `/etc`.
fn usual_files(home: Option<&Path>) -> Vec<PathBuf> {
    home.map(|home| home.join(OF_USER)).into_iter().chain([OF_SYSTEM.into()]).collect()
}

/// Parses the section. The error says why the file cannot be used.
fn section(path: &Path, text: &str) -> Result<ProfileSection, String> {
    let path = path.display();
    let values = default_section(text).map_err(|problem| format!("{path}: {problem}"))?;
    let value = |key| values.get(key).copied().filter(|value| !value.is_empty());
    let secret = |key| {
        let value = value(key).ok_or_else(|| format!("{path}: [default] has no {key}; write it"))?;
        Secret::key(value).map_err(|problem| format!("{path}: {key} of [default] {problem}"))
    };
    let (secret_id, secret_key) = (secret("secret_id")?, secret("secret_key")?);
    let credentials = Credentials { secret_id, secret_key, token: None };
    Ok(ProfileSection { credentials, role_arn: value("role_arn").map(str::to_owned) })
}

/// The keys and values of `[default]`. The error does not repeat a line, because it may contain a secret.
fn default_section(text: &str) -> Result<HashMap<&str, &str>, String> {
    let (mut sections, mut values) = (Vec::new(), HashMap::new());
    for (index, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        let line = line.trim();
        let malformed = || format!("line {} is not INI; write [default] and lines of key = value", index + 1);
        if line.is_empty() || line.starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[') {
            sections.push(name.split_once(']').ok_or_else(malformed)?.0.trim());
            continue;
        }
        let (key, value) = line.split_once(['=', ':']).ok_or_else(malformed)?;
        if sections.last() == Some(&"default") {
            values.insert(key.trim_end(), unquoted(value));
        }
    }
    if sections.contains(&"default") {
        return Ok(values);
    }
    Err(match sections.iter().find(|name| name.eq_ignore_ascii_case("default")) {
        Some(name) => format!("the section must be named [default], not [{name}]"),
        None => "there is no section [default]; write it, and secret_id and secret_key below it".to_owned(),
    })
}

/// A value without its quotes, or without a comment after it.
fn unquoted(value: &str) -> &str {
    for quote in ['"', '\''] {
        if let Some((text, _)) = value.trim().strip_prefix(quote).and_then(|rest| rest.split_once(quote)) {
            return text;
        }
    }
    let comment = [" #", " ;", "\t#", "\t;"].iter().filter_map(|mark| value.find(mark)).min();
    value[..comment.unwrap_or(value.len())].trim()
}

impl Source for Profile {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        self.read().boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ProfileSection, String> {
        section(Path::new("/p"), text)
    }

    /// The section of a file that can be used.
    fn key_pair(text: &str) -> (String, String) {
        let ProfileSection { credentials, .. } = read(text).expect(text);
        (credentials.secret_id.expose().to_owned(), credentials.secret_key.expose().to_owned())
    }

    #[test]
    fn only_the_default_section_is_read() {
        let text = "\
            # written by hand\n\
            [other]\nsecret_id = AKIDother\n\
            [default]\n; these are ours\nsecret_id = AKIDexample \nsecret_key=ab\\ncd==\n\
            role_arn = qcs::cam::uin/1:roleName/r\n";
        let ProfileSection { credentials, role_arn } = read(text).expect("a profile");
        assert_eq!(credentials.secret_id.expose(), "AKIDexample");
        assert_eq!(credentials.secret_key.expose(), "ab\\ncd==");
        assert_eq!(role_arn.as_deref(), Some("qcs::cam::uin/1:roleName/r"));
    }

    #[test]
    fn windows_line_ends_and_empty_role_are_accepted() {
        let text = "[default]\r\nsecret_id=AKIDexample\r\nsecret_key=key\r\nrole_arn=\r\n";
        let ProfileSection { credentials, role_arn } = read(text).expect("a profile");
        assert_eq!(credentials.secret_key.expose(), "key");
        assert_eq!(role_arn, None);
    }

    #[test]
    fn byte_order_mark_and_inline_comments_are_skipped() {
        for text in [
            "\u{feff}[default]\nsecret_id = AKIDexample\nsecret_key = a#b;c==\n",
            "[default] # ours\nsecret_id = AKIDexample # of Bob\nsecret_key = a#b;c== ; since May\n",
            "[default]\nsecret_id = \"AKIDexample\"\t# of Bob\n  # more\nsecret_key='a#b;c=='\n",
        ] {
            assert_eq!(key_pair(text), ("AKIDexample".to_owned(), "a#b;c==".to_owned()), "{text:?}");
        }
    }

    #[test]
    fn unusable_profile_is_refused_with_remedy() {
        let pair = "secret_id=AKIDexample\nsecret_key=key\n";
        let no_section = "there is no section [default]; write it, and secret_id and secret_key below it";
        let no_id = "[default] has no secret_id; write it";
        let no_key = "[default] has no secret_key; write it";
        let characters = "has white space or other characters that are not part of a key; write only the key";
        for (text, problem) in [
            (String::new(), no_section),
            ("# nothing yet\n".to_owned(), no_section),
            (format!("[other]\n{pair}"), no_section),
            (pair.to_owned(), no_section),
            (format!("[Default]\n{pair}"), "the section must be named [default], not [Default]"),
            ("[default]\n[other]\nsecret_id=AKIDother\n".to_owned(), no_id),
            ("[default]\nsecret_key=key\n".to_owned(), no_id),
            ("[default]\nsecret_id=AKIDexample\n".to_owned(), no_key),
            ("[default]\nsecret_id=AKIDexample\nsecret_key=\n".to_owned(), no_key),
            (
                "[default]\nsecret_id=AKIDexample\nsecret_key=two words\n".to_owned(),
                &format!("secret_key of [default] {characters}"),
            ),
            (
                "[default]\nsecret_id=AKIDexample'\nsecret_key=key\n".to_owned(),
                "secret_id of [default] has quotes at its ends, which are not part of a key; remove them",
            ),
        ] {
            assert_eq!(read(&text).expect_err(&text), format!("/p: {problem}"), "{text:?}");
        }
    }

    #[test]
    fn invalid_profile_text_is_not_shown() {
        let message = read("[default]\nsecret_id=AKIDexample\nSECRET\n").expect_err("no INI file");
        assert!(message.starts_with("/p: line ") && !message.contains("SECRET"), "{message}");
    }

    #[test]
    fn user_profile_is_tried_first() {
        let system = PathBuf::from("/etc/tencentcloud/credentials");
        assert_eq!(
            usual_files(Some(Path::new("/home/op"))),
            [PathBuf::from("/home/op/.tencentcloud/credentials"), system.clone()]
        );
        assert_eq!(usual_files(None), [system]);
    }
}
