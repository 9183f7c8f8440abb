//! `credentials` and `assume_role`: parses the source of an account's credentials.

use std::{path::Path, time::Duration};

use super::{
    reader::{Node, Table},
    sections::{duration, path},
};
use crate::domain::{
    credential_source::CredentialSource,
    role::Role,
    secret::{Secret, SecretText},
};

/// The remedy for a wrong `type`.
const TYPES: &str = "write one of static, environment, profile, instance_role, workload_identity and default";

/// The keys of the type `static`.
const STATIC_KEYS: [&str; 4] = ["secret_id", "secret_id_file", "secret_key", "secret_key_file"];

/// The remedy for a wrong `role_arn`.
const ROLE_ARN: &str = "write one such as qcs::cam::uin/100000000001:roleName/monitoring";

/// The longest session of a role that the API allows.
const MAX_ROLE_DURATION: Duration = Duration::from_secs(12 * 60 * 60);

/// Relative paths are resolved against `base`.
pub(super) fn credentials(node: &Node<'_>, base: &Path) -> Option<CredentialSource> {
    let [id, id_file, key, key_file] = STATIC_KEYS;
    let table = node.table(&["type", id, id_file, key, key_file])?;
    let kind_node = table.require("type", TYPES)?;
    let kind = kind_node.text()?;
    let source = match kind {
        "static" => {
            let secret_id = secret(&table, id, id_file, base);
            let secret_key = secret(&table, key, key_file, base);
            return Some(CredentialSource::Static { secret_id: secret_id?, secret_key: secret_key? });
        }
        "environment" => CredentialSource::Environment,
        "profile" => CredentialSource::Profile,
        "instance_role" => CredentialSource::InstanceRole,
        "workload_identity" => CredentialSource::WorkloadIdentity,
        "default" => CredentialSource::Default,
        _ => {
            kind_node.error(format_args!("is not a type of credentials; {TYPES}"));
            return None;
        }
    };
    for node in STATIC_KEYS.iter().filter_map(|key| table.get(key)) {
        node.problem(format_args!("does not belong to the type {kind}; remove it, or write type: static"));
    }
    Some(source)
}

/// A secret that is the value of `key`, or is in the file that `file_key` names.
fn secret(table: &Table<'_>, key: &str, file_key: &str, base: &Path) -> Option<SecretText> {
    match (table.get(key), table.get(file_key)) {
        (Some(value), None) => value.parsed(Secret::key).map(SecretText::Value),
        (None, Some(file)) => path(&file, base).map(SecretText::File),
        (Some(_), Some(file)) => {
            file.problem(format_args!("cannot be used together with {key}; remove one of them"));
            None
        }
        (None, None) => {
            table.at(key).problem(format_args!("is missing; write it, or {file_key}"));
            None
        }
    }
}

pub(super) fn assume_role(node: &Node<'_>) -> Option<Role> {
    let table = node.table(&["role_arn", "session_name", "external_id", "duration"])?;
    let arn = table.require("role_arn", ROLE_ARN).and_then(|node| node.parsed(role_arn));
    let default = Role::new("");
    let session_name = table.read_or("session_name", default.session_name, |node| node.parsed(session_name));
    let external_id = table.read_or("external_id", None, |node| node.parsed(external_id).map(Some));
    let duration = table.read_or("duration", default.duration, role_duration);
    Some(Role { arn: arn?, session_name: session_name?, external_id: external_id?, duration: duration? })
}

/// Accepts a role by its name (`roleName/…`) or its number (`role/…`), as in the API documents.
fn role_arn(text: &str) -> Result<String, String> {
    let is_number = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    let is_name = |text: &str| is_made_of("/+=,.@_-", text, 1);
    let parts = text.strip_prefix("qcs::cam::uin/").and_then(|rest| rest.split_once(':'));
    let is_role = parts.is_some_and(|(uin, role)| {
        let name = role.strip_prefix("roleName/").or_else(|| role.strip_prefix("role/"));
        is_number(uin) && name.is_some_and(is_name)
    });
    if is_role { Ok(text.to_owned()) } else { Err(format!("is not the ARN of a role; {ROLE_ARN}")) }
}

fn session_name(text: &str) -> Result<String, &'static str> {
    if is_made_of("+=,.@_-", text, 2) {
        return Ok(text.to_owned());
    }
    Err("is not 2 to 128 letters, digits and characters of +=,.@_-")
}

fn external_id(text: &str) -> Result<Secret, &'static str> {
    if is_made_of("+=,.@:/_-", text, 2) {
        return Ok(Secret::new(text));
    }
    Err("is not 2 to 128 letters, digits and characters of +=,.@:/_-")
}

/// Whether a text consists of `least` to 128 ASCII letters, digits and characters of `others`.
fn is_made_of(others: &str, text: &str, least: usize) -> bool {
    (least..=128).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || others.contains(c))
}

fn role_duration(node: &Node<'_>) -> Option<Duration> {
    let length = duration(node)?;
    if length > MAX_ROLE_DURATION || length.subsec_nanos() != 0 {
        node.error("is not a whole number of seconds, at most 12h");
    }
    Some(length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn role_has_name_or_number() {
        let good =
            ["roleName/monitoring", "role/4611686018427397919", "role/tencentcloudServiceRoleName/vpn"];
        for role in good {
            let text = format!("qcs::cam::uin/100000000001:{role}");
            assert_eq!(role_arn(&text).as_deref(), Ok(text.as_str()));
        }
        let bad = [
            "",
            "qcs::cam::uin/100000000001",
            "qcs::cam::uin/:roleName/monitoring",
            "qcs::cam::uin/x:roleName/monitoring",
            "qcs::cam::uin/1:roleName/",
            "qcs::cam::uin/1:user/monitoring",
            "qcs::cam::uin/1:roleName/a b",
            " qcs::cam::uin/1:roleName/a",
        ];
        for text in bad {
            assert!(role_arn(text).is_err(), "{text:?} was accepted");
        }
    }

    #[test]
    fn session_name_and_external_id_lengths_are_limited() {
        for length in [2, 128] {
            assert!(session_name(&"x".repeat(length)).is_ok(), "{length}");
            assert!(external_id(&"x".repeat(length)).is_ok(), "{length}");
        }
        for length in [0, 1, 129] {
            assert!(session_name(&"x".repeat(length)).is_err(), "{length}");
            assert!(external_id(&"x".repeat(length)).is_err(), "{length}");
        }
        assert!(session_name("a/b").is_err());
        assert!(external_id("a/b:c").is_ok());
    }
}
