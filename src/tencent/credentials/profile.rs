//! `profile`: the INI file that Tencent Cloud's own tools write.

use std::path::{Path, PathBuf};

use futures_util::future::{BoxFuture, FutureExt};
use ini::Ini;
use zeroize::{Zeroize, Zeroizing};

use super::{Credentials, Loaded, Source, SourceError, secret_file};
use crate::{
    domain::{Role, Secret},
    tencent::sts::Sts,
};

/// In the home directory.
const OF_USER: &str = ".tencentcloud/credentials";
/// Where the home directory has none.
const OF_SYSTEM: &str = "/etc/tencentcloud/credentials";

/// The section `[default]` of the first of some files that is there: `secret_id`, `secret_key`, and maybe a `role_arn`
/// to take on with them.
#[derive(Debug)]
pub struct Profile {
    /// The files, the one that goes first first.
    pub files: Vec<PathBuf>,
    /// Who gives out the credentials of a role.
    pub sts: Sts,
}

/// What the section says.
#[derive(Debug)]
struct Section {
    credentials: Credentials,
    role_arn: Option<String>,
}

impl Profile {
    /// Where Tencent Cloud's own tools keep the file: in the home directory, or else in `/etc`.
    #[must_use]
    pub fn usual_files(home: Option<&Path>) -> Vec<PathBuf> {
        home.map(|home| home.join(OF_USER)).into_iter().chain([OF_SYSTEM.into()]).collect()
    }

    async fn read(&self) -> Result<Loaded, SourceError> {
        let (path, text) = self.first_file().await?;
        let Section { credentials, role_arn } = section(path, &text)?;
        let own = Loaded { credentials, origin: format!("the profile {}", path.display()), expiry: None };
        match role_arn {
            Some(arn) => self.sts.assume_role(&Role::new(arn), &own).await,
            None => Ok(own),
        }
    }

    async fn first_file(&self) -> Result<(&Path, Zeroizing<String>), SourceError> {
        for path in &self.files {
            match secret_file::read(path).await {
                Err(SourceError::Absent(_)) => {}
                other => return Ok((path, other?)),
            }
        }
        let files: Vec<_> = self.files.iter().map(|path| path.display().to_string()).collect();
        Err(SourceError::Absent(format!("there is no profile; write one to {}", files.join(" or "))))
    }
}

/// Reads the section. A file without it, or without any of a key pair in it, holds nothing for us; half of one is a mistake.
fn section(path: &Path, text: &str) -> Result<Section, SourceError> {
    let mut ini = Ini::load_from_str_noescape(text).map_err(|error| {
        let place = format!("{}: line {} column {}", path.display(), error.line + 1, error.col + 1);
        // The parser's own message may repeat what it read.
        SourceError::Failed(format!("{place}: this is no INI file; write [default] and lines of key = value"))
    })?;
    let value = |key| ini.get_from(Some("default"), key).map(str::trim).filter(|value| !value.is_empty());
    let secret = |key| {
        let problem = || format!("{}: [default] has no {key}; write it", path.display());
        let has_half = value("secret_id").is_some() || value("secret_key").is_some();
        let missing = if has_half { SourceError::Failed } else { SourceError::Absent };
        value(key).map(Secret::new).ok_or_else(|| missing(problem()))
    };
    let section = secret("secret_id").and_then(|secret_id| {
        let credentials = Credentials { secret_id, secret_key: secret("secret_key")?, token: None };
        Ok(Section { credentials, role_arn: value("role_arn").map(str::to_owned) })
    });
    for (_, properties) in &mut ini {
        properties.iter_mut().for_each(|(_, value)| value.zeroize());
    }
    section
}

impl Source for Profile {
    fn load(&self) -> BoxFuture<'_, Result<Loaded, SourceError>> {
        self.read().boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Section, SourceError> {
        section(Path::new("/p"), text)
    }

    #[test]
    fn the_default_section_is_read_and_no_other() {
        let text = "\
            # written by hand\n\
            [other]\nsecret_id = AKIDother\n\
            [default]\n; these are ours\nsecret_id = AKIDexample \nsecret_key=ab\\ncd==\n\
            role_arn = qcs::cam::uin/1:roleName/r\n";
        let Section { credentials, role_arn } = read(text).expect("a profile");
        assert_eq!(credentials.secret_id.expose(), "AKIDexample");
        assert_eq!(credentials.secret_key.expose(), "ab\\ncd==");
        assert_eq!(role_arn.as_deref(), Some("qcs::cam::uin/1:roleName/r"));
    }

    #[test]
    fn windows_line_ends_and_an_empty_role_do_no_harm() {
        let text = "[default]\r\nsecret_id=AKIDexample\r\nsecret_key=key\r\nrole_arn=\r\n";
        let Section { credentials, role_arn } = read(text).expect("a profile");
        assert_eq!(credentials.secret_key.expose(), "key");
        assert_eq!(role_arn, None);
    }

    #[test]
    fn a_section_without_a_key_pair_holds_nothing_for_us() {
        for (text, key) in [
            ("", "secret_id"),
            ("[other]\nsecret_id=AKIDother\nsecret_key=key\n", "secret_id"),
            ("secret_id=AKIDexample\nsecret_key=key\n", "secret_id"),
        ] {
            let absent = SourceError::Absent(format!("/p: [default] has no {key}; write it"));
            assert_eq!(read(text).expect_err("nothing for us"), absent, "{text:?}");
        }
    }

    #[test]
    fn half_a_key_pair_ends_the_default_chain() {
        for text in ["[default]\nsecret_id=AKIDexample\n", "[default]\nsecret_id=AKIDexample\nsecret_key=\n"]
        {
            let failed = SourceError::Failed("/p: [default] has no secret_key; write it".into());
            assert_eq!(read(text).expect_err("half of it"), failed, "{text:?}");
        }
    }

    #[test]
    fn a_file_of_another_kind_is_refused_by_its_line_without_its_content() {
        let error = read("[default]\nsecret_id=AKIDexample\nSECRET\n").expect_err("no INI file");
        let message = error.to_string();
        assert!(matches!(error, SourceError::Failed(_)));
        assert!(message.starts_with("/p: line ") && !message.contains("SECRET"), "{message}");
    }

    #[test]
    fn the_users_file_goes_before_the_systems() {
        let system = PathBuf::from("/etc/tencentcloud/credentials");
        assert_eq!(
            Profile::usual_files(Some(Path::new("/home/op"))),
            [PathBuf::from("/home/op/.tencentcloud/credentials"), system.clone()]
        );
        assert_eq!(Profile::usual_files(None), [system]);
    }
}
